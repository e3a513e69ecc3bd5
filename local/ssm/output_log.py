"""What a command says, sent to CloudWatch Logs while it runs, as the agent does it and by the instance's role.

Streams: COMMAND/INSTANCE/aws-runShellScript/stdout and stderr. What was said since the second before is one event, of
as many lines as that were. The agent makes the group first, though it may be there, and looks whether it is: who may
not (logs:CreateLogGroup, logs:DescribeLogGroups) has no output there. That fails no command; the agent's own log says
why.
"""

import logging
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.authority import Credentials
from local.ec2.machine import Machine
from local.sagemaker.role_client import role_client

SEND_EVERY_SECONDS = 1.0
# The agent's own: what an event and a call hold at most.
EVENT_BYTES, CALL_EVENTS = 200_000, 4
# A command's end is told once its last words are there, or so long after.
LAST_WORDS_SECONDS = 10.0
PLUGIN, OUTPUTS = "aws-runShellScript", ("stdout", "stderr")
NO_GROUP_NAME = re.compile(r"[^.\-_/#A-Za-z0-9]")
ERRORS = Path("var/log/amazon/ssm/errors.log")

logger = logging.getLogger("embedded-aws.ssm.logs")


def group_of(config: Mapping[str, Any], document: str) -> str | None:
    """The group that a command's CloudWatchOutputConfig asks for, if any; a default one bears the document's name."""
    if not config.get("CloudWatchOutputEnabled"):
        return None
    return config.get("CloudWatchLogGroupName") or NO_GROUP_NAME.sub(".", f"/aws/ssm/{document}")


class CannotWrite(Exception):
    """Nothing of this stream will be brought any more."""


@dataclass
class OutputLog:
    """One command on one instance, from its start to its last words."""

    machine: Machine
    gateway: Mapping[str, str]
    group: str
    command: str
    folder: Path
    _ended: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _client: Any = None
    _keys: Credentials | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._follow, daemon=True, name=f"output-{self.command}")
        self._thread.start()

    def stop(self) -> None:
        """Once the command has ended: what it said last is sent first."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join(LAST_WORDS_SECONDS)

    def _follow(self) -> None:
        try:
            self._make_group()
        except (BotoCoreError, ClientError, CannotWrite) as error:
            self._give_up(f"its group {self.group} could not be made: {error}")
            return
        streams = [Stream(self.folder / name, self._put_to(name)) for name in OUTPUTS]
        while streams:
            ended = self._ended.wait(SEND_EVERY_SECONDS)
            streams = [one for one in streams if self._sends(one, last=ended)]

    def _sends(self, stream: "Stream", *, last: bool) -> bool:
        """Whether there will be more of it."""
        try:
            return stream.send(last=last)
        except (BotoCoreError, ClientError, CannotWrite) as error:
            # What can pass is tried again until the command ends.
            if passing := not last and not isinstance(error, CannotWrite):
                logger.info("command %s: %s", self.command, error)
            else:
                self._give_up(f"{stream.path.name} is not in {self.group}: {error}")
            return passing

    def _logs(self) -> Any:  # noqa: ANN401 - botocore's clients are made at run time
        """A client by the role's keys as they are now: a command may outlive them."""
        keys = self.machine.role_keys()
        if keys is None:
            raise CannotWrite("the instance has no role")
        if keys.credentials != self._keys:
            self._client = role_client("logs", keys.credentials, self.gateway, read_seconds=30)
            self._keys = keys.credentials
        return self._client

    def _make_group(self) -> None:
        try:
            self._logs().create_log_group(logGroupName=self.group)
        except ClientError as error:
            if _code(error) != "ResourceAlreadyExistsException":
                raise

    def _put_to(self, output: str) -> Callable[[list[str]], None]:
        name = f"{self.command}/{self.machine.identity}/{PLUGIN}/{output}"
        made = False

        def put(messages: list[str]) -> None:
            nonlocal made
            if not made:
                self._make_stream(name)
                made = True
            now = int(time.time() * 1000)
            events = [{"timestamp": now, "message": message} for message in messages]
            try:
                self._logs().put_log_events(logGroupName=self.group, logStreamName=name, logEvents=events)
            except ClientError as error:
                if _code(error) == "ResourceNotFoundException":
                    raise CannotWrite("its group or stream was deleted") from error
                raise

        return put

    def _make_stream(self, name: str) -> None:
        try:
            found = self._logs().describe_log_groups(logGroupNamePrefix=self.group)["logGroups"]
            if self.group not in [one["logGroupName"] for one in found]:
                raise CannotWrite("there is no such group")
            self._logs().create_log_stream(logGroupName=self.group, logStreamName=name)
        except ClientError as error:
            if _code(error) != "ResourceAlreadyExistsException":
                raise CannotWrite(str(error)) from error

    def _give_up(self, said: str) -> None:
        """Where the agent says it, and in the server's log."""
        logger.warning("command %s on %s: %s", self.command, self.machine.identity, said)
        path = self.machine.root.folder / ERRORS
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a") as file:
                file.write(f"{time.strftime('%F %T', time.gmtime())} ERROR command {self.command}: {said}\n")
        except OSError as error:
            logger.warning("%s: %s", path, error)


@dataclass
class Stream:
    """One file as it grows, in events of whole lines."""

    path: Path
    put: Callable[[list[str]], None]
    _offset: int = 0

    def send(self, *, last: bool) -> bool:
        """Bring what is there; whether more may come. What could not be brought is tried again at the next call."""
        while events := self._next(last=last):
            self.put([_text(event, last=last) for event in events])
            self._offset += sum(map(len, events))
        return not last

    def _next(self, *, last: bool) -> list[bytes]:
        try:
            with self.path.open("rb") as file:
                file.seek(self._offset)
                piece = file.read(EVENT_BYTES * CALL_EVENTS)
        except FileNotFoundError:
            # The command has not begun, or its instance is gone.
            return []
        end, full = piece.rfind(b"\n") + 1, len(piece) == EVENT_BYTES * CALL_EVENTS
        if full or not last:
            piece = piece[:end] if end or not full else piece
        return _events(piece)


def _events(piece: bytes) -> list[bytes]:
    """Of whole lines where they fit."""
    events = []
    while piece:
        end = len(piece) if len(piece) <= EVENT_BYTES else piece.rfind(b"\n", 0, EVENT_BYTES) + 1 or EVENT_BYTES
        events.append(piece[:end])
        piece = piece[end:]
    return events[:CALL_EVENTS]


def _text(event: bytes, *, last: bool) -> str:
    text = event.decode(errors="replace").replace("\r\n", "\n")
    # The service takes no empty message.
    return (text.removesuffix("\n") if last else text) or " "


def _code(error: ClientError) -> str:
    return str(error.response["Error"]["Code"])
