"""What of this machine's memory jobs and endpoints hold together, and how many more instances it allows."""

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from local.json_service import AwsError

# A training process with PyTorch and its data fits in it.
JOB_BYTES = 1024**3
# A server of one model on the CPU fits in it.
ENDPOINT_BYTES = 96 * 1024**2
# Of cgroup v2 and v1, below the folder where each is mounted.
LIMITS = (("", "memory.max"), ("memory", "memory.limit_in_bytes"))


class Capacity:
    """Asked under `lock`, before anything is launched; whoever launches says then what it holds."""

    def __init__(self, total_bytes: int) -> None:
        self.total_bytes = total_bytes
        self.lock = threading.RLock()
        self._holders: list[Callable[[], int]] = []

    def add(self, holder: Callable[[], int]) -> None:
        """Something that says how many bytes its instances hold."""
        self._holders.append(holder)

    def limit(self, each_bytes: int) -> int:
        return max(1, self.total_bytes // each_bytes)

    def refuse_beyond(self, instances: int, each_bytes: int, what: str) -> None:
        limit, held = self.limit(each_bytes), -(-sum(holder() for holder in self._holders) // each_bytes)
        if instances > 0 and held + instances > limit:
            raise AwsError(
                "ResourceLimitExceeded",
                f"The limit of this machine's memory for {what} is {limit} instances, with current utilization of "
                f"{held} instances and a request delta of {instances} instances.",
            )


def machine_bytes(groups: Path = Path("/proc/self/cgroup"), mounted: Path = Path("/sys/fs/cgroup")) -> int:
    """The machine's memory, or what a container leaves of it."""
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min([physical, *_group_limits(groups, mounted)])


def _group_limits(groups: Path, mounted: Path) -> Iterator[int]:
    """A group's limit holds for all below it. In a container the path may be the host's, and only the root there."""
    try:
        lines = groups.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        for controller, name in LIMITS:
            if controller not in controllers.split(","):
                continue
            root = mounted / controller
            own = root / path.lstrip("/")
            for folder in (own, *own.parents):
                if folder.is_relative_to(root):
                    yield from _number(folder / name)


def _number(file: Path) -> Iterator[int]:
    try:
        text = file.read_text().strip()
    except OSError:
        return
    if text.isdigit():
        yield int(text)
