"""EC2's calls about instances: what is refused, and what is answered. What then happens is a matter of Machines."""

import base64
import binascii
import functools
from collections.abc import Callable, Mapping
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from local import joints, joints_ec2
from local.ec2 import answers, spot
from local.ec2.answers import Answering, Foreign, Refused
from local.ec2.launch_parameters import PUBLIC, NoLaunchTemplate, Params, completed, many, nested, one, placed
from local.ec2.machine import Machine
from local.ec2.machines import CODES, GRACE_SECONDS, Machines, state_of
from local.ec2.spot import Spot
from local.records import Scope

USER_DATA_LIMIT_BYTES = 16 * 1024


class InstanceCalls:
    """In the place of MiniStack's, which know records alone."""

    def __init__(self, machines: Machines) -> None:
        self._machines = machines

    def install(self) -> None:
        calls: dict[str, Answering] = {
            "RunInstances": self._run,
            "StartInstances": self._start,
            "StopInstances": self._stop,
            "RebootInstances": self._reboot,
            "TerminateInstances": self._terminate,
            "GetConsoleOutput": self._console,
            "ModifyInstanceMetadataOptions": self._modify_metadata,
        }
        answers.install(calls)
        joints.wrap("services.ec2:_instance_xml", _described)

    def _run(self, original: Foreign, params: Params) -> Foreign:
        try:
            params = placed(completed(params))
        except NoLaunchTemplate as error:
            raise Refused("InvalidLaunchTemplateId.NotFound", str(error)) from error
        _check_user_data(one(params, "UserData"))
        try:
            capacity = Spot.of(params)
        except ValueError as error:
            raise Refused("InvalidParameterCombination", str(error)) from error
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
            machine = self._machines.machine(place, identity)
            if capacity is not None:
                capacity.keep(machine)
            self._machines.settle(machine, "pending")
            self._machines.in_turn(machine, self._machines.boot)
        return answer[0], answer[1], _as_pending(answer[2])

    def _start(self, original: Foreign, params: Params) -> Foreign:
        machines = self._named(params)
        for machine in machines:
            state = state_of(machine)
            if state not in ("stopped", "pending", "running"):
                raise Refused(
                    "IncorrectInstanceState",
                    f"The instance '{machine.identity}' is not in a state from which it can be started.",
                )
            if spot.is_away(machine):
                raise Refused(
                    "IncorrectSpotRequestState",
                    f"You can't start the Spot Instance '{machine.identity}' because the associated Spot Instance "
                    "request is not in an appropriate state to support start.",
                )
        return self._changed("StartInstances", machines, {"stopped": "pending"}, self._machines.boot)

    def _stop(self, original: Foreign, params: Params) -> Foreign:
        grace = 0.0 if one(params, "Force") == "true" else GRACE_SECONDS
        down = functools.partial(self._machines.go_down, grace_seconds=grace)
        for machine in self._named(params):
            capacity = spot.of(machine)
            if capacity is not None and not capacity.persistent:
                raise Refused(
                    "UnsupportedOperation",
                    f"You can't stop the Spot Instance '{machine.identity}' because it is associated with a one-time "
                    "Spot Instance request. You can only stop Spot Instances associated with persistent Spot Instance "
                    "requests.",
                )
        change = {"pending": "stopping", "running": "stopping"}
        return self._changed("StopInstances", self._named(params), change, down)

    def _terminate(self, original: Foreign, params: Params) -> Foreign:
        change = dict.fromkeys(("pending", "running", "stopping", "stopped"), "shutting-down")
        return self._changed("TerminateInstances", self._named(params), change, self._machines.end_itself)

    def _reboot(self, original: Foreign, params: Params) -> Foreign:
        for machine in self._named(params):
            if state_of(machine) != "running":
                raise Refused("IncorrectState", f"Instance '{machine.identity}' is not in state 'running'.")
            self._machines.in_turn(machine, self._machines.boot_again)
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
            found.append(self._machines.machine(_here(), identity))
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
            before = state_of(machine)
            after = change.get(before, before)
            if after != before:
                self._machines.settle(machine, after)
                self._machines.in_turn(machine, work)
            items += (
                f"<item><instanceId>{machine.identity}</instanceId>"
                f"<currentState><code>{CODES[after]}</code><name>{after}</name></currentState>"
                f"<previousState><code>{CODES[before]}</code><name>{before}</name></previousState></item>"
            )
        return joints_ec2.ec2_answer(operation, f"<instancesSet>{items}</instancesSet>")


def _described(original: Foreign, inst: dict[str, Any]) -> str:
    """What MiniStack's description of an instance leaves out."""
    more = _metadata_xml(inst, "metadataOptions")
    if reason := inst.get("StateTransitionReason"):
        more += f"<reason>{escape(reason)}</reason>"
        code, colon, message = reason.partition(": ")
        if colon:
            more += f"<stateReason><code>{escape(code)}</code><message>{escape(message)}</message></stateReason>"
    if request := inst.get("SpotInstanceRequestId"):
        more += f"<instanceLifecycle>spot</instanceLifecycle><spotInstanceRequestId>{request}</spotInstanceRequestId>"
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


def _launched(body: bytes) -> list[str]:
    root = ElementTree.fromstring(body)  # noqa: S314 - MiniStack's own answer
    return [str(found.text) for found in root.iter() if found.tag.endswith("}instanceId")]


def _as_pending(body: bytes) -> bytes:
    return body.replace(b"<code>16</code>", b"<code>0</code>").replace(b"<name>running</name>", b"<name>pending</name>")
