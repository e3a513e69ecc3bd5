"""Run Command: a shell script on instances whose agents are online, by who may send the document to them."""

import logging
import threading
import time
from collections.abc import Mapping

from local import joints_ec2
from local.ec2.machine import Machine
from local.ec2.machines import Machines
from local.json_service import AwsError, Call, JsonService, Operation
from local.listing import page
from local.records import Document, Scope
from local.ssm import command as record
from local.ssm import output_bucket, request
from local.ssm.agents import Agents
from local.ssm.command import RUNNING, written
from local.ssm.delivery import Delivery
from local.ssm.invocation import Invocation
from local.ssm.output_log import OutputLog, group_of

logger = logging.getLogger("embedded-aws.ssm")
SERVICE, COMMANDS = "ssm", "Command"
SESSIONS = ("StartSession", "ResumeSession", "TerminateSession", "DescribeSessions")
PAGE = 50


class RunCommand:
    """The commands, which are kept, and those that run."""

    def __init__(self, machines: Machines, gateway: Mapping[str, str]) -> None:
        self._agents, self._gateway = Agents(machines), gateway
        self.service = JsonService(SERVICE, "AmazonSSM", "ssm", "InvalidCommandId")
        self._running: dict[str, Delivery] = {}
        self._closing = False
        add = self.service.add
        add("SendCommand", Operation(self._send, self._addressed, resource_context=_tags))
        add("CancelCommand", Operation(self._cancel))
        add("GetCommandInvocation", Operation(self._invocation))
        add("ListCommands", Operation(self._list_commands))
        add("ListCommandInvocations", Operation(self._list_invocations))
        add("DescribeInstanceInformation", Operation(self._agents.information))

    def targets(self) -> list[str]:
        """What the gateway sends here of the service. Sessions too: they are refused by name."""
        return [f"{self.service.target_prefix}.{name}" for name in (*self.service.operations, *SESSIONS)]

    def resume(self) -> None:
        """A stop of the embedded AWS ended what ran."""
        for place, name, command in self.service.records.everywhere(COMMANDS):
            for identity, found in command["Invocations"].items():
                if found["Status"] in RUNNING:
                    said = {"StandardErrorContent": "The embedded AWS was stopped while the command ran."}
                    self._change(place, name, identity, {"Status": "Failed", "StatusDetails": "Terminated", **said})

    def stop(self) -> None:
        """What is told of a command from now on is the end of the embedded AWS, not of the command."""
        self._closing = True

    # --- sending -----------------------------------------------------------------------------------------------------

    def _addressed(self, call: Call) -> list[str]:
        """The document, and every instance. AWS's own documents belong to no account."""
        name = str(call.params.get("DocumentName", ""))
        document = name if name.startswith("arn:") else f"arn:aws:ssm:{call.scope.region}::document/{name}"
        instances = [
            f"arn:aws:ec2:{call.scope.region}:{call.scope.account}:instance/{one}" for one in self._targets(call)
        ]
        return [document, *(instances or [f"arn:aws:ec2:{call.scope.region}:{call.scope.account}:instance/*"])]

    def _targets(self, call: Call) -> list[str]:
        """Those named, and those that carry a tag's value."""
        found = [str(one) for one in call.params.get("InstanceIds") or []]
        for target in call.params.get("Targets") or []:
            key, values = str(target.get("Key", "")), target.get("Values") or []
            if key == "InstanceIds":
                found += values
            elif key.startswith("tag:"):
                found += self._agents.tagged(call.scope, key.removeprefix("tag:"), values)
        return list(dict.fromkeys(found))

    def _send(self, call: Call) -> Document:
        request.check(call.params)
        found = {one: self._agents.at(call.scope, one) for one in self._targets(call)}
        by_tag = [str(one.get("Key", "")).startswith("tag:") for one in call.params.get("Targets") or []]
        for identity, machine in found.items():
            # One that a tag found may come back while the command waits for it.
            if machine is None or (not any(by_tag) and not self._agents.is_online(machine)):
                raise AwsError(
                    "InvalidInstanceId",
                    f"Instances [[{identity}]] not in a valid state for account {call.scope.account}",
                )
        command = record.new(call, list(found))
        self.service.records.put(call.scope, COMMANDS, command["CommandId"], command)
        if found:
            self._deliver(call.scope, command, {one: machine for one, machine in found.items() if machine is not None})
        return {"Command": record.public(command)}

    def _deliver(self, place: Scope, command: Document, machines: Mapping[str, Machine]) -> None:
        name = command["CommandId"]
        delivery = Delivery(
            list(machines),
            request.RateControls.of(command, len(machines)),
            lambda identity: self._agents.is_online(machines[identity]),
            lambda identity, cancelled: self._work(place, self._new(command, machines[identity], cancelled)),
            lambda identity, change: self._change(place, name, identity, change),
        )
        self._running[name] = delivery
        delivery.begin()

    @staticmethod
    def _new(command: Document, machine: Machine, cancelled: threading.Event) -> Invocation:
        seconds = request.execution_seconds(command)
        return Invocation(machine, command["CommandId"], command["Parameters"], seconds, cancelled)

    def _work(self, place: Scope, invocation: Invocation) -> Document:
        key, log = (invocation.command, invocation.machine.identity), self._log(place, invocation)
        try:
            self._change(place, *key, {"Status": "InProgress", "StatusDetails": "InProgress", **_started()})
            if log is not None:
                log.start()
            done = invocation.run()
        except Exception as error:
            # The agent's own failure, a full disk say: the sender waits for an end.
            logger.exception("a command failed")
            done = {"Status": "Failed", "StatusDetails": "Failed", "StandardErrorContent": str(error)}
        if self._closing:
            return done
        if log is not None:
            log.stop()
        command = self.service.records.get(place, COMMANDS, invocation.command) or {}
        if bucket := command.get("OutputS3BucketName"):
            done |= output_bucket.leave(invocation, bucket, command.get("OutputS3KeyPrefix", ""), self._gateway)
        self._change(place, *key, done)
        return done

    def _log(self, place: Scope, invocation: Invocation) -> OutputLog | None:
        command = self.service.records.get(place, COMMANDS, invocation.command) or {}
        group = group_of(command.get("CloudWatchOutputConfig") or {}, request.DOCUMENT)
        if group is None:
            return None
        return OutputLog(invocation.machine, self._gateway, group, invocation.command, invocation.folder)

    def _change(self, place: Scope, command: str, identity: str, change: Document) -> None:
        with self.service.records.edit(place, COMMANDS, command) as kept:
            record.change(kept, identity, change)
            if kept["Status"] not in RUNNING:
                self._running.pop(command, None)

    # --- asking ------------------------------------------------------------------------------------------------------

    def _cancel(self, call: Call) -> Document:
        identity = call.params["CommandId"]
        command = self.service.records.get(call.scope, COMMANDS, identity)
        if command is None:
            raise AwsError("InvalidCommandId", f"There is no command {identity}.")
        delivery = self._running.get(identity)
        for one in call.params.get("InstanceIds") or list(command["Invocations"]):
            if delivery is not None and command["Invocations"].get(one, {}).get("Status") in RUNNING:
                self._change(call.scope, identity, one, {"Status": "Cancelling", "StatusDetails": "Cancelling"})
                delivery.cancel(one)
        return {}

    def _invocation(self, call: Call) -> Document:
        command = self.service.records.get(call.scope, COMMANDS, call.params["CommandId"]) or {"Invocations": {}}
        found = command["Invocations"].get(call.params["InstanceId"])
        if found is None:
            raise AwsError("InvocationDoesNotExist", "")
        return dict(found)

    def _list_commands(self, call: Call) -> Document:
        wanted, instance = call.params.get("CommandId"), call.params.get("InstanceId")
        found = [
            record.public(one)
            for one in self._newest(call.scope)
            if wanted in (None, one["CommandId"]) and (instance is None or instance in one["Invocations"])
        ]
        return page(found, "Commands", call.params, refusal="InvalidNextToken", size=PAGE)

    def _list_invocations(self, call: Call) -> Document:
        wanted, instance = call.params.get("CommandId"), call.params.get("InstanceId")
        found = [
            record.listed(one, detailed=bool(call.params.get("Details")))
            for command in self._newest(call.scope)
            if wanted in (None, command["CommandId"])
            for one in command["Invocations"].values()
            if instance in (None, one["InstanceId"])
        ]
        return page(found, "CommandInvocations", call.params, refusal="InvalidNextToken", size=PAGE)

    def _newest(self, scope: Scope) -> list[Document]:
        return sorted(self.service.records.all(scope, COMMANDS), key=lambda one: one["RequestedDateTime"], reverse=True)


def _tags(call: Call, resource: str) -> Document:
    """An instance's, by the key that Systems Manager has for them beside aws:ResourceTag."""
    if ":instance/" not in resource:
        return {}
    found = joints_ec2.tags_at(call.scope, resource.rsplit("/", 1)[-1])
    return {f"ssm:resourceTag/{name}": value for name, value in found.items()}


def _started() -> Document:
    return {"ExecutionStartDateTime": written(time.time())}
