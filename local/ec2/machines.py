"""Every EC2 instance: launched, started, stopped, rebooted and terminated by EC2's calls; up again after a start."""

import base64
import binascii
import contextlib
import functools
import logging
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from local import joints, joints_ec2, joints_events
from local.clock import Clock
from local.ec2.launch_parameters import PUBLIC, NoLaunchTemplate, Params, completed, many, nested, one, placed
from local.ec2.machine import Machine
from local.records import Scope
from local.sandbox.guest.commands import REBOOT

logger = logging.getLogger("embedded-aws.ec2")
CODES = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}
# What services have until SIGKILL when an instance goes down, and when the whole embedded AWS does.
GRACE_SECONDS, CLOSING_SECONDS = 20.0, 5.0
USER_DATA_LIMIT_BYTES = 16 * 1024
USER_STOPPED = "User initiated ({} GMT)"
# MiniStack is untyped: its functions and what they answer.
Foreign = Any


class Refused(Exception):
    """A call's error."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


class Machines:
    """Those that run or ran, by account, region and identity."""

    def __init__(self, folder: Path, gateway: Mapping[str, str], clock: Clock) -> None:
        self._folder, self._gateway, self._clock = folder, gateway, clock
        self._machines: dict[tuple[Scope, str], Machine] = {}
        self._lock = threading.RLock()
        self._closing = False

    def install(self) -> None:
        calls: dict[str, Callable[[Foreign, Params], Foreign]] = {
            "RunInstances": self._run,
            "StartInstances": self._start,
            "StopInstances": self._stop,
            "RebootInstances": self._reboot,
            "TerminateInstances": self._terminate,
            "GetConsoleOutput": self._console,
            "ModifyInstanceMetadataOptions": self._modify_metadata,
        }
        for operation, call in calls.items():
            joints_ec2.wrap_ec2(operation, functools.partial(_answered, call))
        joints.wrap("services.ec2:_instance_xml", _described)

    def resume(self) -> None:
        """What ran when the embedded AWS stopped boots again; what was on its way is there."""
        known = joints_ec2.all_instances()
        for folder in self._folder.iterdir():
            # Of an instance that a kill made forget, or that ended as the embedded AWS did.
            if folder.name not in {identity for _, identity in known}:
                shutil.rmtree(folder, ignore_errors=True)
        for place, identity in known:
            record = joints_ec2.instance_at(place, identity) or {}
            machine = self._machine(place, identity)
            match record.get("State", {}).get("Name"):
                case "pending" | "running":
                    self._in_thread(machine, self._boot)
                case "stopping":
                    self._settle(machine, "stopped")
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

    def running(self) -> list[Machine]:
        with self._lock:
            found = list(self._machines.values())
        return [one for one in found if one.record.get("State", {}).get("Name") == "running"]

    def at(self, place: Scope, identity: str) -> Machine | None:
        """One that has not been terminated."""
        record = joints_ec2.instance_at(place, identity)
        if record is None or record["State"]["Name"] in ("shutting-down", "terminated"):
            return None
        return self._machine(place, identity)

    def _machine(self, place: Scope, identity: str) -> Machine:
        with self._lock:
            found = self._machines.get((place, identity))
            if found is None:
                found = Machine(place, identity, self._folder / identity, self._gateway, self._clock.rate)
                self._machines[place, identity] = found
            return found

    # --- EC2's calls -------------------------------------------------------------------------------------------------

    def _run(self, original: Foreign, params: Params) -> Foreign:
        try:
            params = placed(completed(params))
        except NoLaunchTemplate as error:
            raise Refused("InvalidLaunchTemplateId.NotFound", str(error)) from error
        _check_user_data(one(params, "UserData"))
        answer = original(params)
        if answer[0] != 200:  # noqa: PLR2004 - HTTP
            return answer
        place = _here()
        for identity in _launched(answer[2]):
            record = joints_ec2.instance_at(place, identity) or {}
            body = joints_ec2.plug_in(record, one(params, PUBLIC), answer[2])
            answer = (answer[0], answer[1], body)
            record["MetadataOptions"] = nested(params, "MetadataOptions")
            record["InstanceInitiatedShutdownBehavior"] = one(params, "InstanceInitiatedShutdownBehavior") or "stop"
            machine = self._machine(place, identity)
            self._settle(machine, "pending")
            self._in_thread(machine, self._boot)
        return answer[0], answer[1], _as_pending(answer[2])

    def _start(self, original: Foreign, params: Params) -> Foreign:
        machines = self._named(params)
        for machine in machines:
            state = _state(machine)
            if state not in ("stopped", "pending", "running"):
                raise Refused(
                    "IncorrectInstanceState",
                    f"The instance '{machine.identity}' is not in a state from which it can be started.",
                )
        return self._changed("StartInstances", machines, {"stopped": "pending"}, self._boot)

    def _stop(self, original: Foreign, params: Params) -> Foreign:
        grace = 0.0 if one(params, "Force") == "true" else GRACE_SECONDS
        down = functools.partial(self._go_down, grace_seconds=grace)
        change = {"pending": "stopping", "running": "stopping"}
        return self._changed("StopInstances", self._named(params), change, down)

    def _terminate(self, original: Foreign, params: Params) -> Foreign:
        change = dict.fromkeys(("pending", "running", "stopping", "stopped"), "shutting-down")

        return self._changed("TerminateInstances", self._named(params), change, self._end_itself)

    def _reboot(self, original: Foreign, params: Params) -> Foreign:
        for machine in self._named(params):
            if _state(machine) != "running":
                raise Refused("IncorrectState", f"Instance '{machine.identity}' is not in state 'running'.")
            self._in_thread(machine, self._boot_again)
        return joints_ec2.ec2_answer("RebootInstances", "<return>true</return>")

    def _console(self, original: Foreign, params: Params) -> Foreign:
        (machine,) = self._named(params, "InstanceId")
        text = base64.b64encode(machine.console().encode()[-64 * 1024 :]).decode()
        said = f"<instanceId>{machine.identity}</instanceId><timestamp>{joints_ec2.ec2_now()}</timestamp>"
        return joints_ec2.ec2_answer("GetConsoleOutput", f"{said}<output>{text}</output>")

    def _modify_metadata(self, original: Foreign, params: Params) -> Foreign:
        (machine,) = self._named(params, "InstanceId")
        names = ("HttpTokens", "HttpEndpoint", "HttpPutResponseHopLimit", "InstanceMetadataTags")
        asked = {name: value for name in names if (value := one(params, name))}
        machine.record["MetadataOptions"] = {**(machine.record.get("MetadataOptions") or {}), **asked}
        shown = f"<instanceId>{machine.identity}</instanceId>"
        return joints_ec2.ec2_answer(
            "ModifyInstanceMetadataOptions", f"{shown}{_metadata_xml(machine.record, 'instanceMetadataOptions')}"
        )

    def _named(self, params: Params, name: str = "") -> list[Machine]:
        """One error for the first that does not exist, before anything happens to another."""
        wanted = [one(params, name)] if name else many(params, "InstanceId")
        found = []
        for identity in wanted:
            if joints_ec2.instance_at(_here(), identity) is None:
                raise Refused("InvalidInstanceID.NotFound", f"The instance ID '{identity}' does not exist")
            found.append(self._machine(_here(), identity))
        return found

    def _changed(
        self,
        operation: str,
        machines: list[Machine],
        change: Mapping[str, str],
        work: Callable[[Machine], None],
    ) -> Foreign:
        """Each goes into the state that follows on its own, if any, where `work` begins."""
        items = ""
        for machine in machines:
            before = _state(machine)
            after = change.get(before, before)
            if after != before:
                self._settle(machine, after)
                self._in_thread(machine, work)
            items += (
                f"<item><instanceId>{machine.identity}</instanceId>"
                f"<currentState><code>{CODES[after]}</code><name>{after}</name></currentState>"
                f"<previousState><code>{CODES[before]}</code><name>{before}</name></previousState></item>"
            )
        return joints_ec2.ec2_answer(operation, f"<instancesSet>{items}</instancesSet>")

    # --- what happens in the background ------------------------------------------------------------------------------

    def _in_thread(self, machine: Machine, work: Callable[[Machine], None]) -> None:
        """One thing at a time happens to an instance, in the order in which it was asked for."""

        def run() -> None:
            with machine.changing, joints.scope(machine.place.account, machine.place.region):
                if not self._closing:
                    work(machine)

        threading.Thread(target=run, daemon=True, name=f"ec2-{machine.identity}").start()

    def _boot(self, machine: Machine) -> None:
        if _state(machine) not in ("pending", "running"):
            return
        try:
            first = machine.boot()
        except OSError as error:
            logger.warning("%s cannot boot: %s", machine.identity, error)
            machine.halt(0.0)
            self._settle(machine, "stopped", f"Server.InternalError: {error}")
            return
        if _state(machine) not in ("pending", "running"):
            # Somebody stops or ends it meanwhile, and waits for this boot to do so.
            return
        if _state(machine) == "pending":
            # A reboot is no launch.
            machine.record["LaunchTime"] = joints_ec2.ec2_now()
        self._settle(machine, "running")
        threading.Thread(target=self._watch, args=(machine, first), daemon=True, name=f"watch-{first.pid}").start()

    def _watch(self, machine: Machine, first: "subprocess.Popen[bytes]") -> None:
        """An instance that goes down by itself: by `shutdown` or `reboot`, or because its first process was killed."""
        first.wait()
        with joints.scope(machine.place.account, machine.place.region):
            if self._closing or not machine.is_up_by(first) or _state(machine) != "running":
                return
            asked = ""
            with contextlib.suppress(OSError):
                asked = machine.guest.power.read_text()
            if asked == REBOOT:
                self._in_thread(machine, self._boot_again)
            elif machine.record.get("InstanceInitiatedShutdownBehavior") == "terminate":
                self._settle(machine, "shutting-down")
                self._in_thread(machine, self._end_itself)
            else:
                reason = "Client.InstanceInitiatedShutdown: Instance initiated shutdown"
                self._settle(machine, "stopping")
                self._in_thread(machine, functools.partial(self._go_down, reason=reason))

    def _boot_again(self, machine: Machine) -> None:
        machine.halt(GRACE_SECONDS)
        self._boot(machine)

    def _go_down(self, machine: Machine, *, grace_seconds: float = GRACE_SECONDS, reason: str = "") -> None:
        machine.halt(grace_seconds)
        if _state(machine) == "stopping":
            self._settle(machine, "stopped", reason)

    def _end_itself(self, machine: Machine) -> None:
        machine.halt(GRACE_SECONDS)
        self._end(machine)

    def _end(self, machine: Machine) -> None:
        """Its disk goes, and its record stays for a while, as on AWS."""
        machine.forget()
        joints_ec2.drop_interface(machine.record.get("NetworkInterfaceId", ""))
        joints_ec2.terminated(machine.place, machine.identity)
        self._settle(machine, "terminated")
        with self._lock:
            self._machines.pop((machine.place, machine.identity), None)

    @staticmethod
    def _settle(machine: Machine, state: str, reason: str = "") -> None:
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


def _answered(call: Callable[[Foreign, Params], Foreign], original: Foreign, params: Params) -> Foreign:
    try:
        return call(original, params)
    except Refused as refused:
        return joints_ec2.ec2_error(refused.code, escape(refused.message))


def _described(original: Foreign, inst: dict[str, Any]) -> str:
    """What MiniStack's description of an instance leaves out."""
    more = _metadata_xml(inst, "metadataOptions")
    if reason := inst.get("StateTransitionReason"):
        more += f"<reason>{escape(reason)}</reason>"
        code, colon, message = reason.partition(": ")
        if colon:
            more += f"<stateReason><code>{escape(code)}</code><message>{escape(message)}</message></stateReason>"
    text = str(original(inst))
    end = text.rindex("</item>")
    return text[:end] + more + text[end:]


def _metadata_xml(record: Mapping[str, Any], tag: str) -> str:
    asked = record.get("MetadataOptions") or {}
    return (
        f"<{tag}><state>applied</state><httpTokens>{asked.get('HttpTokens', 'optional')}</httpTokens>"
        f"<httpPutResponseHopLimit>{asked.get('HttpPutResponseHopLimit', 1)}</httpPutResponseHopLimit>"
        f"<httpEndpoint>{asked.get('HttpEndpoint', 'enabled')}</httpEndpoint>"
        f"<instanceMetadataTags>{asked.get('InstanceMetadataTags', 'disabled')}</instanceMetadataTags></{tag}>"
    )


def _check_user_data(encoded: str) -> None:
    """What cloud-init would do with anything but a script is not done here, so that is refused and not passed over."""
    if not encoded:
        return
    try:
        script = base64.b64decode(encoded, validate=True)
    except binascii.Error as error:
        raise Refused("InvalidUserData.Malformed", "Invalid BASE64 encoding of user data.") from error
    if len(script) > USER_DATA_LIMIT_BYTES:
        raise Refused("InvalidParameterValue", "User data is limited to 16384 bytes")
    if not script.startswith(b"#!"):
        raise Refused(
            "InvalidParameterValue",
            "User data that is no script (#!), cloud-config or MIME parts, is not available in the embedded AWS.",
        )


def _here() -> Scope:
    return Scope(joints.account(), joints.current_region())


def _state(machine: Machine) -> str:
    return str(machine.record.get("State", {}).get("Name", "terminated"))


def _launched(body: bytes) -> list[str]:
    root = ElementTree.fromstring(body)  # noqa: S314 - MiniStack's own answer
    return [str(found.text) for found in root.iter() if found.tag.endswith("}instanceId")]


def _as_pending(body: bytes) -> bytes:
    return body.replace(b"<code>16</code>", b"<code>0</code>").replace(b"<name>running</name>", b"<name>pending</name>")
