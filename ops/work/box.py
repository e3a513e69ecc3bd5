"""The training box by Systems Manager: awake, told a command, and that command followed, listed and cancelled."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ops.errors import NotReached, OperatorError
from ops.prices import Prices
from ops.stage import Stage
from ops.work.logs import JobLog

# Boto3's clients are made at run time; any JSON document.
Client = Any
Document = dict[str, Any]
DOCUMENT = "AWS-RunShellScript"
ENDED = ("Success", "Failed", "Cancelled", "TimedOut", "Undeliverable", "Terminated", "DeliveryTimedOut")
# A stopped box boots in about a minute; its agent reports some time after that.
AWAKE_WITHIN_SECONDS = 600.0
DELIVERED_WITHIN_SECONDS = 600
LONGEST_COMMENT = 100
EPOCHS = re.compile(r"--epochs=(\d+)")


@dataclass(frozen=True)
class Command:
    """One that ran, or runs, on the box; its name is its comment."""

    name: str
    id: str
    line: str
    """What the shell was told."""
    instance_type: str
    began: datetime
    document: Document
    """The invocation, as Systems Manager lists it; empty until it knows of one."""

    @property
    def status(self) -> str:
        return str(self.document.get("Status", "Pending"))

    @property
    def has_ended(self) -> bool:
        return self.status in ENDED

    @property
    def output(self) -> str:
        """The first 2,500 characters of it, which is all that Systems Manager lists."""
        return str(self._plugin.get("Output", ""))

    @property
    def epochs(self) -> int | None:
        """How many there will be, where the line says it."""
        told = EPOCHS.search(self.line)
        return int(told[1]) if told else None

    @property
    def wall_seconds(self) -> float:
        start: datetime = self._plugin.get("ResponseStartDateTime") or self.began
        end: datetime = self._plugin.get("ResponseFinishDateTime") or datetime.now(UTC)
        return (end - start).total_seconds()

    def dollars(self, prices: Prices) -> float | None:
        """Of the minutes that it ran; the box is billed for all that it is on."""
        price = prices.hourly(self.instance_type)
        return None if price is None else price * self.wall_seconds / 3600

    @property
    def _plugin(self) -> Document:
        return next(iter(self.document.get("CommandPlugins", [])), {})


@dataclass(frozen=True)
class Box:
    id: str
    log_group: str | None
    """Where commands say what they say, while they say it; None of a stack that was deployed before it had one."""
    ec2: Client
    ssm: Client
    logs: Client
    poll_seconds: float

    @classmethod
    def of(cls, stage: Stage) -> "Box":
        found = cls.find(stage)
        if found is None:
            raise OperatorError(
                f"Stage {stage.name} has no training box: set workbench.box.enabled = true in its file, then `cdk "
                f"deploy --all -c stage={stage.name}`."
            )
        return found

    @classmethod
    def find(cls, stage: Stage) -> "Box | None":
        outputs = stage.find("workbench") or {}
        if "BoxId" not in outputs:
            return None
        ec2, ssm, logs = (stage.client(service) for service in ("ec2", "ssm", "logs"))
        return cls(outputs["BoxId"], outputs.get("BoxLogGroup"), ec2, ssm, logs, stage.account.poll_seconds)

    def described(self) -> Document:
        (reservation,) = self.ec2.describe_instances(InstanceIds=[self.id])["Reservations"]
        (found,) = reservation["Instances"]
        return dict(found)

    def wake(self, says: Callable[[str], None]) -> None:
        """Running, and its agent there to be told something."""
        until = time.monotonic() + AWAKE_WITHIN_SECONDS
        started, told = False, ""
        while True:
            state = self.described()["State"]["Name"]
            if state == "stopped" and not started:
                says(f"The box {self.id} is stopped: it is started, and stops itself again when it has been idle.")
                self.ec2.start_instances(InstanceIds=[self.id])
                started = True
            elif state in ("terminated", "shutting-down"):
                raise OperatorError(f"The box {self.id} is {state}: deploy the workbench stack again.")
            elif state == "running" and self._is_online():
                return
            if state != told and state in ("pending", "running"):
                told = state
                says(f"The box {self.id} is {state}; its agent has yet to report.")
            if time.monotonic() > until:
                raise NotReached(
                    f"The box {self.id} is {state}, and Systems Manager has not heard of its agent for "
                    f"{AWAKE_WITHIN_SECONDS:g} s: see `aws ec2 get-console-output --instance-id {self.id}`."
                )
            time.sleep(self.poll_seconds)

    def _is_online(self) -> bool:
        listed = self.ssm.describe_instance_information(Filters=[{"Key": "InstanceIds", "Values": [self.id]}])
        return any(one["PingStatus"] == "Online" for one in listed["InstanceInformationList"])

    def send(self, name: str, line: str, run_seconds: int) -> Command:
        """A line for the box's shell."""
        sent = self.ssm.send_command(
            DocumentName=DOCUMENT,
            InstanceIds=[self.id],
            Comment=name[:LONGEST_COMMENT],
            TimeoutSeconds=DELIVERED_WITHIN_SECONDS,
            Parameters={"commands": [line], "executionTimeout": [str(run_seconds)]},
            CloudWatchOutputConfig={"CloudWatchOutputEnabled": True, "CloudWatchLogGroupName": self._group},
        )["Command"]
        return _command(sent, str(self.described()["InstanceType"]), {})

    def log(self, command: Command) -> JobLog:
        return JobLog(self.logs, self._group, command.id)

    @property
    def _group(self) -> str:
        if self.log_group is None:
            raise OperatorError("The workbench stack is older than this checkout, and keeps no log: deploy it again.")
        return self.log_group

    def command(self, name: str) -> Command | None:
        """By its name or by its id."""
        return next((one for one in self.commands() if name in (one.name, one.id)), None)

    def commands(self) -> list[Command]:
        """The youngest first; Systems Manager forgets them after 30 days."""
        pages = self.ssm.get_paginator("list_commands").paginate(InstanceId=self.id)
        sent = [one for one in pages.search("Commands[]") if one]
        if not sent:
            return []
        kind, invocations = str(self.described()["InstanceType"]), self._invocations()
        found = [_command(one, kind, invocations.get(one["CommandId"], {})) for one in sent]
        return sorted(found, key=lambda one: one.began, reverse=True)

    def again(self, command: Command) -> Command:
        """As it stands now."""
        now = self._invocations(CommandId=command.id).get(command.id, {})
        return Command(command.name, command.id, command.line, command.instance_type, command.began, now)

    def cancel(self, command: Command) -> None:
        self.ssm.cancel_command(CommandId=command.id, InstanceIds=[self.id])

    def _invocations(self, **which: str) -> dict[str, Document]:
        """By command; Systems Manager needs a moment to know of one that was just sent."""
        pages = self.ssm.get_paginator("list_command_invocations").paginate(InstanceId=self.id, Details=True, **which)
        return {one["CommandId"]: one for one in pages.search("CommandInvocations[]") if one}


def _command(found: Document, instance_type: str, invocation: Document) -> Command:
    identity = found["CommandId"]
    line = "\n".join(found.get("Parameters", {}).get("commands", []))
    name = found.get("Comment") or identity
    return Command(name, identity, line, instance_type, found["RequestedDateTime"], invocation)
