"""A server and everything it starts: started, weighed, and taken away whole, whatever happens to the bench."""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
TICKS = os.sysconf("SC_CLK_TCK")
PATIENCE_SECONDS = 5.0


class ServerError(Exception):
    """A server did not come up or went away; the text holds its last words."""


def adopt_orphans() -> None:
    """Make what a server leaves behind a child of this process instead of init's, so that it is found and ended."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


@dataclass(frozen=True)
class Tree:
    """A process and those below it."""

    root: int

    def pids(self) -> list[int]:
        children: dict[int, list[int]] = {}
        for pid, fields in _every_process():
            children.setdefault(int(fields[1]), []).append(pid)
        found = [self.root] if Path(f"/proc/{self.root}").exists() else []
        for pid in found:
            found += children.get(pid, [])
        return found

    def cpu_seconds(self) -> float:
        """Of all that live, and of those that they have waited for."""
        fields = [stat_fields(pid) for pid in self.pids()]
        return sum(sum(map(int, values[11:15])) for values in fields if values) / TICKS

    def resident_mib(self) -> float:
        """What they hold in memory, pages that several share counted once (PSS)."""
        return sum(_proportional_kib(pid) for pid in self.pids()) / 1024

    def end(self) -> None:
        """At once and whole; how a server goes when it is asked to is not measured here."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        pids = set(self.pids())
        while pids and time.monotonic() < deadline:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            _reap()
            pids = {pid for pid in pids | set(self.pids()) if _lives(pid)}
            time.sleep(0.01)


def stat_fields(pid: int) -> list[str]:
    """/proc/PID/stat from the state on, which is what follows the command in its brackets."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return []


def _every_process() -> Iterator[tuple[int, list[str]]]:
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and (fields := stat_fields(int(folder.name))):
            yield int(folder.name), fields


def _proportional_kib(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def _lives(pid: int) -> bool:
    return (stat_fields(pid) or ["Z"])[0] != "Z"


def _reap() -> None:
    """Collect what has ended below this process, adopted children among them."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


@contextlib.contextmanager
def running(command: list[str], environment: dict[str, str], folder: Path, log: Path) -> Iterator[Tree]:
    """The command's processes, for as long as the block lasts."""
    with log.open("wb") as said:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield Tree(process.pid)
    finally:
        Tree(process.pid).end()
        process.wait()


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])
