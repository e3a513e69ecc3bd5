"""The processes of one server: it leads a process group of its own, and what it starts stays in that group."""

import contextlib
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

LOOK_EVERY_SECONDS = 0.05
KILLED_SECONDS = 5.0
SERVER = "local.server"
# Field 24 of /proc/PID/stat, counted from the one behind the process group; and fields 14 to 17, of the process and of
# those that it has waited for.
RESIDENT_PAGES, TICKS = 18, slice(8, 12)


PROC = Path("/proc")
PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // 1024


@dataclass(frozen=True)
class Member:
    pid: int
    command: str
    memory_kib: int


def members(group: int) -> list[Member]:
    """The living ones. A zombie has ended, however long whoever started it takes to ask how."""
    # A slim Linux has no `ps`, and another system no /proc.
    return _by_proc(group) if (PROC / "self" / "stat").exists() else _by_ps(group)


def _by_proc(group: int) -> list[Member]:
    found = []
    for folder in PROC.glob("[0-9]*"):
        # A process that ends meanwhile is no member any more.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, PermissionError):
            # The name before the last bracket may itself hold brackets and spaces.
            state, _parent, pgid, *rest = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()
            if int(pgid) == group and state != "Z":
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
                found.append(Member(int(folder.name), command, int(rest[RESIDENT_PAGES]) * PAGE_KIB))
    return found


def holding(variable: str) -> list[int]:
    """This user's processes that were started with NAME=VALUE, in whatever session; none on a system without /proc.

    A terminal and a kernel of Jupyter lead sessions, and so process groups, of their own.
    """
    wanted, found = variable.encode(), []
    for folder in PROC.glob("[0-9]*"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, PermissionError):
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found


def end_holding(variable: str) -> None:
    """Kill those, and what they start meanwhile."""
    until = time.monotonic() + KILLED_SECONDS
    while (living := holding(variable)) and time.monotonic() < until:
        for pid in living:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(LOOK_EVERY_SECONDS)


def tree_memory_kib(root: int) -> int:
    """What a process and all below it have in memory; nothing once it is gone, or on a system without /proc."""
    below: dict[int, list[int]] = {}
    memory: dict[int, int] = {}
    for folder in PROC.glob("[0-9]*"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, PermissionError):
            _, parent, _, *rest = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()
            below.setdefault(int(parent), []).append(int(folder.name))
            memory[int(folder.name)] = int(rest[RESIDENT_PAGES]) * PAGE_KIB
    total, waiting = 0, [root]
    while waiting:
        pid = waiting.pop()
        total += memory.get(pid, 0)
        waiting += below.get(pid, [])
    return total


def processor_seconds(pid: int) -> float:
    """What a process and its ended children have taken; nothing once it is gone, or on a system without /proc."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError, PermissionError):
        fields = (PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()[3:]
        return sum(map(int, fields[TICKS])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def _by_ps(group: int) -> list[Member]:
    asked = subprocess.Popen(["ps", "-axo", "pgid=,pid=,stat=,rss=,command="], stdout=subprocess.PIPE, text=True)
    shown, _ = asked.communicate()
    if asked.returncode:
        raise RuntimeError(f"`ps` ended with exit status {asked.returncode}.")
    found = []
    for line in shown.splitlines():
        pgid, pid, state, memory_kib, *command = line.split(None, 4)
        # Asked from within the group, `ps` sees itself.
        if int(pgid) == group and not state.startswith("Z") and int(pid) != asked.pid:
            found.append(Member(int(pid), "".join(command), int(memory_kib)))
    return found


def end(group: int) -> list[Member]:
    """Kill the whole group of a server, alive or dead; the answer is what survives that.

    A number that meanwhile leads another session's group is not touched.
    """
    living = members(group)
    if any(one.pid == group and SERVER not in one.command for one in living):
        return []
    until = time.monotonic() + KILLED_SECONDS
    while living and time.monotonic() < until:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
        time.sleep(LOOK_EVERY_SECONDS)
        living = members(group)
    return living


def end_others() -> None:
    """Kill what this process, a server about to end, has started. Within another's group, a shell's, it has no say."""
    own = os.getpid()
    if os.getpgrp() != own:
        return
    for one in members(own):
        if one.pid != own:
            with contextlib.suppress(ProcessLookupError):
                os.kill(one.pid, signal.SIGKILL)
