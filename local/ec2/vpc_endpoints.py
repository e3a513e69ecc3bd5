"""AWS::EC2::VPCEndpoint: EC2's own calls, with its policy, its groups and its private names."""

import json
from typing import Any

from local import joints_ec2
from local.cloudformation import Properties, Provisioned, authority, tags
from local.ec2 import calls
from local.joints_cloudformation import ResourceType
from local.json_service import AwsError
from local.shapes import operation_model

# Member of ModifyVpcEndpoint, and the property that it adds to or takes from.
LISTS = {"RouteTable": "RouteTableIds", "Subnet": "SubnetIds", "SecurityGroup": "SecurityGroupIds"}
KINDS = {"RouteTableIds": "route-table", "SubnetIds": "subnet", "SecurityGroupIds": "security-group"}
IN_PLACE = (*LISTS.values(), "PolicyDocument", "PrivateDnsEnabled", "Tags", "TagSpecifications")


def resource_type() -> ResourceType:
    members = operation_model(calls.SERVICE, "CreateVpcEndpoint").input_shape.members
    replacing = tuple(name for name in members if name not in IN_PLACE)
    return ResourceType(create=_create, update=_update, delete=_delete, replacing=replacing, tagged=True)


def _create(logical_id: str, properties: Properties, stack: str) -> Provisioned:
    members = operation_model(calls.SERVICE, "CreateVpcEndpoint").input_shape.members
    params = {name: value for name, value in properties.items() if name != "Tags"}
    unknown = sorted(set(params) - set(members))
    if unknown:
        raise AwsError("ValidationException", f"AWS::EC2::VPCEndpoint has no property {', '.join(unknown)}.")
    if "PolicyDocument" in params:
        params["PolicyDocument"] = _text(params["PolicyDocument"])
    resources = [calls.arn("vpc-endpoint", "*"), calls.arn("vpc", str(params.get("VpcId")))]
    resources += [calls.arn(kind, name) for member, kind in KINDS.items() for name in params.get(member, ())]
    answer = calls.call(authority(), "CreateVpcEndpoint", resources, params)
    identity = str(answer.findtext(".//vpcEndpointId"))
    calls.set_tags(authority(), "vpc-endpoint", identity, {}, tags(properties))
    return identity, _attributes(identity)


def _text(document: Any) -> str:  # noqa: ANN401 - a document as dict or text
    return document if isinstance(document, str) else json.dumps(document)


def _update(physical_id: str, old: Properties, new: Properties, stack: str) -> Provisioned:
    change: dict[str, Any] = {}
    for member, name in LISTS.items():
        before, after = old.get(name) or [], new.get(name) or []
        change[f"Add{member}Ids"] = [one for one in after if one not in before]
        change[f"Remove{member}Ids"] = [one for one in before if one not in after]
    if old.get("PolicyDocument") != new.get("PolicyDocument"):
        document = new.get("PolicyDocument")
        change |= {"PolicyDocument": _text(document)} if document else {"ResetPolicy": True}
    if old.get("PrivateDnsEnabled") != new.get("PrivateDnsEnabled") and "PrivateDnsEnabled" in new:
        change["PrivateDnsEnabled"] = new["PrivateDnsEnabled"]
    change = {name: value for name, value in change.items() if value != []}
    if change:
        resources = [calls.arn("vpc-endpoint", physical_id)]
        calls.call(authority(), "ModifyVpcEndpoint", resources, {"VpcEndpointId": physical_id, **change})
    calls.set_tags(authority(), "vpc-endpoint", physical_id, tags(old), tags(new))
    return physical_id, _attributes(physical_id)


def _attributes(identity: str) -> Properties:
    found = joints_ec2.vpc_endpoint(identity) or {}
    return {
        "Id": identity,
        "CreationTimestamp": found.get("CreationTimestamp", ""),
        "DnsEntries": found.get("DnsEntries", []),
        "NetworkInterfaceIds": found.get("NetworkInterfaceIds", []),
    }


def _delete(physical_id: str, properties: Properties) -> None:
    resources = [calls.arn("vpc-endpoint", physical_id)]
    calls.call(authority(), "DeleteVpcEndpoints", resources, {"VpcEndpointIds": [physical_id]})
