"""What a container says, sent to CloudWatch Logs by the hosting role: one thread an instance follows its log file.

Group: /aws/sagemaker/Endpoints/<endpoint>; stream: <variant>/<instance>. A role that may not write has no logs there,
and serves all the same.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.client import BaseClient
from botocore.exceptions import BotoCoreError, ClientError

SEND_EVERY_SECONDS = 1.0
# While it is refused it asks ever more slowly.
ASK_AGAIN_AT_MOST_EVERY_SECONDS = 30.0
# One PutLogEvents takes 1 MiB, counts 26 bytes more than its text for each event, and what is no UTF-8 trebles.
BATCH_BYTES, BATCH_EVENTS = 256 * 1024, 10_000
EVENT_BYTES = 64 * 1024
# What a role could not send is kept in the file; beyond this the oldest of it is passed over.
BACKLOG_BYTES = 8 * 1024 * 1024
# Last words may not hold up an instance's end for longer.
STOP_SECONDS = 5.0

logger = logging.getLogger("embedded-aws.sagemaker.logs")


@dataclass
class ContainerLog:
    """The delivery of one instance's log, from its start to its last words."""

    path: Path
    group: str
    stream: str
    # Made at the first line: most containers of a test say nothing.
    make_client: Callable[[], BaseClient]
    _client: BaseClient | None = None
    _offset: int = 0
    _pause: float = SEND_EVERY_SECONDS
    _ending: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._follow, daemon=True, name=f"log-{self.stream}")
        self._thread.start()

    def stop(self) -> None:
        """Once the process has ended: what it said last is sent first."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join(STOP_SECONDS)

    def _follow(self) -> None:
        ended = False
        while not ended:
            ended = self._ending.wait(self._pause)
            try:
                while batch := self._next(whole_lines=not ended):
                    self._send(batch)
                    self._pause = SEND_EVERY_SECONDS
            except (BotoCoreError, ClientError) as error:
                self._refused(error)

    def _next(self, *, whole_lines: bool) -> bytes:
        """The next piece of the file, up to its last line break; a line longer than a piece goes in parts."""
        try:
            with self.path.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                if size - self._offset > BACKLOG_BYTES:
                    passed, self._offset = size - self._offset - BACKLOG_BYTES, size - BACKLOG_BYTES
                    logger.warning("%s %s: %d bytes of its log are passed over.", self.group, self.stream, passed)
                file.seek(self._offset)
                piece = file.read(BATCH_BYTES)
        except FileNotFoundError:
            # Its instance is gone, and took longer to say its last words than it was given.
            return b""
        end, full = piece.rfind(b"\n") + 1, len(piece) == BATCH_BYTES
        if whole_lines or full:
            return piece[:end] if end or not full else piece
        return piece

    def _send(self, piece: bytes) -> None:
        """Its events in one call or a few; the file counts as read as far as they were taken."""
        now = int(time.time() * 1000)
        for events, size in _batches(piece, now):
            if events:
                self._put(events)
            self._offset += size

    def _put(self, events: list[dict[str, Any]]) -> None:
        if self._client is None:
            client = self.make_client()
            self._make_stream(client)
            self._client = client
        try:
            self._write(self._client, events)
        except ClientError as error:
            if _code(error) != "ResourceNotFoundException":
                raise
            # Somebody deleted the group or the stream.
            self._make_stream(self._client)
            self._write(self._client, events)

    def _write(self, client: BaseClient, events: list[dict[str, Any]]) -> None:
        client.put_log_events(logGroupName=self.group, logStreamName=self.stream, logEvents=events)

    def _make_stream(self, client: BaseClient) -> None:
        """The group first where there is none: a role that may only write to one that exists needs no more."""
        try:
            client.create_log_stream(logGroupName=self.group, logStreamName=self.stream)
        except ClientError as error:
            if _code(error) == "ResourceAlreadyExistsException":
                return
            if _code(error) != "ResourceNotFoundException":
                raise
        else:
            return
        try:
            client.create_log_group(logGroupName=self.group)
        except ClientError as error:
            # Another instance was first.
            if _code(error) != "ResourceAlreadyExistsException":
                raise
        client.create_log_stream(logGroupName=self.group, logStreamName=self.stream)

    def _refused(self, error: Exception) -> None:
        if self._pause == SEND_EVERY_SECONDS:
            logger.warning("%s %s: its log could not be written: %s", self.group, self.stream, error)
        self._pause = min(self._pause * 2, ASK_AGAIN_AT_MOST_EVERY_SECONDS)


def _batches(piece: bytes, now: int) -> Iterator[tuple[list[dict[str, Any]], int]]:
    """Events of at most BATCH_EVENTS a call, and how many bytes of the file they are."""
    events: list[dict[str, Any]] = []
    size = 0
    for line in piece.splitlines(keepends=True):
        for start in range(0, len(line), EVENT_BYTES):
            part = line[start : start + EVENT_BYTES]
            text = part.decode(errors="replace").rstrip("\r\n")
            size += len(part)
            # The service takes no empty message.
            events += [{"timestamp": now, "message": text}] if text else []
            if len(events) == BATCH_EVENTS:
                yield events, size
                events, size = [], 0
    yield events, size


def _code(error: ClientError) -> str:
    return str(error.response["Error"]["Code"])
