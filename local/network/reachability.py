"""From a network interface to a service of AWS: through which VPC endpoint, by the internet, or not at all, and why.

A function of EC2's records alone. What AWS would answer to a connection's first packet, without sending one: names
first (an endpoint with private DNS takes the service's name over), then the subnet's routes, then groups and ACLs.
"""

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from local.network.filters import ANYWHERE, Peer, acl_refusal, groups_admit
from local.network.layout import Interface, Layout

EGRESS, INGRESS = "IpPermissionsEgress", "IpPermissions"
INTERFACE, GATEWAY = "Interface", "Gateway"
# Who may do what through an endpoint that says nothing about it.
FULL_ACCESS = {"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}]}
Record = Mapping[str, Any]


@dataclass(frozen=True)
class Way:
    """`endpoint` is empty on the way through the internet; `source` is the address that AWS sees, "" if unknown."""

    source: str
    endpoint: str = ""
    vpc: str = ""
    policy: Any = None
    destination: str = ""


@dataclass(frozen=True)
class NoWay:
    """`filtered` where a group or an ACL stopped it, which a flow log sees; a route that is missing it does not."""

    reason: str
    filtered: bool = False


def way(interface: Interface, service: str, region: str, layout: Layout) -> Way | NoWay:
    """`service` by the last part of its endpoints' name: s3, sagemaker.api."""
    subnet = layout.subnets.get(interface.subnet)
    if subnet is None:
        return NoWay(f"{interface.subnet} does not exist")
    vpc, name = str(subnet["VpcId"]), f"com.amazonaws.{region}.{service}"
    named = [one for one in layout.vpc_endpoints.values() if one["VpcId"] == vpc and one["ServiceName"] == name]
    for endpoint in named:
        if endpoint["VpcEndpointType"] == INTERFACE and _takes_the_name(endpoint, layout.vpcs.get(vpc) or {}):
            return _through_interface(interface, endpoint, layout)
    if interface.direct_internet:
        return Way(source="")
    table = _table_of(layout, interface.subnet, vpc)
    for endpoint in named:
        if endpoint["VpcEndpointType"] == GATEWAY and table.get("RouteTableId") in endpoint.get("RouteTableIds", ()):
            return _stopped(interface, Peer(name, service=name), layout) or Way(
                source=interface.address,
                endpoint=endpoint["VpcEndpointId"],
                vpc=vpc,
                policy=endpoint.get("PolicyDocument") or FULL_ACCESS,
            )
    return _through_internet(interface, name, table, layout)


def _takes_the_name(endpoint: Record, vpc: Record) -> bool:
    """S3's own leaves the name to a gateway endpoint, unless it is told to take it."""
    if not _is_on(endpoint.get("PrivateDnsEnabled"), default=False):
        return False
    if not _is_on(vpc.get("EnableDnsSupport"), default=True):
        return False
    if not _is_on(vpc.get("EnableDnsHostnames"), default=bool(vpc.get("IsDefault"))):
        return False
    options = endpoint.get("DnsOptions") or {}
    inbound_only = _is_on(options.get("PrivateDnsOnlyForInboundResolverEndpoint"), default=True)
    return not (str(endpoint["ServiceName"]).endswith(".s3") and inbound_only)


def _is_on(value: object, *, default: bool) -> bool:
    return default if value is None else str(value).lower() == "true"


def _through_interface(interface: Interface, endpoint: Record, layout: Layout) -> Way | NoWay:
    identity, groups = endpoint["VpcEndpointId"], tuple(endpoint.get("SecurityGroupIds", ()))
    stands = _standing(interface, endpoint, layout)
    if stands is None:
        return NoWay(f"VPC endpoint {identity} of {endpoint['ServiceName']} stands in no subnet")
    peer = Peer(f"VPC endpoint {identity} ({stands['PrivateIpAddress']})", stands["PrivateIpAddress"], groups)
    stopped = _stopped(interface, peer, layout, crosses=stands["SubnetId"] != interface.subnet)
    if stopped is not None:
        return stopped
    source = Peer(f"{interface.identity} ({interface.address})", interface.address, interface.groups)
    if not groups_admit(layout, groups, INGRESS, source):
        return NoWay(f"{_groups(groups)} of VPC endpoint {identity} let no https in from {source.name}", filtered=True)
    if stands["SubnetId"] != interface.subnet:
        refusal = acl_refusal(layout, stands["SubnetId"], source, serves=True)
        if refusal:
            return NoWay(refusal, filtered=True)
    return Way(
        source=interface.address,
        endpoint=identity,
        vpc=endpoint["VpcId"],
        policy=endpoint.get("PolicyDocument") or FULL_ACCESS,
        destination=stands["PrivateIpAddress"],
    )


def _standing(interface: Interface, endpoint: Record, layout: Layout) -> Record | None:
    """The endpoint's own interface, in the same subnet where it has one there."""
    found = [
        one
        for name in endpoint.get("NetworkInterfaceIds", ())
        if (one := layout.network_interfaces.get(name)) is not None
    ]
    return next(iter(sorted(found, key=lambda one: one["SubnetId"] != interface.subnet)), None)


def _stopped(interface: Interface, peer: Peer, layout: Layout, *, crosses: bool = True) -> NoWay | None:
    if not groups_admit(layout, interface.groups, EGRESS, peer):
        return NoWay(f"{_groups(interface.groups)} let no https out to {peer.name}", filtered=True)
    refusal = acl_refusal(layout, interface.subnet, peer, serves=False) if crosses else ""
    return NoWay(refusal, filtered=True) if refusal else None


def _groups(names: tuple[str, ...]) -> str:
    return f"security groups {', '.join(names) or '(none)'}"


def _table_of(layout: Layout, subnet: str, vpc: str) -> Record:
    """The route table that the subnet names, else its VPC's main one."""
    main: Record = {}
    for table in layout.route_tables.values():
        for association in table.get("Associations", ()):
            if association.get("SubnetId") == subnet:
                return table
            if association.get("Main") and table["VpcId"] == vpc:
                main = table
    return main


def _through_internet(interface: Interface, name: str, table: Record, layout: Layout) -> Way | NoWay:
    route = _default_route(table)
    where = f"route table {table.get('RouteTableId', '(none)')} of {interface.subnet}"
    if route is None:
        return NoWay(f"{where} has no route to {name}: neither a VPC endpoint nor one to the internet")
    if gateway := route.get("NatGatewayId"):
        source = _behind(gateway, layout)
        if isinstance(source, NoWay):
            return source
    elif str(gateway := route.get("GatewayId", "")).startswith("igw-"):
        if not _is_attached(gateway, str(table["VpcId"]), layout):
            return NoWay(f"{where} leads to {gateway}, which is not attached to {table['VpcId']}")
        if not interface.public_address:
            return NoWay(f"{where} leads to {gateway}, and {interface.identity} has no public address")
        source = interface.public_address
    else:
        return NoWay(f"{where} leads {ANYWHERE} to something that knows no way to {name}")
    return _stopped(interface, Peer(name, service=name), layout) or Way(source=source)


def _default_route(table: Record) -> Record | None:
    """A route to some public addresses only may or may not be one to a service's."""
    return next((route for route in _routes(table) if route.get("DestinationCidrBlock") == ANYWHERE), None)


def _routes(table: Record) -> Iterator[Record]:
    yield from (route for route in table.get("Routes", ()) if route.get("State", "active") == "active")


def _behind(gateway: str, layout: Layout) -> str | NoWay:
    """The public address of a NAT gateway, which itself needs a way to the internet."""
    found = layout.nat_gateways.get(gateway)
    if found is None or found.get("State") != "available":
        return NoWay(f"NAT gateway {gateway} is not available")
    if found.get("ConnectivityType") == "private":
        return NoWay(f"NAT gateway {gateway} is private and leads to no internet")
    route = _default_route(_table_of(layout, found["SubnetId"], found["VpcId"])) or {}
    outward = str(route.get("GatewayId", ""))
    if not outward.startswith("igw-") or not _is_attached(outward, found["VpcId"], layout):
        return NoWay(f"NAT gateway {gateway} stands in {found['SubnetId']}, which has no route to an internet gateway")
    address = layout.addresses.get(found.get("AllocationId", "")) or {}
    return str(address.get("PublicIp", ""))


def _is_attached(gateway: str, vpc: str, layout: Layout) -> bool:
    found = layout.internet_gateways.get(gateway) or {}
    return any(one.get("VpcId") == vpc for one in found.get("Attachments", ()))


def free_address(block: str, taken: set[str]) -> str:
    """Of a subnet: AWS keeps the first four and the last for itself."""
    network = ipaddress.ip_network(block, strict=False)
    for number in range(4, network.num_addresses - 1):
        address = str(network[number])
        if address not in taken:
            return address
    raise ValueError(f"no address is left in {block}")
