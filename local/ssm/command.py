"""A command as it is kept: what was asked, and how each of its instances stands."""

import time
import uuid
from datetime import UTC, datetime

from local.json_service import Call
from local.records import Document
from local.ssm.request import DELIVERY_SECONDS, EXECUTION_SECONDS, MOST_AT_ONCE, MOST_ERRORS, RateControls

RUNNING = ("Pending", "InProgress", "Cancelling")
PENDING = {"Status": "Pending", "StatusDetails": "Pending"}
CANCELLED = {"Status": "Cancelled", "StatusDetails": "Cancelled"}
# One that never began: it could not be told in time, or too many others had failed.
UNDELIVERED = {"Status": "TimedOut", "StatusDetails": "DeliveryTimedOut"}
LEFT_OUT = {"Status": "Cancelled", "StatusDetails": "Terminated"}
# Those that count against MaxErrors.
FAILED = ("Failed", "ExecutionTimedOut")
OUTPUT = ("OutputS3BucketName", "OutputS3KeyPrefix", "CloudWatchOutputConfig")
# Of what a command said, a list shows the beginning.
LISTED_CHARACTERS = 2_500
LISTED_TIMES = {"ResponseStartDateTime": "ExecutionStartDateTime", "ResponseFinishDateTime": "ExecutionEndDateTime"}
COPIED = ("DocumentName", "Comment", "Parameters", "InstanceIds", "Targets", *OUTPUT)


def new(call: Call, identities: list[str]) -> Document:
    params, now = call.params, time.time()
    command = {
        **{name: params[name] for name in COPIED if name in params},
        **PENDING,
        "CommandId": str(uuid.uuid4()),
        "DocumentVersion": params.get("DocumentVersion", "$DEFAULT"),
        "TimeoutSeconds": params.get("TimeoutSeconds", DELIVERY_SECONDS),
        "RequestedDateTime": now,
        "ExpiresAfter": now + params.get("TimeoutSeconds", DELIVERY_SECONDS) + EXECUTION_SECONDS,
        "MaxConcurrency": params.get("MaxConcurrency", MOST_AT_ONCE),
        "MaxErrors": params.get("MaxErrors", MOST_ERRORS),
    }
    command["Invocations"] = {one: _invocation(command, one) for one in identities}
    if not identities:
        command |= {"Status": "Failed", "StatusDetails": "NoInstancesInTag"}
    return command


def _invocation(command: Document, identity: str) -> Document:
    return {
        **PENDING,
        **{name: command[name] for name in ("CloudWatchOutputConfig",) if name in command},
        "CommandId": command["CommandId"],
        "InstanceId": identity,
        "Comment": command.get("Comment", ""),
        "DocumentName": command["DocumentName"],
        "DocumentVersion": command["DocumentVersion"],
        "PluginName": "aws:runShellScript",
        "ResponseCode": -1,
        "RequestedDateTime": command["RequestedDateTime"],
        "StandardOutputContent": "",
        "StandardErrorContent": "",
    }


def change(command: Document, identity: str, to: Document) -> None:
    """One instance's part, and with it the whole. What is cancelled does not begin, what has ended is not cancelled."""
    found = command["Invocations"][identity]
    before = {"InProgress": ("Pending",), "Cancelling": ("Pending", "InProgress")}.get(to["Status"], RUNNING)
    if found["Status"] not in before:
        return
    found.update(to)
    command["Status"], command["StatusDetails"] = _together(command)


def _together(command: Document) -> tuple[str, str]:
    found = list(command["Invocations"].values())
    statuses = [one["Status"] for one in found]
    if any(one in RUNNING for one in statuses):
        status = "Cancelling" if "Cancelling" in statuses else "InProgress"
        return status, status
    if all(one == "Success" for one in statuses):
        return "Success", "Success"
    failed = [one["StatusDetails"] for one in found if one["StatusDetails"] in FAILED]
    if len(failed) > RateControls.of(command, len(found)).errors:
        return ("Failed", "Failed") if "Failed" in failed else ("TimedOut", "ExecutionTimedOut")
    details = {one["StatusDetails"] for one in found} - {"Success"}
    if details == {"Cancelled"}:
        return "Cancelled", "Cancelled"
    if details == {"DeliveryTimedOut"} and "Success" not in statuses:
        return "TimedOut", "DeliveryTimedOut"
    return "Failed", "Incomplete"


def public(command: Document) -> Document:
    found = list(command["Invocations"].values())
    return {
        **{name: value for name, value in command.items() if name != "Invocations"},
        "TargetCount": len(found),
        "CompletedCount": sum(one["Status"] not in RUNNING for one in found),
        "ErrorCount": sum(one["StatusDetails"] in FAILED for one in found),
        "DeliveryTimedOutCount": sum(one["StatusDetails"] == "DeliveryTimedOut" for one in found),
    }


def listed(invocation: Document, *, detailed: bool) -> Document:
    plugin = {
        "Name": invocation["PluginName"],
        "Status": invocation["Status"],
        "StatusDetails": invocation["StatusDetails"],
        "ResponseCode": invocation["ResponseCode"],
        "Output": (invocation["StandardOutputContent"] + invocation["StandardErrorContent"])[:LISTED_CHARACTERS],
        **{
            name: datetime.fromisoformat(invocation[member]).timestamp()
            for name, member in LISTED_TIMES.items()
            if member in invocation
        },
    }
    return {**invocation, "CommandPlugins": [plugin] if detailed else []}


def written(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
