"""Which processors the engine gets: one of each physical core that this process may use, as many as its quota pays for.

Two hardware threads of one core share its multipliers, and a container's processor quota is no reason for the kernel to
show it fewer processors: whoever counts those computes with too many threads and is slowed down for it.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/")


def engine_processors(root: Path = ROOT) -> list[int]:
    """The numbers of the processors to compute on, at least one."""
    firsts = sorted({min(siblings(processor, root)) for processor in usable_processors()})
    return firsts[: max(1, int(quota(root)))] if quota(root) else firsts


def usable_processors() -> set[int]:
    """The processors that the scheduler may put this process on."""
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))  # a laptop without the call; there threads are not pinned either


def siblings(processor: int, root: Path = ROOT) -> set[int]:
    """The usable hardware threads of a processor's core, itself among them."""
    folder = root / f"sys/devices/system/cpu/cpu{processor}/topology"
    for name in ("core_cpus_list", "thread_siblings_list"):
        with contextlib.suppress(OSError, ValueError):
            return (numbers((folder / name).read_text()) & usable_processors()) | {processor}
    return {processor}


def numbers(ranges: str) -> set[int]:
    """`0-2,8` as the kernel writes it."""
    found: set[int] = set()
    for part in ranges.strip().split(","):
        first, _, last = part.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return found


def quota(root: Path = ROOT) -> float:
    """Processors that the cgroups pay for, the strictest of them; 0 where there is no limit."""
    limits = [limit for limit in cgroup_limits(root) if limit > 0]
    return min(limits, default=0.0)


def cgroup_limits(root: Path) -> Iterator[float]:
    """The limit of this process's cgroup and of each above it, in either version of the interface."""
    mounts = root / "sys/fs/cgroup"
    with contextlib.suppress(OSError):
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers == "":
                yield from (version_2(folder) for folder in upwards(mounts, path))
            elif "cpu" in controllers.split(","):
                yield from (version_1(folder) for folder in upwards(mounts / "cpu", path))
                yield from (version_1(folder) for folder in upwards(mounts / controllers, path))


def upwards(mount: Path, path: str) -> Iterator[Path]:
    """From a cgroup's folder up to where it is mounted; in a container the mount is often its own cgroup already."""
    folder = mount / path.lstrip("/")
    while folder != mount and mount in folder.parents:
        yield folder
        folder = folder.parent
    yield mount


def version_2(folder: Path) -> float:
    with contextlib.suppress(OSError, ValueError):
        used, period = (folder / "cpu.max").read_text().split()
        return 0.0 if used == "max" else int(used) / int(period)
    return 0.0


def version_1(folder: Path) -> float:
    with contextlib.suppress(OSError, ValueError):
        used = int((folder / "cpu.cfs_quota_us").read_text())
        return max(0.0, used / int((folder / "cpu.cfs_period_us").read_text()))
    return 0.0


def pin(processor: int) -> None:
    """Keep the calling thread on one processor, where the system can and lets it."""
    if hasattr(os, "sched_setaffinity"):
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, {processor})
