"""Every EC2 instance: boots, goes down, boots again and ends, each in its turn; up again after a start."""

import contextlib
import functools
import logging
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from local import joints, joints_ec2, joints_events
from local.clock import Clock
from local.ec2.machine import Machine
from local.records import Scope
from local.sandbox.guest.commands import REBOOT
from local.sandbox.turns import Turns

logger = logging.getLogger("embedded-aws.ec2")
CODES = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}
# What services have until SIGKILL when an instance goes down, and when the whole embedded AWS does.
GRACE_SECONDS, CLOSING_SECONDS = 20.0, 5.0
BY_ITSELF = "Client.InstanceInitiatedShutdown: Instance initiated shutdown"
USER_STOPPED = "User initiated ({} GMT)"


class Machines:
    """Those that run or ran, by account, region and identity."""

    def __init__(self, folder: Path, gateway: Mapping[str, str], clock: Clock) -> None:
        self._folder, self._gateway, self._clock = folder, gateway, clock
        self._machines: dict[tuple[Scope, str], Machine] = {}
        self._turns: dict[tuple[Scope, str], Turns] = {}
        self._lock = threading.RLock()
        self._closing = False

    def resume(self) -> None:
        """What ran when the embedded AWS stopped boots again; what was on its way is there."""
        known = joints_ec2.all_instances()
        for folder in self._folder.iterdir():
            # Of an instance that a kill made forget, or that ended as the embedded AWS did.
            if folder.name not in {identity for _, identity in known}:
                shutil.rmtree(folder, ignore_errors=True)
        for place, identity in known:
            record = joints_ec2.instance_at(place, identity) or {}
            machine = self.machine(place, identity)
            match record.get("State", {}).get("Name"):
                case "pending" | "running":
                    self.in_turn(machine, self.boot)
                case "stopping":
                    self.settle(machine, "stopped")
                case "shutting-down":
                    self._end(machine)

    def stop(self) -> None:
        """Their processes end; the records stay as they are, so that the next start boots what ran."""
        self._closing = True
        ending = [threading.Thread(target=one.halt, args=(CLOSING_SECONDS,), daemon=True) for one in self.running()]
        for thread in ending:
            thread.start()
        for thread in ending:
            thread.join()

    def all(self) -> list[Machine]:
        with self._lock:
            return list(self._machines.values())

    def running(self) -> list[Machine]:
        return [one for one in self.all() if one.record.get("State", {}).get("Name") == "running"]

    def at(self, place: Scope, identity: str) -> Machine | None:
        """One that has not been terminated."""
        record = joints_ec2.instance_at(place, identity)
        if record is None or record["State"]["Name"] in ("shutting-down", "terminated"):
            return None
        return self.machine(place, identity)

    def machine(self, place: Scope, identity: str) -> Machine:
        with self._lock:
            found = self._machines.get((place, identity))
            if found is None:
                found = Machine(place, identity, self._folder / identity, self._gateway, self._clock.rate)
                self._machines[place, identity] = found
            return found

    # --- what happens in the background ------------------------------------------------------------------------------

    def in_turn(self, machine: Machine, work: Callable[[Machine], None]) -> None:
        """One thing at a time happens to an instance, in the order in which it was asked for."""

        def run() -> None:
            with joints.scope(machine.place.account, machine.place.region):
                if not self._closing:
                    work(machine)

        self._turns.setdefault((machine.place, machine.identity), Turns(f"ec2-{machine.identity}")).add(run)

    def boot(self, machine: Machine) -> None:
        if state_of(machine) not in ("pending", "running"):
            return
        try:
            first = machine.boot()
        except OSError as error:
            logger.warning("%s cannot boot: %s", machine.identity, error)
            machine.halt(0.0)
            self.settle(machine, "stopped", f"Server.InternalError: {error}")
            return
        if state_of(machine) not in ("pending", "running"):
            # Somebody stops or ends it meanwhile, and waits for this boot to do so.
            return
        if state_of(machine) == "pending":
            # A reboot is no launch.
            machine.record["LaunchTime"] = joints_ec2.ec2_now()
        self.settle(machine, "running")
        threading.Thread(target=self._watch, args=(machine, first), daemon=True, name=f"watch-{first.pid}").start()

    def _watch(self, machine: Machine, first: "subprocess.Popen[bytes]") -> None:
        """An instance that goes down by itself: by `shutdown` or `reboot`, or because its first process was killed."""
        first.wait()
        with joints.scope(machine.place.account, machine.place.region):
            if self._closing or not machine.is_up_by(first) or state_of(machine) != "running":
                return
            asked = ""
            with contextlib.suppress(OSError):
                asked = machine.guest.power.read_text()
            if asked == REBOOT:
                self.in_turn(machine, self.boot_again)
            elif machine.record.get("InstanceInitiatedShutdownBehavior") == "terminate":
                self.settle(machine, "shutting-down", BY_ITSELF)
                self.in_turn(machine, functools.partial(self.end_itself, reason=BY_ITSELF))
            else:
                self.settle(machine, "stopping", BY_ITSELF)
                self.in_turn(machine, functools.partial(self.go_down, reason=BY_ITSELF))

    def boot_again(self, machine: Machine) -> None:
        machine.halt(GRACE_SECONDS)
        self.boot(machine)

    def go_down(self, machine: Machine, *, grace_seconds: float = GRACE_SECONDS, reason: str = "") -> None:
        machine.halt(grace_seconds)
        if state_of(machine) == "stopping":
            self.settle(machine, "stopped", reason)

    def end_itself(self, machine: Machine, *, reason: str = "") -> None:
        machine.halt(GRACE_SECONDS)
        self._end(machine, reason)

    def _end(self, machine: Machine, reason: str = "") -> None:
        """Its disk goes, and its record stays for a while, as on AWS."""
        machine.forget()
        joints_ec2.drop_interface(machine.record.get("NetworkInterfaceId", ""))
        joints_ec2.terminated(machine.place, machine.identity)
        self.settle(machine, "terminated", reason)
        with self._lock:
            self._machines.pop((machine.place, machine.identity), None)
            self._turns.pop((machine.place, machine.identity), None)

    @staticmethod
    def settle(machine: Machine, state: str, reason: str = "") -> None:
        record = machine.record
        if not record:
            return
        record["State"] = {"Code": CODES[state], "Name": state}
        if state in ("stopped", "terminated", "stopping", "shutting-down"):
            record["StateTransitionReason"] = reason or USER_STOPPED.format(time.strftime("%F %T", time.gmtime()))
        else:
            record.pop("StateTransitionReason", None)
        arn = f"arn:aws:ec2:{machine.place.region}:{machine.place.account}:instance/{machine.identity}"
        detail = {"instance-id": machine.identity, "state": state}
        joints_events.emit(machine.place, "aws.ec2", "EC2 Instance State-change Notification", detail, [arn])


def state_of(machine: Machine) -> str:
    return str(machine.record.get("State", {}).get("Name", "terminated"))
