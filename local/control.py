"""Start, stop and reset the embedded AWS from another process; `python -m local` and tests call these.

with started(images=Path("serving/images.toml")) as running: ...
"""

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from local import process_group
from local.facts import Facts
from local.home import Home, LocalError, Project
from local.launching import Wanted, refuse_what_cannot_start, why
from local.sandbox.guest.place import STATE
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
    notebooks: Path | None = None,
) -> Running:
    """Start it unless it runs already; returns when it answers. LocalError says in one sentence why it does not."""
    project = Project.find()
    home = Home(state.resolve()) if state else project.home
    images, notebooks = images or project.images, notebooks or project.notebooks
    wanted = Wanted(
        images.resolve() if images else None,
        port,
        account,
        region,
        launch_seconds,
        clock,
        notebooks.absolute() if notebooks else None,
    )
    wanted.check()
    home.create()
    with home.permitted(), _alone(home):
        found = _running_or_about_to(home)
        if found is not None:
            return found
        refuse_what_cannot_start(home)
        _end_leftovers(home)
        with home.log.open("ab") as log:
            process = wanted.launch(home, folder=project.root, log=log)
            begin = log.tell()
        _children[process.pid] = process
        return _answering(home, process, begin)


def run_in_foreground(home: Home, wanted: Wanted, on_started: Callable[[Running], None]) -> int:
    """The server as this very process's child, until Ctrl-C."""
    wanted.check()
    home.create()
    with home.permitted(), _alone(home):
        if _running_or_about_to(home):
            raise LocalError("The embedded AWS runs already: `python -m local stop` first.")
        refuse_what_cannot_start(home)
        _end_leftovers(home)
    process = wanted.launch(home, folder=Path.cwd())
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


def _running_or_about_to(home: Home) -> Running | None:
    """A server whose `start` was killed before it answered goes on starting: it is waited for, or has failed."""
    deadline = time.monotonic() + START_SECONDS
    while (found := running(home)) is None and _holder(home) is not None:
        if time.monotonic() >= deadline:
            raise LocalError(
                f"Another embedded AWS holds {home.folder} without answering: `python -m local stop`, then start again."
            )
        time.sleep(POLL_SECONDS)
    return found


def _holder(home: Home) -> int | None:
    """The process that holds the server's lock, whether it answers already or not."""
    try:
        lock = home.server_lock.open("r")
    except FileNotFoundError:
        return None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            # Empty for the moment between taking the lock and saying who has.
            return int(lock.read() or 0)
    return None


def stop(state: Path | None = None) -> bool:
    """Stop it and everything it started; state is saved. False when nothing ran."""
    home = Home(state.resolve()) if state else Project.find().home
    with home.permitted():
        if not home.folder.exists():
            return False
        with _alone(home):
            return _stop(home)


def _stop(home: Home, *, saved: bool = True) -> bool:
    """`saved`: what could not be saved is an error; not where all is to be forgotten."""
    pid = _holder(home)
    while pid == 0:
        time.sleep(POLL_SECONDS)
        pid = _holder(home)
    lost = False
    if pid is not None:
        answered = running(home) is not None
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
            if not _until(lambda: _holder(home) is None, STOP_SECONDS):
                os.kill(pid, signal.SIGKILL)
        _reap(pid)
        # One that has saved its state takes its facts away.
        lost = answered and home.facts.exists()
    _end_leftovers(home)
    if lost and saved:
        free = shutil.disk_usage(home.folder).free // 2**20
        raise LocalError(
            f"The embedded AWS stopped, and what changed last could not be saved: {home.log} says why, and its disk "
            f"has {free} MiB free. What was saved before is kept."
        )
    return pid is not None


def reset(state: Path | None = None) -> Reset:
    """Stop, and forget everything; the certificate and the secret go too."""
    home = Home(state.resolve()) if state else Project.find().home
    with home.permitted():
        if not home.folder.exists():
            return Reset(stopped=False, forgot=False)
        with _alone(home):
            stopped = _stop(home, saved=False)
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
    certificates = Certificates(found.home.tls)
    bundle = str(certificates.bundle)
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
        # Every AWS client comes here, and each of its connections reads the whole file: a machine's takes 20 ms.
        "AWS_CA_BUNDLE": str(certificates.authority),
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


def _answering(home: Home, process: "subprocess.Popen[bytes]", log_begin: int) -> Running:
    until = time.monotonic() + START_SECONDS
    try:
        while time.monotonic() < until:
            found = running(home)
            if found is not None:
                return Running(home, found.facts, started_now=True)
            code = process.poll()
            if code is not None:
                raise LocalError(why(home, code, log_begin))
            time.sleep(POLL_SECONDS)
        raise LocalError(f"The embedded AWS did not answer within {START_SECONDS:g} s: see {home.log}.")
    except BaseException:
        # A Ctrl-C or a failure leaves nothing half started.
        process_group.end(process.pid)
        _reap(process.pid)
        raise


def _end_leftovers(home: Home) -> None:
    """What a killed server left running is in its process group still, whose number is in last.json."""
    home.facts.unlink(missing_ok=True)
    # The next server holds it for a moment before it has written its own number.
    if home.server_lock.exists():
        home.server_lock.write_text("")
    try:
        pid = int(json.loads(home.last.read_text())["pid"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return
    survivors = process_group.end(pid)
    process_group.end_holding(f"{STATE}={home.folder}")
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
