"""The agents on instances: one is online while its instance runs and network and role let it report and be told."""

import time

from local import joints, joints_ec2
from local.ec2.machine import Machine
from local.ec2.machines import Machines
from local.json_service import AwsError, Call
from local.listing import page
from local.network.judgement import judged
from local.network.reachability import NoWay
from local.records import Document, Scope

# What an agent calls to be there and to be told; without one of them it is not online.
NEEDS = (
    "ssmmessages:CreateControlChannel",
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:OpenDataChannel",
)
# The agent's newer versions, as AMIs have them, do without ec2messages.
REACHES = ("ssm", "ssmmessages")
FILTERS = ("InstanceIds", "PingStatus")
PAGE = 50


class Agents:
    def __init__(self, machines: Machines) -> None:
        self._machines = machines
        # Those that have been online: known to the service, a tag finds them though they are not at the moment.
        self._known: set[tuple[Scope, str]] = set()

    def at(self, place: Scope, identity: str) -> Machine | None:
        return self._machines.at(place, identity)

    def is_online(self, machine: Machine) -> bool:
        """On AWS the agent of one that is not would go on trying, unseen."""
        online = machine.record.get("State", {}).get("Name") == "running" and _may_report(machine)
        if online:
            self._known.add((machine.place, machine.identity))
        return online

    def tagged(self, place: Scope, key: str, values: list[str]) -> list[str]:
        """Those that a tag's value finds."""
        return [
            one.identity
            for one in self._machines.running()
            if one.place == place
            and joints_ec2.tags_at(place, one.identity).get(key) in values
            and (self.is_online(one) or (place, one.identity) in self._known)
        ]

    def information(self, call: Call) -> Document:
        asked = {
            str(one.get("Key") or one.get("key")): one.get("Values") or one.get("valueSet") or []
            for one in (call.params.get("Filters") or call.params.get("InstanceInformationFilterList") or [])
        }
        if unknown := sorted(set(asked) - set(FILTERS)):
            raise AwsError("InvalidFilterKey", f"The filter {unknown[0]} is not available in the embedded AWS.")
        found = [_described(one) for one in self._machines.running() if one.place == call.scope and self.is_online(one)]
        shown = [
            one
            for one in found
            if one["InstanceId"] in asked.get("InstanceIds", [one["InstanceId"]])
            and one["PingStatus"] in asked.get("PingStatus", [one["PingStatus"]])
        ]
        shown.sort(key=lambda one: str(one["InstanceId"]))
        return page(shown, "InstanceInformationList", call.params, refusal="InvalidNextToken", size=PAGE)


def _may_report(machine: Machine) -> bool:
    keys, place = machine.role_keys(), machine.place
    if keys is None:
        return False
    ways = [judged(place, machine.interfaces(), service, place.region)[1] for service in REACHES]
    if any(isinstance(found, NoWay) for found in ways):
        return False
    own = f"arn:aws:ec2:{place.region}:{place.account}:instance/{machine.identity}"
    asked = [("ssm:UpdateInstanceInformation", own), *((action, "*") for action in NEEDS)]
    with joints.scope(place.account, place.region):
        key = keys.credentials.access_key
        return all(joints.denial(key, action, resource, place.region) is None for action, resource in asked)


def _described(machine: Machine) -> Document:
    record = machine.record
    return {
        "InstanceId": machine.identity,
        "PingStatus": "Online",
        "LastPingDateTime": time.time(),
        "PlatformType": "Linux",
        "ResourceType": "EC2Instance",
        "IPAddress": record["PrivateIpAddress"],
        "ComputerName": record["PrivateDnsName"],
    }
