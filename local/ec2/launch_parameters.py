"""The parameters of RunInstances as a query has them, with those of the launch template that it names."""

from collections.abc import Iterator, Mapping
from typing import Any

from local import joints_ec2

Params = Mapping[str, Any]
PREFIX = "LaunchTemplate."
INTERFACE = "NetworkInterface.1."
PUBLIC = f"{INTERFACE}AssociatePublicIpAddress"
PLAIN = ("ImageId", "InstanceType", "KeyName", "UserData", "InstanceInitiatedShutdownBehavior")
NESTED = ("IamInstanceProfile", "MetadataOptions")


class NoLaunchTemplate(Exception):
    """The one that is named does not exist, or its version does not."""


def one(params: Params, name: str) -> str:
    found = params.get(name, "")
    return str(found[0] if isinstance(found, list) and found else found or "")


def many(params: Params, prefix: str) -> list[str]:
    found, number = [], 1
    while value := one(params, f"{prefix}.{number}"):
        found.append(value)
        number += 1
    return found


def nested(params: Params, prefix: str) -> dict[str, str]:
    return {name.removeprefix(f"{prefix}."): one(params, name) for name in params if name.startswith(f"{prefix}.")}


def placed(params: Params) -> dict[str, Any]:
    """With subnet and groups where MiniStack looks for them, also of a call that says them of its first interface."""
    found = dict(params)
    if subnet := one(params, f"{INTERFACE}SubnetId"):
        found["SubnetId"] = [subnet]
    for number, group in enumerate(many(params, f"{INTERFACE}SecurityGroupId"), start=1):
        found[f"SecurityGroupId.{number}"] = [group]
    return found


def completed(params: Params) -> dict[str, Any]:
    """What the call says itself goes over what its launch template says."""
    named = nested(params, PREFIX.rstrip("."))
    if not named:
        return dict(params)
    found = joints_ec2.launch_template_data(named)
    if found is None:
        raise NoLaunchTemplate("The launch template or its version does not exist.")
    return {**dict(_flat(found)), **params}


def _flat(data: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    for name in PLAIN:
        if name in data:
            yield name, [str(data[name])]
    for name in NESTED:
        for member, value in (data.get(name) or {}).items():
            yield f"{name}.{member}", [str(value)]
    yield from _members("InstanceMarketOptions", data.get("InstanceMarketOptions") or {})
    interface = (data.get("NetworkInterfaces") or [{}])[0]
    if subnet := interface.get("SubnetId"):
        yield "SubnetId", [subnet]
    if "AssociatePublicIpAddress" in interface:
        yield PUBLIC, [str(interface["AssociatePublicIpAddress"]).lower()]
    for number, group in enumerate(interface.get("Groups") or data.get("SecurityGroupIds") or [], start=1):
        yield f"SecurityGroupId.{number}", [group]


def _members(name: str, value: Any) -> Iterator[tuple[str, list[str]]]:  # noqa: ANN401 - of a launch template
    if isinstance(value, Mapping):
        for member, inner in value.items():
            yield from _members(f"{name}.{member}", inner)
    else:
        yield name, [str(value)]
