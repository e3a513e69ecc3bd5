"""Start, stop and reset the embedded AWS from another process; `python -m local` and tests call these.

with started(images=Path("serving/images.toml")) as running: ...
"""

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from local import process_group
from local.facts import ALREADY_RUNNING, Facts
from local.home import Home, LocalError, Project
from local.images import read as read_images
from local.tls import CA_VARIABLES, Certificates

DEFAULT_PORT = 4566
DEFAULT_ACCOUNT = "000000000000"
DEFAULT_REGION = "us-east-1"
API_VARIABLE = "AWS_ENDPOINT_URL_EXECUTE_API"
LAUNCH_SECONDS = 60.0
START_SECONDS = 60.0
STOP_SECONDS = 45.0
WAIT_FOR_OTHER_SECONDS = 90.0
POLL_SECONDS = 0.02
NEEDED_BYTES = 200 * 1024 * 1024
PORTS = range(65536)
# Faster, and ten of its seconds would be too short to look at everything that scales.
CLOCK_LIMIT = 600
MACHINE = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", *CA_VARIABLES)


# Servers that this very process started, until it stops them: a child that nobody waits for stays as a zombie.
_children: "dict[int, subprocess.Popen[bytes]]" = {}


@dataclass(frozen=True)
class Running:
    """A running embedded AWS, as other processes reach it."""

    home: Home
    facts: Facts
    started_now: bool = False

    @property
    def url(self) -> str:
        return self.facts.url


@dataclass(frozen=True)
class Reset:
    """What there was to stop and to forget."""

    stopped: bool
    forgot: bool


def start(
    *,
    images: Path | None = None,
    port: int = DEFAULT_PORT,
    state: Path | None = None,
    account: str = DEFAULT_ACCOUNT,
    region: str = DEFAULT_REGION,
    launch_seconds: float = LAUNCH_SECONDS,
    clock: float = 1.0,
) -> Running:
    """Start it unless it runs already; returns when it answers. LocalError says in one sentence why it does not."""
    project = Project.find()
    home = Home(state.resolve()) if state else project.home
    images = (images or project.images or Path()).resolve() if images or project.images else None
    if port not in PORTS:
        raise LocalError(f"Port {port} is not a port: give --port a number from 0 (any free one) to 65535.")
    if images is not None:
        read_images(images)
    home.create()
    with home.permitted(), _alone(home):
        found = running(home)
        if found is not None:
            return found
        _refuse_what_cannot_start(home)
        _end_leftovers(home)
        command = _server(
            home,
            images=images,
            port=port,
            account=account,
            region=region,
            launch_seconds=launch_seconds,
            clock=clock,
        )
        with home.log.open("ab") as log:
            process = subprocess.Popen(
                command,
                cwd=project.root,
                env=_server_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            begin = log.tell()
        _children[process.pid] = process
        return _answering(home, process, begin)


def run_in_foreground(
    *,
    home: Home,
    images: Path | None,
    port: int,
    account: str,
    region: str,
    launch_seconds: float,
    clock: float,
    on_started: Callable[[Running], None],
) -> int:
    """The server as this very process's child, until Ctrl-C."""
    home.create()
    with home.permitted(), _alone(home):
        if running(home) is not None:
            raise LocalError("The embedded AWS runs already: `python -m local stop` first.")
        _refuse_what_cannot_start(home)
        _end_leftovers(home)
        command = _server(
            home,
            images=images,
            port=port,
            account=account,
            region=region,
            launch_seconds=launch_seconds,
            clock=clock,
        )
    process = subprocess.Popen(command, env=_server_environment(), start_new_session=True)
    told = False
    while (code := process.poll()) is None:
        try:
            found = None if told else running(home)
            if found is not None:
                told = True
                on_started(found)
            if told:
                process.wait()
            else:
                time.sleep(POLL_SECONDS)
        except KeyboardInterrupt:
            process.terminate()
    process_group.end(process.pid)
    return code


def running(home: Home) -> Running | None:
    """What runs in this folder, by its lock: a file left behind by a kill counts for nothing."""
    with home.permitted():
        try:
            lock = home.server_lock.open("r")
        except FileNotFoundError:
            return None
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                try:
                    return Running(home, Facts(**json.loads(home.facts.read_text())))
                except (FileNotFoundError, ValueError, TypeError):
                    return None
    return None


def stop(state: Path | None = None) -> bool:
    """Stop it and everything it started; state is saved. False when nothing ran."""
    home = Home(state.resolve()) if state else Project.find().home
    with home.permitted():
        if not home.folder.exists():
            return False
        with _alone(home):
            return _stop(home)


def _stop(home: Home) -> bool:
    found = running(home)
    if found is not None:
        os.kill(found.facts.pid, signal.SIGTERM)
        if not _until(lambda: running(home) is None, STOP_SECONDS):
            os.kill(found.facts.pid, signal.SIGKILL)
        _reap(found.facts.pid)
    _end_leftovers(home)
    return found is not None


def reset(state: Path | None = None) -> Reset:
    """Stop, and forget everything; the certificate and the secret go too."""
    home = Home(state.resolve()) if state else Project.find().home
    with home.permitted():
        if not home.folder.exists():
            return Reset(stopped=False, forgot=False)
        with _alone(home):
            stopped = _stop(home)
            # The lock is this command's own.
            found = [path for path in home.folder.iterdir() if path != home.start_lock]
            for path in found:
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()
    return Reset(stopped=stopped, forgot=bool(found))


def environment(found: Running | None = None) -> dict[str, str]:
    """Variables with which any AWS client works against it as the account's root."""
    if found is None:
        home = Project.find().home
        found = running(home)
        if found is None:
            raise LocalError("The embedded AWS does not run: `python -m local start` first.")
    bundle = str(Certificates(found.home.tls).bundle)
    with found.home.permitted():
        secret = found.home.secret.read_text().strip()
    return {
        "AWS_ENDPOINT_URL": found.facts.url,
        "AWS_ENDPOINT_URL_S3": found.facts.url,
        # No AWS client reads this one: HTTP APIs have addresses of their own, which all lead here.
        API_VARIABLE: f"http://127.0.0.1:{found.facts.http_port}",
        "AWS_ACCESS_KEY_ID": found.facts.account,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_REGION": found.facts.region,
        "AWS_DEFAULT_REGION": found.facts.region,
        "AWS_EC2_METADATA_DISABLED": "true",
        **dict.fromkeys(CA_VARIABLES, bundle),
        "NODE_EXTRA_CA_CERTS": bundle,
    }


def environment_of_account(number: str | None) -> dict[str, str] | None:
    """For programs that work in this account, where it is one that only the embedded AWS has; None for any other."""
    return subprocess_environment() if number == DEFAULT_ACCOUNT else None


# Set on a user's machine, each would send the client elsewhere than `environment` says.
UNSET = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN")


def subprocess_environment(found: Running | None = None) -> dict[str, str]:
    """This process's environment with `environment` in and what would contradict it out."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in UNSET and not name.startswith("AWS_ENDPOINT_URL")
    }
    return kept | environment(found)


@contextlib.contextmanager
def _alone(home: Home) -> Iterator[None]:
    """One command at a time; another waits its turn."""
    with home.start_lock.open("w") as lock:
        if not _until(lambda: _locked(lock), WAIT_FOR_OTHER_SECONDS):
            raise LocalError(
                f"Another start, stop or reset of {home.folder} has not ended within {WAIT_FOR_OTHER_SECONDS:g} s: "
                "end it, then try again."
            )
        yield


def _locked(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _refuse_what_cannot_start(home: Home) -> None:
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
    if not home.secret.exists():
        home.secret.touch(mode=0o600)
        home.secret.write_text(secrets.token_urlsafe(30))


def _server(
    home: Home, *, images: Path | None, port: int, account: str, region: str, launch_seconds: float, clock: float
) -> list[str]:
    if not 1 <= clock <= CLOCK_LIMIT:
        raise LocalError(
            f"A clock {clock:g} times as fast cannot be kept: give --clock a number from 1 to {CLOCK_LIMIT}."
        )
    command = [sys.executable, "-m", "local.server", "--home", str(home.folder), "--port", str(port)]
    command += ["--account", account, "--region", region, "--launch-seconds", str(launch_seconds)]
    command += ["--clock", str(clock)]
    return command + (["--images", str(images)] if images else [])


def _server_environment() -> dict[str, str]:
    """None of the user's AWS settings reach the server, nor through it a Lambda or an endpoint."""
    kept = {name: os.environ[name] for name in MACHINE if name in os.environ}
    package_root = str(Path(__file__).resolve().parent.parent)
    beside = str(Path(sys.executable).parent)
    return {**kept, "PATH": f"{beside}{os.pathsep}{kept.get('PATH', os.defpath)}", "PYTHONPATH": package_root}


def _answering(home: Home, process: "subprocess.Popen[bytes]", log_begin: int) -> Running:
    until = time.monotonic() + START_SECONDS
    try:
        while time.monotonic() < until:
            found = running(home)
            if found is not None:
                return Running(home, found.facts, started_now=True)
            code = process.poll()
            if code is not None:
                raise LocalError(_why(home, code, log_begin))
            time.sleep(POLL_SECONDS)
        raise LocalError(f"The embedded AWS did not answer within {START_SECONDS:g} s: see {home.log}.")
    except BaseException:
        # A Ctrl-C or a failure leaves nothing half started.
        process_group.end(process.pid)
        _reap(process.pid)
        raise


def _why(home: Home, code: int, log_begin: int) -> str:
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


def _end_leftovers(home: Home) -> None:
    """What a killed server left running is in its process group still, whose number is in last.json."""
    home.facts.unlink(missing_ok=True)
    try:
        pid = int(json.loads(home.last.read_text())["pid"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return
    survivors = process_group.end(pid)
    if survivors:
        numbers = ", ".join(str(one.pid) for one in survivors)
        raise LocalError(
            f"Processes of the embedded AWS in {home.folder} do not end: {numbers}. End them, then try again."
        )
    home.last.unlink(missing_ok=True)


def _reap(pid: int) -> None:
    child = _children.pop(pid, None)
    if child is not None:
        child.wait()


def _until(condition: Callable[[], bool], seconds: float) -> bool:
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= until:
            return False
        time.sleep(POLL_SECONDS)
    return True
