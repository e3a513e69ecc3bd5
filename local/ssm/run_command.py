"""Run Command: a shell script on instances whose agents are online, by who may send the document to them."""

import logging
import threading
import time
import uuid
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local import joints, joints_ec2
from local.ec2.machine import Machine
from local.ec2.machines import Machines
from local.json_service import AwsError, Call, JsonService, Operation
from local.records import Document, Scope
from local.sagemaker.role_client import role_client
from local.ssm.invocation import Invocation, written
from local.ssm.output_log import OutputLog, group_of

logger = logging.getLogger("embedded-aws.ssm")
SERVICE, COMMANDS = "ssm", "Command"
DOCUMENT = "AWS-RunShellScript"
PARAMETERS = ("commands", "workingDirectory", "executionTimeout")
EXECUTION_SECONDS = 3600
# What an agent calls to be there and to be told; without one of them it is not online.
AGENT_NEEDS = (
    "ssmmessages:CreateControlChannel",
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:OpenDataChannel",
)
NOT_AVAILABLE = (
    "AlarmConfiguration",
    "NotificationConfig",
    "ServiceRoleArn",
    "DocumentHash",
)
SESSIONS = ("StartSession", "ResumeSession", "TerminateSession", "DescribeSessions")
RUNNING = ("Pending", "InProgress", "Cancelling")
PAGE = 50


class RunCommand:
    """The commands, which are kept, and those that run."""

    def __init__(self, machines: Machines, gateway: Mapping[str, str]) -> None:
        self._machines, self._gateway = machines, gateway
        self.service = JsonService(SERVICE, "AmazonSSM", "ssm", "InvalidCommandId")
        self._running: dict[tuple[str, str], Invocation] = {}
        self._closing = False
        self._lock = threading.Lock()
        add = self.service.add
        add("SendCommand", Operation(self._send, self._addressed))
        add("CancelCommand", Operation(self._cancel))
        add("GetCommandInvocation", Operation(self._invocation))
        add("ListCommands", Operation(self._list_commands))
        add("ListCommandInvocations", Operation(self._list_invocations))
        add("DescribeInstanceInformation", Operation(self._information))

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
                found += [
                    one.identity
                    for one in self._machines.running()
                    if one.place == call.scope
                    and joints_ec2.tags_at(one.place, one.identity).get(key.removeprefix("tag:")) in values
                ]
        return list(dict.fromkeys(found))

    def _send(self, call: Call) -> Document:
        params, machines = call.params, []
        _refuse_what_is_not_there(params)
        for identity in self._targets(call):
            machine = self._machines.at(call.scope, identity)
            if machine is None or not self._is_online(machine):
                raise AwsError(
                    "InvalidInstanceId",
                    f"Instances [[{identity}]] not in a valid state for account {call.scope.account}",
                )
            machines.append(machine)
        command = self._new_command(call, [one.identity for one in machines])
        self.service.records.put(call.scope, COMMANDS, command["CommandId"], command)
        for machine in machines:
            timeout = float((params.get("Parameters", {}).get("executionTimeout") or [EXECUTION_SECONDS])[0])
            invocation = Invocation(machine, command["CommandId"], params["Parameters"], timeout)
            with self._lock:
                self._running[command["CommandId"], machine.identity] = invocation
            threading.Thread(target=self._work, args=(call.scope, invocation), daemon=True, name="run-command").start()
        return {"Command": _public(command)}

    @staticmethod
    def _new_command(call: Call, identities: list[str]) -> Document:
        params, now = call.params, time.time()
        output = ("OutputS3BucketName", "OutputS3KeyPrefix", "CloudWatchOutputConfig")
        copied = ("DocumentName", "Comment", "Parameters", "InstanceIds", "Targets", *output)
        kept = {name: params[name] for name in copied if name in params}
        identity = str(uuid.uuid4())
        pending = {"Status": "Pending", "StatusDetails": "Pending"}
        return {
            **kept,
            **pending,
            "CommandId": identity,
            "DocumentVersion": params.get("DocumentVersion", "$DEFAULT"),
            "TimeoutSeconds": params.get("TimeoutSeconds", EXECUTION_SECONDS),
            "RequestedDateTime": now,
            "ExpiresAfter": now + params.get("TimeoutSeconds", EXECUTION_SECONDS) + EXECUTION_SECONDS,
            "MaxConcurrency": params.get("MaxConcurrency", "50"),
            "MaxErrors": params.get("MaxErrors", "0"),
            "Invocations": {
                one: {
                    **pending,
                    "CommandId": identity,
                    "InstanceId": one,
                    "Comment": params.get("Comment", ""),
                    "DocumentName": params["DocumentName"],
                    "DocumentVersion": params.get("DocumentVersion", "$DEFAULT"),
                    "PluginName": "aws:runShellScript",
                    "ResponseCode": -1,
                    "RequestedDateTime": now,
                    "StandardOutputContent": "",
                    "StandardErrorContent": "",
                    **{name: params[name] for name in ("CloudWatchOutputConfig",) if name in params},
                }
                for one in identities
            },
        }

    def _work(self, place: Scope, invocation: Invocation) -> None:
        key = (invocation.command, invocation.machine.identity)
        log = self._log(place, invocation)
        try:
            self._change(place, *key, {"Status": "InProgress", "StatusDetails": "In Progress", **_started()})
            if log is not None:
                log.start()
            done = invocation.run()
        except Exception as error:
            # The agent's own failure, a full disk say: the sender waits for an end.
            logger.exception("a command failed")
            done = {"Status": "Failed", "StatusDetails": "Failed", "StandardErrorContent": str(error)}
        finally:
            with self._lock:
                self._running.pop(key, None)
        if self._closing:
            return
        if log is not None:
            log.stop()
        command = self.service.records.get(place, COMMANDS, invocation.command) or {}
        if bucket := command.get("OutputS3BucketName"):
            done |= self._leave(invocation, bucket, command.get("OutputS3KeyPrefix", ""))
        self._change(place, *key, done)

    def _log(self, place: Scope, invocation: Invocation) -> OutputLog | None:
        command = self.service.records.get(place, COMMANDS, invocation.command) or {}
        group = group_of(command.get("CloudWatchOutputConfig") or {}, DOCUMENT)
        if group is None:
            return None
        return OutputLog(invocation.machine, self._gateway, group, invocation.command, invocation.folder)

    def _leave(self, invocation: Invocation, bucket: str, prefix: str) -> Document:
        """All that was said goes to S3, put there by the instance's role; that it may not fails no command."""
        below = "/".join(part for part in (prefix.strip("/"), invocation.command, invocation.machine.identity) if part)
        urls = {}
        for name, member in (("stdout", "StandardOutputUrl"), ("stderr", "StandardErrorUrl")):
            path = invocation.folder / name
            key = f"{below}/awsrunShellScript/{invocation.folder.name}/{name}"
            urls[member] = f"https://s3.{invocation.machine.place.region}.amazonaws.com/{bucket}/{key}"
            keys = invocation.machine.role_keys()
            if not path.stat().st_size or keys is None:
                continue
            try:
                client: Any = role_client("s3", keys.credentials, self._gateway, read_seconds=30)
                client.put_object(Bucket=bucket, Key=key, Body=path.read_bytes())
            except (BotoCoreError, ClientError) as error:
                logger.warning("the output of %s was not left in %s: %s", invocation.command, bucket, error)
        return urls

    def _change(self, place: Scope, command: str, identity: str, change: Document) -> None:
        with self.service.records.edit(place, COMMANDS, command) as kept:
            found = kept["Invocations"][identity]
            if change["Status"] == "InProgress" and found["Status"] != "Pending":
                return
            found.update(change)
            _sum_up(kept)

    # --- asking ------------------------------------------------------------------------------------------------------

    def _cancel(self, call: Call) -> Document:
        identity = call.params["CommandId"]
        command = self.service.records.get(call.scope, COMMANDS, identity)
        if command is None:
            raise AwsError("InvalidCommandId", f"There is no command {identity}.")
        for one in call.params.get("InstanceIds") or list(command["Invocations"]):
            with self._lock:
                running = self._running.get((identity, one))
            if running is not None:
                self._change(call.scope, identity, one, {"Status": "Cancelling", "StatusDetails": "Cancelling"})
                running.cancelled.set()
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
            _public(one)
            for one in self._newest(call.scope)
            if wanted in (None, one["CommandId"]) and (instance is None or instance in one["Invocations"])
        ]
        return _page(found, "Commands", call.params)

    def _list_invocations(self, call: Call) -> Document:
        wanted, instance = call.params.get("CommandId"), call.params.get("InstanceId")
        found = [
            _listed(one, detailed=bool(call.params.get("Details")))
            for command in self._newest(call.scope)
            if wanted in (None, command["CommandId"])
            for one in command["Invocations"].values()
            if instance in (None, one["InstanceId"])
        ]
        return _page(found, "CommandInvocations", call.params)

    def _newest(self, scope: Scope) -> list[Document]:
        return sorted(self.service.records.all(scope, COMMANDS), key=lambda one: one["RequestedDateTime"], reverse=True)

    def _information(self, call: Call) -> Document:
        asked = {
            str(one.get("Key") or one.get("key")): one.get("Values") or one.get("valueSet") or []
            for one in (call.params.get("Filters") or call.params.get("InstanceInformationFilterList") or [])
        }
        if unknown := sorted(set(asked) - {"InstanceIds", "PingStatus"}):
            raise AwsError("InvalidFilterKey", f"The filter {unknown[0]} is not available in the embedded AWS.")
        found = [self._described(one) for one in self._machines.running() if one.place == call.scope]
        shown = [
            one
            for one in found
            if one is not None
            and one["InstanceId"] in asked.get("InstanceIds", [one["InstanceId"]])
            and one["PingStatus"] in asked.get("PingStatus", [one["PingStatus"]])
        ]
        return _page(sorted(shown, key=lambda one: str(one["InstanceId"])), "InstanceInformationList", call.params)

    def _described(self, machine: Machine) -> Document | None:
        if not self._is_online(machine):
            return None
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

    @staticmethod
    def _is_online(machine: Machine) -> bool:
        """It runs, and its role lets the agent report and be told: on AWS it would go on trying, unseen."""
        if machine.record.get("State", {}).get("Name") != "running":
            return False
        keys = machine.role_keys()
        if keys is None:
            return False
        place = machine.place
        own = f"arn:aws:ec2:{place.region}:{place.account}:instance/{machine.identity}"
        with joints.scope(place.account, place.region):
            asked = [("ssm:UpdateInstanceInformation", own), *((action, "*") for action in AGENT_NEEDS)]
            key = keys.credentials.access_key
            return all(joints.denial(key, action, resource, place.region) is None for action, resource in asked)


def _refuse_what_is_not_there(params: Document) -> None:
    if params["DocumentName"].rsplit("/", 1)[-1] != DOCUMENT:
        raise AwsError(
            "InvalidDocument", f"{params['DocumentName']} is not available in the embedded AWS; {DOCUMENT} is."
        )
    given = [name for name in NOT_AVAILABLE if params.get(name)]
    unknown = sorted(set(params.get("Parameters") or {}) - set(PARAMETERS))
    if given:
        raise AwsError("ValidationException", f"{given[0]} is not available in the embedded AWS.")
    if unknown or not (params.get("Parameters") or {}).get("commands"):
        said = f"has no parameter {unknown[0]}" if unknown else "needs commands"
        raise AwsError("InvalidParameters", f"{DOCUMENT} {said}; it takes {', '.join(PARAMETERS)}.")
    timeout = str((params["Parameters"].get("executionTimeout") or [EXECUTION_SECONDS])[0])
    if not timeout.isdecimal() or not 1 <= int(timeout) <= 172_800:  # noqa: PLR2004 - 48 hours
        raise AwsError("InvalidParameters", f"executionTimeout is 1 to 172800 seconds, not {timeout}.")
    unknown = [one.get("Key") for one in params.get("Targets") or [] if not _is_target(str(one.get("Key", "")))]
    if unknown:
        raise AwsError("InvalidTarget", f"The target {unknown[0]} is not available in the embedded AWS.")
    if not params.get("InstanceIds") and not params.get("Targets"):
        raise AwsError("InvalidInstanceId", "InstanceIds or Targets must be given.")


def _is_target(key: str) -> bool:
    return key == "InstanceIds" or key.startswith("tag:")


def _started() -> Document:
    return {"ExecutionStartDateTime": written(time.time())}


def _sum_up(command: Document) -> None:
    """The command is what its invocations are together."""
    found = [one["Status"] for one in command["Invocations"].values()]
    ended = [one for one in found if one not in RUNNING]
    if len(ended) < len(found):
        status = "Cancelling" if "Cancelling" in found else "InProgress"
    else:
        order = ("Failed", "TimedOut", "Cancelled", "Success")
        status = next((one for one in order if one in ended), "Success")
    command["Status"], command["StatusDetails"] = status, status


def _public(command: Document) -> Document:
    counted = [one["Status"] for one in command["Invocations"].values()]
    return {
        **{name: value for name, value in command.items() if name != "Invocations"},
        "TargetCount": len(counted),
        "CompletedCount": sum(one not in RUNNING for one in counted),
        "ErrorCount": sum(one in ("Failed", "TimedOut") for one in counted),
    }


def _listed(invocation: Document, *, detailed: bool) -> Document:
    plugin = {
        "Name": invocation["PluginName"],
        "Status": invocation["Status"],
        "StatusDetails": invocation["StatusDetails"],
        "ResponseCode": invocation["ResponseCode"],
        "Output": invocation["StandardOutputContent"] + invocation["StandardErrorContent"],
    }
    return {**invocation, "CommandPlugins": [plugin] if detailed else []}


def _page(found: list[Document], key: str, params: Document) -> Document:
    start, size = int(params.get("NextToken") or 0), int(params.get("MaxResults") or PAGE)
    more = {"NextToken": str(start + size)} if start + size < len(found) else {}
    return {key: found[start : start + size], **more}
