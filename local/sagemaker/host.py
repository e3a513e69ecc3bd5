"""One instance of a job: a folder in the layout of /opt/ml, and the process that sees nothing else of the machine.

A path below /opt/ml or /tmp in what a job's request says (its command, arguments, variables and hyperparameters) stands
for the same path in this folder: there is no container whose root it could be. A program finds the folder by
SAGEMAKER_BASE_DIR or script mode's SM_ variables.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from local import process_group
from local.isolation import Network
from local.sagemaker.instance import MACHINE, LaunchFailed

BASE_DIR = "SAGEMAKER_BASE_DIR"
# Not within a longer path or an address: /var/tmp stays what it is.
_CONTAINER_PATH = re.compile(r"(?<![\w./-])/(opt/ml|tmp)(?![\w.-])")


@dataclass
class Host:
    """`name` is its address, by which the other instances of the job reach it."""

    name: str
    number: int
    folder: Path
    # The job's own, which its instances share, where they may reach nothing else.
    network: Network | None = None
    process: "subprocess.Popen[bytes] | None" = None
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def base(self) -> Path:
        """What /opt/ml stands for."""
        return self.folder / "ml"

    @property
    def scratch(self) -> Path:
        return self.folder / "tmp"

    @property
    def log(self) -> Path:
        return self.folder / "log.txt"

    def make(self, folders: Sequence[str]) -> None:
        # A new instance has nothing of the one before, whose capacity was taken back.
        shutil.rmtree(self.folder, ignore_errors=True)
        for path in (self.scratch, self.base / "output", *(self.base / name for name in folders)):
            path.mkdir(parents=True, exist_ok=True)
        self.log.touch()

    def here(self, text: str) -> str:
        """The text with the container's paths turned into this folder's."""
        return _CONTAINER_PATH.sub(lambda found: str(self.base if found[1] == "opt/ml" else self.scratch), text)

    def told(self, environment: Mapping[str, str]) -> dict[str, str]:
        """A request's variables, as they are meant here."""
        return {name: self.here(value) for name, value in environment.items()}

    def path(self, container_path: str) -> Path:
        """Of a place that the job names; outside of /opt/ml and /tmp there is none."""
        found = Path(self.here(container_path)).resolve()
        if not found.is_relative_to(self.folder.resolve()):
            raise LaunchFailed(f"{container_path} is outside of /opt/ml and /tmp, where a job has no place here")
        return found

    def start(self, words: Sequence[str], environment: Mapping[str, str], folder: Path) -> None:
        machine = {name: os.environ[name] for name in MACHINE if name in os.environ}
        own = {"HOME": str(self.scratch), "TMPDIR": str(self.scratch), "XDG_CACHE_HOME": str(self.scratch / ".cache")}
        self.environment = {**machine, **own, "PYTHONUNBUFFERED": "1", **environment, BASE_DIR: str(self.base)}
        try:
            with self.log.open("ab") as log:
                self.process = (self.network.popen if self.network else subprocess.Popen)(
                    words,
                    cwd=folder,
                    env=self.environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
        except OSError as error:
            raise LaunchFailed(f"The container cannot start: {error}") from error

    def status(self) -> int | None:
        """Its exit status; None while it runs."""
        return self.process.poll() if self.process else None

    def terminate(self) -> None:
        """Its first process alone is told, as a container's is."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """All of it: what the first process has started too."""
        for pid in process_group.holding(f"{BASE_DIR}={self.base}"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            self.process.wait()

    def said(self, *names: str) -> str:
        """What the first of these files below /opt/ml/output says; empty where there is none."""
        for name in names:
            path = self.base / "output" / name
            if path.is_file():
                text = path.read_bytes()[:4096].decode(errors="replace").strip()[:1024]
                if text:
                    return text
        return ""
