"""EC2's calls about VPC endpoints, with the groups, the policy and the private names that MiniStack drops of them."""

import json
from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape

from local import joints, joints_ec2
from local.ec2 import answers
from local.ec2.answers import Foreign, Refused
from local.ec2.launch_parameters import Params, many, one
from local.network.layout import Layout
from local.network.reachability import FULL_ACCESS, GATEWAY, INTERFACE

REQUESTER = "amazon-vpc-endpoints"
UNAVAILABLE = ("ResourceConfigurationArn", "ServiceNetworkArn", "ServiceRegion", "SubnetConfiguration.1.SubnetId")


def install() -> None:
    joints.wrap("services.ec2:_vpce_fields_xml", _described)
    answers.install({"CreateVpcEndpoint": _create, "ModifyVpcEndpoint": _modify, "DeleteVpcEndpoints": _delete})


def _create(original: Foreign, params: Params) -> Foreign:
    layout, kind = joints_ec2.network_layout(), one(params, "VpcEndpointType") or GATEWAY
    _refuse_what_is_not_there(params, kind)
    vpc = one(params, "VpcId")
    if vpc not in layout.vpcs:
        raise Refused("InvalidVpcId.NotFound", f"The Vpc Id {vpc} does not exist")
    groups = many(params, "SecurityGroupId")
    if kind == INTERFACE and not groups:
        groups = [str(layout.vpcs[vpc]["DefaultSecurityGroupId"])]
    named = kind == INTERFACE and one(params, "PrivateDnsEnabled") != "false"
    inbound_only = one(params, "DnsOptions.PrivateDnsOnlyForInboundResolverEndpoint") != "false"
    facts = {
        "SecurityGroupIds": groups,
        "PrivateDnsEnabled": named,
        "DnsOptions": {"PrivateDnsOnlyForInboundResolverEndpoint": inbound_only},
        "PolicyDocument": _policy(one(params, "PolicyDocument")),
        "CreationTimestamp": joints_ec2.ec2_now(),
        "NetworkInterfaceIds": [],
    }
    _check_places(layout, vpc, many(params, "SubnetId"), groups, many(params, "RouteTableId"))
    if named:
        _check_names(layout, vpc, one(params, "ServiceName"))
    before = set(layout.vpc_endpoints)
    answer = original(params)
    (identity,) = set(layout.vpc_endpoints) - before
    record = joints_ec2.vpc_endpoint(identity) or {}
    record.update(facts)
    _plug(record, record["SubnetIds"] if kind == INTERFACE else [])
    return joints_ec2.ec2_answer("CreateVpcEndpoint", joints_ec2.vpc_endpoint_xml(record)) if record else answer


def _refuse_what_is_not_there(params: Params, kind: str) -> None:
    asked = [name for name in UNAVAILABLE if one(params, name)]
    if kind not in (INTERFACE, GATEWAY):
        asked.append(f"VpcEndpointType {kind}")
    if one(params, "IpAddressType") not in ("", "ipv4"):
        asked.append(f"IpAddressType {one(params, 'IpAddressType')}")
    if asked:
        raise Refused("InvalidParameter", f"A VPC endpoint with {', '.join(asked)} is not available here.")


def _policy(text: str) -> Any:  # noqa: ANN401 - a document
    if not text:
        return FULL_ACCESS
    try:
        return json.loads(text)
    except ValueError as error:
        raise Refused("InvalidPolicyDocument", f"The policy document is no JSON: {error}") from error


def _check_places(layout: Layout, vpc: str, subnets: list[str], groups: list[str], tables: list[str]) -> None:
    for known, names, code in (
        (layout.subnets, subnets, "InvalidSubnetId.NotFound"),
        (layout.security_groups, groups, "InvalidGroup.NotFound"),
        (layout.route_tables, tables, "InvalidRouteTableId.NotFound"),
    ):
        for name in names:
            if (known.get(name) or {}).get("VpcId") != vpc:
                raise Refused(code, f"{name} does not exist in {vpc}")


def _check_names(layout: Layout, vpc: str, service: str) -> None:
    """One endpoint alone can take a service's name over, in a VPC that has names."""
    found = layout.vpcs[vpc]
    hostnames = found.get("EnableDnsHostnames", found.get("IsDefault", False))
    if not (found.get("EnableDnsSupport", True) and hostnames):
        raise Refused(
            "InvalidParameter",
            "Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true "
            f"for {vpc}",
        )
    for other in layout.vpc_endpoints.values():
        if other["VpcId"] == vpc and other["ServiceName"] == service and other.get("PrivateDnsEnabled"):
            raise Refused(
                "InvalidParameter",
                f"private-dns-enabled cannot be set because there is already a conflicting DNS domain for {service} "
                f"in the VPC {vpc}",
            )


def _plug(record: dict[str, Any], subnets: list[str]) -> None:
    """An interface of the endpoint's own in each subnet."""
    for subnet in subnets:
        description = f"VPC Endpoint Interface {record['VpcEndpointId']}"
        made = joints_ec2.make_interface(subnet, record["SecurityGroupIds"], description, REQUESTER)
        made["InterfaceType"] = "vpc_endpoint"
        record["NetworkInterfaceIds"].append(made["NetworkInterfaceId"])


def _modify(original: Foreign, params: Params) -> Foreign:
    record = joints_ec2.vpc_endpoint(one(params, "VpcEndpointId"))
    if record is None:
        return original(params)
    layout, vpc = joints_ec2.network_layout(), record["VpcId"]
    added, gone = many(params, "AddSecurityGroupId"), many(params, "RemoveSecurityGroupId")
    subnets, left = many(params, "AddSubnetId"), many(params, "RemoveSubnetId")
    _check_places(layout, vpc, subnets, added, many(params, "AddRouteTableId"))
    policy = one(params, "PolicyDocument")
    document = _policy(policy) if policy or one(params, "ResetPolicy") == "true" else record.get("PolicyDocument")
    names = one(params, "PrivateDnsEnabled")
    if names == "true" and not record.get("PrivateDnsEnabled"):
        _check_names(layout, vpc, record["ServiceName"])
    answer = original(params)
    record["PolicyDocument"] = document
    if names:
        record["PrivateDnsEnabled"] = names == "true"
    record["SecurityGroupIds"] = [one_ for one_ in record["SecurityGroupIds"] if one_ not in gone]
    record["SecurityGroupIds"] += [group for group in added if group not in record["SecurityGroupIds"]]
    for identity in list(record["NetworkInterfaceIds"]):
        if (layout.network_interfaces.get(identity) or {}).get("SubnetId") in left:
            joints_ec2.drop_interface(identity)
            record["NetworkInterfaceIds"].remove(identity)
    _plug(record, subnets)
    return answer


def _delete(original: Foreign, params: Params) -> Foreign:
    for identity in many(params, "VpcEndpointId"):
        for interface in (joints_ec2.vpc_endpoint(identity) or {}).get("NetworkInterfaceIds", ()):
            joints_ec2.drop_interface(interface)
    return original(params)


def _described(original: Foreign, ep: Mapping[str, Any], tag: str = "item") -> str:
    text, known = str(original(ep, tag)), joints_ec2.network_layout().security_groups
    groups = "".join(
        f"<item><groupId>{name}</groupId>"
        f"<groupName>{escape(str((known.get(name) or {}).get('GroupName', name)))}</groupName></item>"
        for name in ep.get("SecurityGroupIds", ())
    )
    interfaces = "".join(f"<item>{name}</item>" for name in ep.get("NetworkInterfaceIds", ()))
    more = (
        f"<groupSet>{groups}</groupSet><networkInterfaceIdSet>{interfaces}</networkInterfaceIdSet>"
        f"<privateDnsEnabled>{str(bool(ep.get('PrivateDnsEnabled'))).lower()}</privateDnsEnabled>"
        f"<policyDocument>{escape(json.dumps(ep.get('PolicyDocument') or FULL_ACCESS))}</policyDocument>"
    )
    end = text.rindex(f"</{tag}>")
    return text[:end] + more + text[end:]
