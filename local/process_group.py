"""The processes of one server: it leads a process group of its own, and what it starts stays in that group."""

import contextlib
import os
import signal
import subprocess
import time
from dataclasses import dataclass

LOOK_EVERY_SECONDS = 0.05
KILLED_SECONDS = 5.0
SERVER = "local.server"


@dataclass(frozen=True)
class Member:
    pid: int
    command: str


def members(group: int) -> list[Member]:
    """The living ones. A zombie has ended, however long whoever started it takes to ask how."""
    asked = subprocess.Popen(["ps", "-axo", "pgid=,pid=,stat=,command="], stdout=subprocess.PIPE, text=True)
    shown, _ = asked.communicate()
    if asked.returncode:
        raise RuntimeError(f"`ps` ended with exit status {asked.returncode}.")
    found = []
    for line in shown.splitlines():
        pgid, pid, state, *command = line.split(None, 3)
        # Asked from within the group, `ps` sees itself.
        if int(pgid) == group and not state.startswith("Z") and int(pid) != asked.pid:
            found.append(Member(int(pid), "".join(command)))
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
