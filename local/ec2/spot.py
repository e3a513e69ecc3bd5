"""Spot capacity of instances: taken away at two minutes' notice, and given back to who has asked for that.

`python -m local interrupt INSTANCE` takes it, by a file in the instance's folder. The notice is in the metadata service
and on the event bus; then the instance is stopped or terminated, as was asked for. A persistent request has its
capacity back after a minute, and the instance starts again. All by the clock of `start --clock N`.
"""

import functools
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from local import joints, joints_events
from local.clock import Clock
from local.ec2.launch_parameters import Params, nested
from local.ec2.machine import Machine
from local.ec2.machines import Machines, state_of
from local.home import INTERRUPTION, SPOT

NOTICE_SECONDS, AWAY_SECONDS = 120.0, 60.0
REASONS = {
    "stop": "Server.SpotInstanceShutdown: Instance stopped because its Spot capacity was taken back",
    "terminate": "Server.SpotInstanceTermination: Instance terminated because its Spot capacity was taken back",
}
CHANGES = {"stop": "stopping", "terminate": "shutting-down"}


@dataclass(frozen=True)
class Spot:
    """What a launch asked for."""

    request: str
    persistent: bool
    behaviour: str

    @classmethod
    def of(cls, params: Params) -> "Spot | None":
        """ValueError says why it cannot be."""
        asked = nested(params, "InstanceMarketOptions")
        if asked.get("MarketType") != "spot":
            return None
        kind = asked.get("SpotOptions.SpotInstanceType", "one-time")
        behaviour = asked.get("SpotOptions.InstanceInterruptionBehavior", "terminate")
        if behaviour == "hibernate":
            raise ValueError(
                "Hibernation of Spot Instances is not available in the embedded AWS; stop and terminate are."
            )
        if behaviour == "stop" and kind != "persistent":
            raise ValueError("An interruption that stops an instance needs a persistent Spot request.")
        return cls(f"sir-{secrets.token_hex(4)}", kind == "persistent", behaviour)

    def keep(self, machine: Machine) -> None:
        """Its file tells `interrupt` that this is one."""
        machine.folder.mkdir(parents=True, exist_ok=True)
        (machine.folder / SPOT).write_text(json.dumps(asdict(self)))
        machine.record.update(InstanceLifecycle="spot", SpotInstanceRequestId=self.request)


def of(machine: Machine) -> Spot | None:
    try:
        return Spot(**json.loads((machine.folder / SPOT).read_text()))
    except (FileNotFoundError, ValueError):
        return None


def is_away(machine: Machine) -> bool:
    """Stopped because its capacity was taken."""
    return machine.interrupted_at is not None and state_of(machine) == "stopped"


class Interruptions:
    """Looked at every second."""

    def __init__(self, machines: Machines, clock: Clock) -> None:
        self._machines, self._clock = machines, clock
        self._due: dict[str, float] = {}

    def look(self) -> None:
        for machine in self._machines.all():
            spot = of(machine)
            if spot is None:
                continue
            with joints.scope(machine.place.account, machine.place.region):
                if state_of(machine) == "running":
                    self._take(machine, spot)
                elif self._due.pop(machine.identity, None):
                    machine.notice = {}
                elif spot.persistent and is_away(machine):
                    self._give_back(machine)

    def _take(self, machine: Machine, spot: Spot) -> None:
        if (machine.folder / INTERRUPTION).exists():
            (machine.folder / INTERRUPTION).unlink(missing_ok=True)
            self._tell(machine, spot)
        elif time.time() >= self._due.get(machine.identity, float("inf")):
            del self._due[machine.identity]
            machine.notice = {}
            machine.interrupted_at = time.time()
            self._machines.settle(machine, CHANGES[spot.behaviour], REASONS[spot.behaviour])
            goes = {"stop": self._machines.go_down, "terminate": self._machines.end_itself}[spot.behaviour]
            self._machines.in_turn(machine, functools.partial(goes, reason=REASONS[spot.behaviour]))

    def _tell(self, machine: Machine, spot: Spot) -> None:
        due = time.time() + self._clock.pause(NOTICE_SECONDS)
        self._due[machine.identity] = due
        machine.notice = notice(spot.behaviour, due)
        arn = f"arn:aws:ec2:{machine.place.region}:{machine.place.account}:instance/{machine.identity}"
        detail = {"instance-id": machine.identity, "instance-action": spot.behaviour}
        joints_events.emit(machine.place, "aws.ec2", "EC2 Spot Instance Interruption Warning", detail, [arn])

    def _give_back(self, machine: Machine) -> None:
        if time.time() >= (machine.interrupted_at or 0.0) + self._clock.pause(AWAY_SECONDS):
            machine.interrupted_at = None
            self._machines.settle(machine, "pending")
            self._machines.in_turn(machine, self._machines.boot)


def notice(behaviour: str, due: float) -> Mapping[str, str]:
    """Below meta-data/ of the instance."""
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(due))
    said = {"spot/instance-action": json.dumps({"action": behaviour, "time": when})}
    return {**said, "spot/termination-time": when} if behaviour == "terminate" else said
