"""Where a run stands, written so that it can be killed at any moment and goes on to the same weights.

A file's name says whose it is, how far it had come, and the hash of its content: `<run>-<step>-<sha256>.pt`. A file is
whole or not there (written beside, synced, renamed); one that was damaged later is passed over for the one before.
"""

import hashlib
import io
import json
import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from training.errors import TrainingError

KEPT = 2
NAME = re.compile(r"(?P<run>[0-9a-f]{16})-(?P<step>\d{10})-(?P<sha256>[0-9a-f]{16})\.pt")


def identity(**facts: Any) -> str:  # noqa: ANN401 (whatever JSON takes)
    """What a run is told apart by: everything that its weights depend on."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


@dataclass
class Checkpoints:
    """The checkpoints of one run in a folder that other runs may use as well."""

    folder: Path
    run: str
    every_seconds: float
    _saved_at: float = field(default_factory=time.monotonic)

    def due(self) -> bool:
        return time.monotonic() - self._saved_at >= self.every_seconds

    def save(self, step: int, state: dict[str, Any]) -> None:
        """Write one, then forget all but the newest two."""
        buffer = io.BytesIO()
        torch.save(state, buffer)
        content = buffer.getbuffer()
        place = self.folder / f"{self.run}-{step:010d}-{hashlib.sha256(content).hexdigest()[:16]}.pt"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._write(place, content)
        except OSError as error:
            raise TrainingError(
                f"--checkpoints {self.folder}: cannot be written ({error.strerror}); make room, or name another folder"
            ) from error
        for old in self._own()[KEPT:]:
            old.unlink(missing_ok=True)
        self._saved_at = time.monotonic()

    def newest(self) -> dict[str, Any] | None:
        """The last state that can be read."""
        for path in self._own():
            try:
                content = path.read_bytes()
            except OSError as error:
                self._tell(path, error.strerror or "unreadable")
                continue
            if not path.stem.endswith(hashlib.sha256(content).hexdigest()[:16]):
                self._tell(path, "its content is not what was written")
                continue
            state: dict[str, Any] = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
            return state
        others = {found["run"] for found in map(NAME.fullmatch, self._names()) if found} - {self.run}
        if others:
            sys.stdout.write(f"checkpoints in {self.folder} are of other runs: this one begins anew\n")
        return None

    def _write(self, place: Path, content: memoryview) -> None:
        # hidden and of this process alone: a killed one leaves at most this, and the next save clears it
        for left in self.folder.glob(f".{self.run}-*"):
            left.unlink(missing_ok=True)
        new = self.folder / f".{self.run}-{os.getpid()}"
        with new.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        new.replace(place)

    def _names(self) -> list[str]:
        return [path.name for path in self.folder.iterdir()] if self.folder.is_dir() else []

    def _own(self) -> list[Path]:
        """Newest first."""
        found = [match for match in map(NAME.fullmatch, self._names()) if match and match["run"] == self.run]
        return [self.folder / match.string for match in sorted(found, key=lambda match: match["step"], reverse=True)]

    def _tell(self, path: Path, why: str) -> None:
        sys.stdout.write(f"checkpoint {path.name} is passed over: {why}\n")


class StoppedError(Exception):
    """Somebody asked the run to stop; everything that it needs to go on is kept, where a folder was named."""

    def __init__(self, sentence: str, status: int) -> None:
        super().__init__(sentence)
        self.status = status


class Stop:
    """Whether a signal has asked this process to stop."""

    def __init__(self) -> None:
        self.by: signal.Signals | None = None

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        if self.by is not None:  # a second one means now
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        self.by = signal.Signals(number)

    @property
    def status(self) -> int:
        """As a shell tells of a process that a signal ended."""
        return 128 + (self.by or signal.SIGTERM)


@contextmanager
def listening() -> Iterator[Stop]:
    """SIGTERM and Ctrl-C ask for a stop between two batches instead of ending the process in one."""
    stop = Stop()
    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
