"""Where this package reaches into MiniStack's EC2 and Systems Manager; `local.joints` checks the places."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

from local.joints import _module, account, current_region, scope
from local.network.layout import Layout, PrefixList
from local.network.reachability import free_address
from local.records import Scope

SIGNATURES: dict[str, tuple[str, ...]] = {
    "services.ec2:_ensure_defaults_initialized": (),
    "services.ec2:_error": ("code", "message", "status"),
    "services.ec2:_get_aws_managed_prefix_lists": (),
    "services.ec2:_init_defaults": (),
    "services.ec2:_instance_xml": ("inst",),
    "services.ec2:_now_ts": (),
    "services.ec2:_terminate_instances": ("p",),
    "services.ec2:_network_acl_entry_xml": ("entry",),
    "services.ec2:_vpce_fields_xml": ("ep", "tag"),
    "services.ec2:_create_network_interface": ("p",),
    "services.ec2:_xml": ("status", "root_tag", "inner"),
    "services.ec2:_resolve_launch_template_data": ("spec",),
    "services.iam:_lookup_instance_profile": ("name", "arn"),
    "services.ssm:_select_parameter": ("name_or_arn",),
}
ATTRIBUTES: tuple[str, ...] = (
    "services.ec2:_ACTION_MAP",
    "services.ec2:_tags",
    "services.ec2:_instances",
    "services.ec2:_volumes",
    "services.ec2:_addresses",
    "services.ec2:_flow_logs",
    "services.ec2:_internet_gateways",
    "services.ec2:_nat_gateways",
    "services.ec2:_network_acls",
    "services.ec2:_network_interfaces",
    "services.ec2:_prefix_lists",
    "services.ec2:_route_tables",
    "services.ec2:_security_groups",
    "services.ec2:_subnets",
    "services.ec2:_vpc_endpoints",
    "services.ec2:_vpcs",
    "services.ssm:_PUBLIC_AMI_PARAMETERS",
)


def ec2_tags(identity: str) -> dict[str, str] | None:
    found = _module("services.ec2")._tags.get(identity)
    return {tag["Key"]: tag["Value"] for tag in found} if found else None


def ec2(operation: str, params: Mapping[str, Any]) -> tuple[int, bytes]:
    """One of MiniStack's EC2 calls, with parameters as a query has them. The answer is XML."""
    module = _module("services.ec2")
    module._ensure_defaults_initialized()
    handler = module._ACTION_MAP.get(operation)
    if handler is None:
        raise LookupError(f"EC2 has no {operation} in MiniStack")
    status, _, body = handler({name: [str(value)] for name, value in params.items()})
    return int(status), body if isinstance(body, bytes) else str(body).encode()


def instance(identity: str) -> dict[str, Any]:
    """MiniStack's own record of one, to read and to change."""
    found: dict[str, Any] = _module("services.ec2")._instances[identity]
    return found


def describe_root_volume(identity: str, facts: Mapping[str, Any]) -> None:
    """MiniStack makes every root volume alike; this is what was asked for."""
    ec2_service = _module("services.ec2")
    for device in ec2_service._instances[identity]["BlockDeviceMappings"]:
        ec2_service._volumes[device["Ebs"]["VolumeId"]].update(facts)


def launch_template_data(specification: Mapping[str, Any]) -> dict[str, Any] | None:
    """What a launch template's version holds; None where there is none such."""
    wanted = {name: str(value) for name, value in specification.items()}
    data, record, _ = _module("services.ec2")._resolve_launch_template_data(wanted)
    versions = {str(one["VersionNumber"]) for one in (record or {}).get("Versions", [])}
    known = wanted.get("Version") in {*versions, "$Latest", "$Default", None}
    return dict(data) if record and known else None


def instance_profile(name: str, arn: str) -> tuple[str, list[str]] | None:
    """ARN and role ARNs of a profile."""
    iam = _module("services.iam")
    found = iam._lookup_instance_profile(name=name, arn=arn)
    if found is None:
        return None
    names = [one["RoleName"] if isinstance(one, dict) else str(one) for one in found["Roles"]]
    return str(found["Arn"]), [str(iam._roles[role_name]["Arn"]) for role_name in names]


def publish_image(parameter_name: str, image: str) -> None:
    """A public parameter, as AWS's own are."""
    _module("services.ssm")._PUBLIC_AMI_PARAMETERS[parameter_name] = image


def parameter(name: str) -> str | None:
    found, _ = _module("services.ssm")._select_parameter(name)
    return str(found["Value"]) if found else None


# --- instances that run ------------------------------------------------------------------------------------------

# A handler of one EC2 call: parameters as a query has them, and status, headers and body.
Foreign = Any


def wrap_ec2(operation: str, wrapper: Callable[..., Foreign]) -> None:
    """Put `wrapper(original, params)` in the place of one of MiniStack's EC2 calls, or of one that it lacks."""
    handlers = _module("services.ec2")._ACTION_MAP
    handlers[operation] = functools.partial(wrapper, handlers.get(operation))


def ec2_answer(operation: str, inner: str) -> Foreign:
    return _module("services.ec2")._xml(200, f"{operation}Response", inner)


def ec2_error(code: str, message: str, status: int = 400) -> Foreign:
    return _module("services.ec2")._error(code, message, status)


def ec2_now() -> str:
    """As EC2 writes a time."""
    return str(_module("services.ec2")._now_ts())


def all_instances() -> list[tuple[Scope, str]]:
    """Of every account and region, with their identities."""
    return [(Scope(account, region), name) for account, region, name in list(_module("services.ec2")._instances._data)]


def instance_at(place: Scope, identity: str) -> dict[str, Any] | None:
    """MiniStack's own record of one, to read and to change."""
    found: dict[str, Any] | None = _module("services.ec2")._instances.get_scoped(place.account, place.region, identity)
    return found


def tags_at(place: Scope, identity: str) -> dict[str, str]:
    with scope(place.account, place.region):
        return ec2_tags(identity) or {}


def terminated(place: Scope, identity: str) -> None:
    """What else MiniStack does to one that is: its profile is free again, and its record goes after a minute."""
    with scope(place.account, place.region):
        _module("services.ec2")._terminate_instances({"InstanceId.1": [identity]})


# --- networks ----------------------------------------------------------------------------------------------------


def network_layout() -> Layout:
    """Of the account and region at work: MiniStack's own records, as they are at each look."""
    ec2_service = _module("services.ec2")
    ec2_service._ensure_defaults_initialized()
    lists = {one["PrefixListId"]: PrefixList(one["PrefixListName"]) for one in _aws_lists()}
    for identity, found in ec2_service._prefix_lists.items():
        blocks = tuple(entry["Cidr"] for entry in found.get("Entries", []))
        lists[identity] = PrefixList(found.get("PrefixListName", ""), blocks)
    return Layout(
        vpcs=ec2_service._vpcs,
        subnets=ec2_service._subnets,
        route_tables=ec2_service._route_tables,
        security_groups=ec2_service._security_groups,
        network_acls=ec2_service._network_acls,
        vpc_endpoints=ec2_service._vpc_endpoints,
        network_interfaces=ec2_service._network_interfaces,
        nat_gateways=ec2_service._nat_gateways,
        internet_gateways=ec2_service._internet_gateways,
        addresses=ec2_service._addresses,
        prefix_lists=lists,
    )


def _aws_lists() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = _module("services.ec2")._get_aws_managed_prefix_lists()
    return found


def complete_default_vpc(original: Callable[[], None]) -> None:
    """The default VPC's way to the internet, which AWS makes with it and MiniStack leaves out."""
    original()
    ec2_service = _module("services.ec2")
    default = next(name for name, one in ec2_service._vpcs.items() if one.get("IsDefault"))
    gateway = next(
        name
        for name, one in ec2_service._internet_gateways.items()
        if any(found["VpcId"] == default for found in one["Attachments"])
    )
    for table in ec2_service._route_tables.values():
        main = any(one.get("Main") for one in table["Associations"])
        if table["VpcId"] == default and main and not any("igw-" in str(one) for one in table["Routes"]):
            way_out = {"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": gateway, "State": "active"}
            table["Routes"].append({**way_out, "Origin": "CreateRoute"})


def make_interface(subnet: str, groups: list[str], description: str, requester: str) -> dict[str, Any]:
    """A network interface that a service makes for itself, at an address of the subnet that nobody has."""
    ec2_service = _module("services.ec2")
    params: dict[str, Any] = {"SubnetId": [subnet], "Description": [description]}
    params |= {f"SecurityGroupId.{number}": [group] for number, group in enumerate(groups, start=1)}
    before = set(ec2_service._network_interfaces)
    ec2_service._create_network_interface(params)
    (identity,) = set(ec2_service._network_interfaces) - before
    record: dict[str, Any] = ec2_service._network_interfaces[identity]
    address = unused_address(subnet)
    record.update(PrivateIpAddress=address, Status="in-use", RequesterId=requester, RequesterManaged=True)
    return record


def plug_in(record: dict[str, Any], public: str, answer: bytes) -> bytes:
    """An instance's interface, at an address of its subnet, public if asked for or where the subnet makes it so.

    MiniStack gives every instance a public address, and a private one of any network. The answer to its launch, mended.
    """
    ec2_service = _module("services.ec2")
    subnet, groups = record["SubnetId"], [one["GroupId"] for one in record["SecurityGroups"]]
    if subnet not in ec2_service._subnets:
        return answer
    if not (public == "true" or (not public and ec2_service._subnets[subnet].get("MapPublicIpOnLaunch"))):
        shown = f"<ipAddress>{record['PublicIpAddress']}</ipAddress>", f"<dnsName>{record['PublicDnsName']}</dnsName>"
        record.update(PublicIpAddress="", PublicDnsName="")
        answer = answer.replace(shown[0].encode(), b"").replace(shown[1].encode(), b"<dnsName/>")
    before = record["PrivateIpAddress"]
    made = make_interface(subnet, groups, "", "")
    attachment = {"AttachmentId": f"eni-attach-{made['NetworkInterfaceId'][4:]}", "InstanceId": record["InstanceId"]}
    attachment |= {"DeviceIndex": 0, "Status": "attached", "AttachTime": ec2_now()}
    made.update(RequesterId="", RequesterManaged=False, Attachment=attachment)
    after = made["PrivateIpAddress"]
    record.update(
        NetworkInterfaceId=made["NetworkInterfaceId"],
        PrivateIpAddress=after,
        PrivateDnsName=record["PrivateDnsName"].replace(before.replace(".", "-"), after.replace(".", "-")),
        PublicDnsName=record["PublicDnsName"].replace(before.replace(".", "-"), after.replace(".", "-")),
    )
    for old, new in ((before, after), (before.replace(".", "-"), after.replace(".", "-"))):
        answer = answer.replace(old.encode(), new.encode())
    return answer


def unused_address(subnet: str) -> str:
    ec2_service = _module("services.ec2")
    holders = (*ec2_service._network_interfaces.values(), *ec2_service._instances.values())
    taken = {one["PrivateIpAddress"] for one in holders if one.get("SubnetId") == subnet}
    return free_address(ec2_service._subnets[subnet]["CidrBlock"], taken)


def drop_interface(identity: str) -> None:
    _module("services.ec2")._network_interfaces.pop(identity, None)


def drop_interfaces_of(requesters: set[str]) -> None:
    """In every account and region."""
    kept = _module("services.ec2")._network_interfaces._data
    for key in [key for key, one in kept.items() if one.get("RequesterId") in requesters]:
        del kept[key]


def make_defaults() -> None:
    """What MiniStack makes of its own accord, once more: it has done so at its import."""
    _module("services.ec2")._init_defaults()


def vpc_endpoint_xml(record: Mapping[str, Any]) -> str:
    return str(_module("services.ec2")._vpce_fields_xml(record, tag="vpcEndpoint"))


def vpc_endpoint(identity: str) -> dict[str, Any] | None:
    """MiniStack's own record of one, to read and to change."""
    found: dict[str, Any] | None = _module("services.ec2")._vpc_endpoints.get(identity)
    return found


def log_group_arn(name: str) -> str:
    return f"arn:aws:logs:{current_region()}:{account()}:log-group:{name}"


def flow_logs() -> list[dict[str, Any]]:
    return list(_module("services.ec2")._flow_logs.values())
