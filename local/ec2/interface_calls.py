"""EC2's list of network interfaces by its filters, which MiniStack does not heed."""

import fnmatch
from collections.abc import Callable, Mapping
from typing import Any

from local import joints_ec2
from local.ec2 import answers
from local.ec2.answers import Foreign, Refused
from local.ec2.launch_parameters import Params, many, one

Record = Mapping[str, Any]


def install() -> None:
    answers.install({"DescribeNetworkInterfaces": _describe})


def _of(*path: str) -> Callable[[Record], list[str]]:
    def values(record: Record) -> list[str]:
        found: Any = record
        for name in path:
            found = (found or {}).get(name)
        return [str(found)] if found is not None else []

    return values


def _groups(member: str) -> Callable[[Record], list[str]]:
    return lambda record: [str(group[member]) for group in record.get("Groups", [])]


FILTERS: dict[str, Callable[[Record], list[str]]] = {
    "attachment.instance-id": _of("Attachment", "InstanceId"),
    "attachment.status": _of("Attachment", "Status"),
    "availability-zone": _of("AvailabilityZone"),
    "description": _of("Description"),
    "group-id": _groups("GroupId"),
    "group-name": _groups("GroupName"),
    "interface-type": lambda record: [str(record.get("InterfaceType", "interface"))],
    "mac-address": _of("MacAddress"),
    "network-interface-id": _of("NetworkInterfaceId"),
    "owner-id": _of("OwnerId"),
    "private-ip-address": _of("PrivateIpAddress"),
    "requester-id": _of("RequesterId"),
    "requester-managed": lambda record: [str(bool(record.get("RequesterManaged"))).lower()],
    "status": _of("Status"),
    "subnet-id": _of("SubnetId"),
    "vpc-id": _of("VpcId"),
}


def _describe(original: Foreign, params: Params) -> Foreign:
    filters = [(name, many(params, f"Filter.{number}.Value")) for number, name in enumerate(_names(params), start=1)]
    if not filters:
        return original(params)
    named = many(params, "NetworkInterfaceId")
    interfaces = joints_ec2.network_layout().network_interfaces
    found = [name for name, record in interfaces.items() if all(_passes(record, *each) for each in filters)]
    left = [name for name in found if not named or name in named]
    if not left:
        return joints_ec2.ec2_answer("DescribeNetworkInterfaces", "<networkInterfaceSet/>")
    return original({f"NetworkInterfaceId.{number}": [name] for number, name in enumerate(left, start=1)})


def _names(params: Params) -> list[str]:
    found: list[str] = []
    while name := one(params, f"Filter.{len(found) + 1}.Name"):
        found.append(name)
    return found


def _passes(record: Record, name: str, wanted: list[str]) -> bool:
    return any(fnmatch.fnmatchcase(value, pattern) for value in _values(record, name) for pattern in wanted)


def _values(record: Record, name: str) -> list[str]:
    tags = joints_ec2.ec2_tags(str(record["NetworkInterfaceId"])) or {}
    if name == "tag-key":
        return list(tags)
    if name.startswith("tag:"):
        return [tags[name.removeprefix("tag:")]] if name.removeprefix("tag:") in tags else []
    if name not in FILTERS:
        raise Refused("InvalidParameterValue", f"The filter '{name}' is invalid")
    return FILTERS[name](record)
