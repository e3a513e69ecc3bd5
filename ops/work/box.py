"""The training box by Systems Manager: awake, told a command, and that command followed, listed and cancelled."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from ops.errors import NotReached, OperatorError
from ops.prices import Prices
from ops.stage import Stage

# Boto3's clients are made at run time; any JSON document.
Client = Any
Document = dict[str, Any]
DOCUMENT = "AWS-RunShellScript"
ENDED = ("Success", "Failed", "Cancelled", "TimedOut", "Undeliverable", "Terminated", "DeliveryTimedOut")
# A stopped box boots in about a minute; its agent reports some time after that.
AWAKE_WITHIN_SECONDS = 600.0
DELIVERED_WITHIN_SECONDS = 600
# Once the command is sent, Systems Manager needs a moment to know of its invocation.
NOT_YET = "InvocationDoesNotExist"
LONGEST_COMMENT = 100


@dataclass(frozen=True)
class Command:
    """One that ran, or runs, on the box; its name is its comment."""

    name: str
    id: str
    box: str
    instance_type: str
    began: datetime
    document: Document
    """The invocation, as Systems Manager describes it; empty until it knows of one."""

    @property
    def status(self) -> str:
        return str(self.document.get("Status", "Pending"))

    @property
    def has_ended(self) -> bool:
        return self.status in ENDED

    @property
    def said(self) -> str:
        return str(self.document.get("StandardOutputContent", ""))

    @property
    def complained(self) -> str:
        return str(self.document.get("StandardErrorContent", ""))

    @property
    def wall_seconds(self) -> float:
        start, end = (_time(self.document.get(key)) for key in ("ExecutionStartDateTime", "ExecutionEndDateTime"))
        return ((end or datetime.now(UTC)) - (start or self.began)).total_seconds()

    def dollars(self, prices: Prices) -> float | None:
        """Of the minutes that it ran; the box is billed for all that it is on."""
        price = prices.hourly(self.instance_type)
        return None if price is None else price * self.wall_seconds / 3600


def _time(text: str | None) -> datetime | None:
    found = datetime.fromisoformat(text.replace("Z", "+00:00")) if text else None
    return found.replace(tzinfo=UTC) if found and found.tzinfo is None else found


@dataclass(frozen=True)
class Box:
    id: str
    ec2: Client
    ssm: Client
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
        identity = (stage.find("workbench") or {}).get("BoxId")
        if identity is None:
            return None
        return cls(identity, stage.client("ec2"), stage.client("ssm"), stage.account.poll_seconds)

    def described(self) -> Document:
        (reservation,) = self.ec2.describe_instances(InstanceIds=[self.id])["Reservations"]
        (found,) = reservation["Instances"]
        return dict(found)

    def wake(self, says: Callable[[str], None]) -> None:
        """Running, and its agent there to be told something."""
        until = time.monotonic() + AWAKE_WITHIN_SECONDS
        started = False
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
        )["Command"]
        return self._command(sent)

    def command(self, name: str) -> Command | None:
        """By its name or by its id."""
        return next((one for one in self.commands() if name in (one.name, one.id)), None)

    def commands(self) -> list[Command]:
        """The youngest first; Systems Manager forgets them after 30 days."""
        pages = self.ssm.get_paginator("list_commands").paginate(InstanceId=self.id)
        found = [self._command(one) for one in pages.search("Commands[]") if one]
        return sorted(found, key=lambda one: one.began, reverse=True)

    def again(self, command: Command) -> Command:
        """As it stands now."""
        return Command(
            command.name, command.id, self.id, command.instance_type, command.began, self._invocation(command.id)
        )

    def cancel(self, command: Command) -> None:
        self.ssm.cancel_command(CommandId=command.id, InstanceIds=[self.id])

    def _command(self, found: Document) -> Command:
        kind = str(self.described()["InstanceType"])
        identity = found["CommandId"]
        return Command(
            found.get("Comment") or identity,
            identity,
            self.id,
            kind,
            found["RequestedDateTime"],
            self._invocation(identity),
        )

    def _invocation(self, command: str) -> Document:
        try:
            return dict(self.ssm.get_command_invocation(CommandId=command, InstanceId=self.id))
        except ClientError as error:
            if error.response["Error"]["Code"] != NOT_YET:
                raise
            return {}
