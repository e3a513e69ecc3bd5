"""What the network bills though nothing goes through it: NAT gateways, addresses, interface endpoints."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from ops.spans import in_words
from ops.watch.idlers import Ground, Idler, times

WEEK = timedelta(days=7)


def nat_gateways(ground: Ground) -> Iterator[Idler]:
    """No stack makes one; in the stage's network somebody may have."""
    ec2 = ground.stage.client("ec2")
    networks = ground.stage.resources("network", "AWS::EC2::VPC")
    searches = [ground.filters, *([[{"Name": "vpc-id", "Values": networks}]] if networks else [])]
    pages = ec2.get_paginator("describe_nat_gateways")
    found = {
        one["NatGatewayId"]: one
        for filters in searches
        for one in pages.paginate(Filter=[*filters, {"Name": "state", "Values": ["available"]}]).search("NatGateways[]")
        if one
    }
    for name, gateway in found.items():
        if ground.now - gateway["CreateTime"] >= WEEK and not _bytes_through_nat(ground, name):
            yield Idler(
                "NAT gateway",
                name,
                f"nothing went through it for {in_words(WEEK)}",
                "BytesOutToDestination of AWS/NATGateway",
                ground.prices.other("NAT gateway hour"),
                f"aws ec2 delete-nat-gateway --nat-gateway-id {name}",
            )


def _bytes_through_nat(ground: Ground, name: str) -> float:
    return ground.count("AWS/NATGateway:BytesOutToDestination", {"NatGatewayId": name}, WEEK)


def addresses(ground: Ground) -> Iterator[Idler]:
    """A public IPv4 address is billed whether something has it or not; one that nothing has serves nobody."""
    for found in ground.stage.client("ec2").describe_addresses(Filters=ground.filters)["Addresses"]:
        if not found.get("AssociationId"):
            name = found["AllocationId"]
            yield Idler(
                f"public address {found['PublicIp']}",
                name,
                "nothing has it",
                "its association, now",
                ground.prices.other("public IPv4 address hour"),
                f"aws ec2 release-address --allocation-id {name}",
            )


def interface_endpoints(ground: Ground) -> Iterator[Idler]:
    """They bill by the hour and zone."""
    ec2 = ground.stage.client("ec2")
    pages = ec2.get_paginator("describe_vpc_endpoints").paginate(
        Filters=[*ground.filters, {"Name": "vpc-endpoint-type", "Values": ["Interface"]}]
    )
    hour = ground.prices.other("interface endpoint zone-hour")
    for found in pages.search("VpcEndpoints[]"):
        age = ground.now - found.get("CreationTimestamp", ground.now) if found else timedelta(0)
        if age >= WEEK and not _bytes_through(ground, found):
            zones = len(found.get("SubnetIds", []))
            yield Idler(
                f"interface endpoint of {found['ServiceName'].removeprefix(f'com.amazonaws.{ground.region}.')}",
                f"{found['VpcEndpointId']}, {zones} zones",
                f"nothing went through it for {in_words(WEEK)}",
                "BytesProcessed of AWS/PrivateLinkEndpoints",
                times(hour, zones),
                "leave it out of network.interface_endpoints, or network.isolated = false",
            )


def _bytes_through(ground: Ground, found: dict[str, Any]) -> float:
    dimensions = {
        "Endpoint Type": "Interface",
        "Service Name": found["ServiceName"],
        "VPC Endpoint Id": found["VpcEndpointId"],
        "VPC Id": found["VpcId"],
    }
    return ground.count("AWS/PrivateLinkEndpoints:BytesProcessed", dimensions, WEEK)
