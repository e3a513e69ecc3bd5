"""One command on one instance: a shell script as the agent runs it, until it ends, has to, or is cancelled."""

import contextlib
import os
import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from local import process_group
from local.ec2.machine import Machine
from local.records import Document
from local.ssm.command import written

COMMAND = "EMBEDDED_AWS_COMMAND"
# The agent's program that runs a document, by whose name a box knows that it is at work.
WORKER = "ssm-document-worker"
SHELL = "/bin/sh"
LOOK_EVERY_SECONDS, KILL_SECONDS = 0.05, 5.0
# What GetCommandInvocation shows; the rest goes to S3 where that is asked for.
OUTPUT_CHARACTERS, ERROR_CHARACTERS = 24_000, 8_000
TRUNCATED = "\n---Output truncated---"
# The code of what the agent had to end.
ENDED_BY_AGENT = 137
STEP = "0.awsrunShellScript"


@dataclass
class Invocation:
    """`run` returns what has changed of its record."""

    machine: Machine
    command: str
    parameters: dict[str, list[str]]
    timeout_seconds: float
    cancelled: threading.Event

    @property
    def folder(self) -> Path:
        """Where the agent keeps a command's script and what it said."""
        agent = self.machine.root.folder / "var" / "lib" / "amazon" / "ssm" / self.machine.identity
        return agent / "document" / "orchestration" / self.command / "awsrunShellScript" / STEP

    def run(self) -> Document:
        began = time.time()
        self.folder.mkdir(parents=True, exist_ok=True)
        script = self.folder / "_script.sh"
        script.write_text(self.machine.root.here("\n".join(self.parameters["commands"]) + "\n"))
        script.chmod(0o700)
        status, code = self._run(script)
        ended = time.time()
        return {
            "Status": status,
            "StatusDetails": "ExecutionTimedOut" if status == "TimedOut" else status,
            "ResponseCode": code,
            "ExecutionEndDateTime": written(ended),
            "ExecutionElapsedTime": f"PT{ended - began:.3f}S",
            "StandardOutputContent": _shown(self.folder / "stdout", OUTPUT_CHARACTERS),
            "StandardErrorContent": _shown(self.folder / "stderr", ERROR_CHARACTERS),
        }

    def _run(self, script: Path) -> tuple[str, int]:
        asked = (self.parameters.get("workingDirectory") or [""])[0]
        folder = Path(self.machine.root.here(asked)) if asked else self.folder
        with (self.folder / "stdout").open("wb") as output, (self.folder / "stderr").open("wb") as errors:
            try:
                process = self.machine.spawn(
                    [WORKER, str(script)], {COMMAND: self.command}, output, errors, folder=folder, executable=SHELL
                )
            except OSError as error:
                errors.write(f"failed to run commands: {error}\n".encode())
                return "Failed", 1
            until = time.monotonic() + self.timeout_seconds
            while process.poll() is None:
                ending = "Cancelled" if self.cancelled.is_set() else "TimedOut" if time.monotonic() >= until else None
                if ending is not None:
                    self._kill()
                    process.wait()
                    return ending, ENDED_BY_AGENT
                self.cancelled.wait(LOOK_EVERY_SECONDS)
        code = process.returncode if process.returncode >= 0 else 128 - process.returncode
        return ("Success" if code == 0 else "Failed"), code

    def _kill(self) -> None:
        """What the script has started goes with it."""
        until = time.monotonic() + KILL_SECONDS
        number = signal.SIGTERM
        while found := process_group.holding(f"{COMMAND}={self.command}"):
            for pid in found:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            time.sleep(LOOK_EVERY_SECONDS)
            number = signal.SIGKILL if time.monotonic() >= until else signal.SIGTERM


def _shown(path: Path, characters: int) -> str:
    """The first of what was said; a reader of more asks S3 for it."""
    with path.open("rb") as file:
        text = file.read(4 * characters).decode(errors="replace")
    if len(text) <= characters and path.stat().st_size <= 4 * characters:
        return text
    return text[: characters - len(TRUNCATED)] + TRUNCATED
