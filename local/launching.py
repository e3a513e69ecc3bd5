"""One server's process: what it is started with, what keeps it from starting, and why it did not start."""

import json
import os
import secrets
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from local.facts import ALREADY_RUNNING
from local.home import Home, LocalError
from local.images import read as read_images
from local.tls import CA_VARIABLES

NEEDED_BYTES = 200 * 1024 * 1024
PORTS = range(65536)
# Faster, and ten of its seconds would be too short to look at everything that scales.
CLOCK_LIMIT = 600
MACHINE = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", *CA_VARIABLES)


@dataclass(frozen=True)
class Wanted:
    """What a server is to be like."""

    images: Path | None
    port: int
    account: str
    region: str
    launch_seconds: float
    clock: float
    # The Python environment whose Jupyter notebook instances open.
    notebooks: Path | None

    def check(self) -> None:
        if self.port not in PORTS:
            raise LocalError(f"Port {self.port} is not a port: give --port a number from 0 (any free one) to 65535.")
        if not 1 <= self.clock <= CLOCK_LIMIT:
            raise LocalError(
                f"A clock {self.clock:g} times as fast cannot be kept: give --clock a number from 1 to {CLOCK_LIMIT}."
            )
        if self.images is not None:
            read_images(self.images)

    def launch(self, home: Home, *, folder: Path, log: IO[bytes] | None = None) -> "subprocess.Popen[bytes]":
        """In a session of its own, so that a Ctrl-C here is not one there; without a log it speaks to this terminal."""
        command = [sys.executable, "-m", "local.server", "--home", str(home.folder), "--port", str(self.port)]
        command += ["--account", self.account, "--region", self.region]
        command += ["--launch-seconds", str(self.launch_seconds), "--clock", str(self.clock)]
        command += ["--images", str(self.images)] if self.images else []
        command += ["--notebooks", str(self.notebooks)] if self.notebooks else []
        return subprocess.Popen(
            [*command, "--parent", str(os.getpid())],
            cwd=folder,
            env=environment(),
            stdin=subprocess.DEVNULL if log else None,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def refuse_what_cannot_start(home: Home) -> None:
    free = shutil.disk_usage(home.folder).free
    if free < NEEDED_BYTES:
        raise LocalError(
            f"The disk of {home.folder} has {free // 2**20} MiB free and {NEEDED_BYTES // 2**20} MiB are needed: make "
            "room, or choose another folder with --state DIR."
        )
    for path in sorted(home.state.glob("*.json")):
        try:
            json.loads(path.read_bytes())
        except ValueError as error:
            raise LocalError(
                f"The state file {path} is damaged ({error}): put back a copy, or forget all state with "
                "`python -m local reset`."
            ) from error
    if not home.secret.exists() or not home.secret.read_text(errors="replace").strip():
        home.secret.touch(mode=0o600)
        home.secret.write_text(secrets.token_urlsafe(30))


def environment() -> dict[str, str]:
    """None of the user's AWS settings reach the server, nor through it a Lambda or an endpoint."""
    kept = {name: os.environ[name] for name in MACHINE if name in os.environ}
    package_root = str(Path(__file__).resolve().parent.parent)
    beside = str(Path(sys.executable).parent)
    return {**kept, "PATH": f"{beside}{os.pathsep}{kept.get('PATH', os.defpath)}", "PYTHONPATH": package_root}


def why(home: Home, code: int, log_begin: int) -> str:
    with home.log.open("rb") as log:
        log.seek(log_begin)
        lines = log.read().decode(errors="replace").splitlines()
    said = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    if said:
        return said[-1]
    if code == ALREADY_RUNNING:
        return f"Another embedded AWS holds {home.folder} without answering: `python -m local stop`, then start again."
    last = f"; its last words: {lines[-1]}" if lines else ""
    return f"The embedded AWS ended with exit status {code} while starting{last} (see {home.log})."
