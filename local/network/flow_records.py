"""VPC flow logs: what came through an interface and what was stopped at it, in the default format, as AWS delivers it.

A judged request is a flow. Its packets are not there to be counted, nor is the address of a service outside of the VPC:
such fields have the "-" that the format has for what is unknown.
"""

import logging
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local import joints, joints_ec2
from local.authority import CannotAssume, KeyAuthority, assume_role
from local.gateway import AsgiScope
from local.json_service import AwsError
from local.network.filters import HTTPS
from local.network.layout import Interface
from local.network.origins import Origin
from local.network.reachability import NoWay, Way
from local.records import Scope

PRINCIPAL = "vpc-flow-logs.amazonaws.com"
PENDING_LIMIT = 50_000
VERSION, TCP, UNKNOWN = "2", "6", "-"
# Of a role's session, after which another is taken.
SESSION_SECONDS = 3000.0
logger = logging.getLogger("embedded-aws.network")


@dataclass(frozen=True)
class Flow:
    """One request as the interface saw it."""

    place: Scope
    interface: Interface
    destination: str
    port: int
    accepted: bool
    second: int

    @property
    def action(self) -> str:
        return "ACCEPT" if self.accepted else "REJECT"

    def line(self) -> str:
        fields = (
            VERSION,
            self.place.account,
            self.interface.identity,
            self.interface.address,
            self.destination or UNKNOWN,
            str(self.port or UNKNOWN),
            str(HTTPS),
            TCP,
            UNKNOWN,
            UNKNOWN,
            str(self.second),
            str(self.second),
            self.action,
            "OK",
        )
        return " ".join(fields)


class FlowRecords:
    """Seen at the door, delivered every few seconds by the role of each flow log."""

    def __init__(self) -> None:
        self._pending: deque[Flow] = deque(maxlen=PENDING_LIMIT)
        self._sessions: dict[str, tuple[float, str]] = {}
        self._warned: set[str] = set()

    def saw(self, origin: Origin, interface: Interface, found: Way | NoWay, scope: AsgiScope) -> None:
        """What finds no route leaves no record: no group and no ACL has had a say in it."""
        if isinstance(found, NoWay) and not found.filtered:
            return
        destination = found.destination if isinstance(found, Way) else ""
        port = int((scope.get("client") or ("", 0))[1])
        accepted = isinstance(found, Way)
        self._pending.append(Flow(origin.place, interface, destination, port, accepted, int(time.time())))

    async def deliver(self) -> None:
        """On the loop. Requests of one connection within a second are one flow."""
        flows = list(dict.fromkeys(self._pending.popleft() for _ in range(len(self._pending))))
        for place in dict.fromkeys(flow.place for flow in flows):
            with joints.scope(place.account, place.region):
                for record in joints_ec2.flow_logs():
                    self._send(place, record, [flow for flow in flows if flow.place == place and _covers(record, flow)])

    def _send(self, place: Scope, record: dict[str, Any], flows: list[Flow]) -> None:
        group, kind = str(record["LogDestination"]), str(record["TrafficType"]).lower()
        for interface in dict.fromkeys(flow.interface.identity for flow in flows):
            of_it = [flow for flow in flows if flow.interface.identity == interface]
            events = [{"timestamp": flow.second * 1000, "message": flow.line()} for flow in of_it]
            stream = f"{interface}-{kind}"
            refused = self._refused(place, record, group, stream) or joints.write_log(group, stream, events)
            record["DeliverLogsStatus"] = "FAILED" if refused else "SUCCESS"
            if refused and record["FlowLogId"] not in self._warned:
                self._warned.add(record["FlowLogId"])
                logger.warning("flow log %s could not be delivered: %s", record["FlowLogId"], refused)

    def _refused(self, place: Scope, record: Mapping[str, Any], group: str, stream: str) -> str:
        """Why the flow log's role may not, "" if it may."""
        try:
            role = KeyAuthority(self._session(place, record), place.region)
            for action in ("logs:CreateLogStream", "logs:PutLogEvents"):
                role.require(action, f"{group.removesuffix(':*')}:log-stream:{stream}")
        except (CannotAssume, AwsError) as error:
            return str(error.message) if isinstance(error, AwsError) else str(error)
        return ""

    def _session(self, place: Scope, record: Mapping[str, Any]) -> str:
        identity, now = str(record["FlowLogId"]), time.monotonic()
        ends, key = self._sessions.get(identity, (0.0, ""))
        if ends < now:
            source = f"arn:aws:ec2:{place.region}:{place.account}:vpc-flow-log/{identity}"
            role = str(record.get("DeliverLogsPermissionArn"))
            key = assume_role(place, role, PRINCIPAL, "vpc-flow-logs", source).access_key
            self._sessions[identity] = now + SESSION_SECONDS, key
        return key


def _covers(record: Mapping[str, Any], flow: Flow) -> bool:
    """Whether a flow log is about that interface and that action."""
    layout = joints_ec2.network_layout()
    subnet = layout.subnets.get(flow.interface.subnet) or {}
    resource = {
        "VPC": subnet.get("VpcId"),
        "Subnet": flow.interface.subnet,
        "NetworkInterface": flow.interface.identity,
    }.get(str(record["ResourceType"]))
    return record["ResourceId"] == resource and record["TrafficType"] in ("ALL", flow.action)
