"""Where this package reaches into MiniStack's EC2 and Systems Manager; `local.joints` checks the places."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

from local.joints import _module, scope
from local.records import Scope

SIGNATURES: dict[str, tuple[str, ...]] = {
    "services.ec2:_ensure_defaults_initialized": (),
    "services.ec2:_error": ("code", "message", "status"),
    "services.ec2:_instance_xml": ("inst",),
    "services.ec2:_now_ts": (),
    "services.ec2:_terminate_instances": ("p",),
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
