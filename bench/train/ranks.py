"""Fine-tuning on one rank with one thread, one with two, two with one; and two that know nothing of each other."""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ENTRY = Path(__file__).resolve().parent.parent.parent / "training" / "entry.py"
EPOCHS = 3
FLAGS = ("--architecture", "resnet18", "--input-size", "128", "--batch-size", "64", "--trial", "true")


class RunError(Exception):
    """A training ended badly; the text holds what it said."""


@dataclass(frozen=True)
class Rates:
    """Training pictures a second."""

    one: float
    threads: float
    ranks: float
    apart: float
    """Two trainings at once, each of its own network: what two processes lose without a word between them."""

    @property
    def thread_efficiency(self) -> float:
        return self.threads / (2 * self.one)

    @property
    def rank_efficiency(self) -> float:
        return self.ranks / (2 * self.one)

    @property
    def apart_efficiency(self) -> float:
        return self.apart / (2 * self.one)


def measure(data: Path, tick: Callable[[], None]) -> Rates:
    found = []
    for processes, flags in (
        (1, ("--threads", "1")),
        (1, ("--threads", "2")),
        (1, ("--threads", "1", "--ranks", "2")),
        (2, ("--threads", "1")),
    ):
        with tempfile.TemporaryDirectory() as folder:
            started = [start(data, Path(folder) / str(number), flags) for number in range(processes)]
            found.append(sum(rate(process, data) for process in started))
        tick()
    return Rates(*found)


def start(data: Path, folder: Path, flags: tuple[str, ...]) -> subprocess.Popen[str]:
    words = [sys.executable, str(ENTRY), *FLAGS, *flags, "--epochs", str(EPOCHS), "--model-dir", str(folder)]
    words += [word for name in ("train", "valid") for word in (f"--{name}", str(data / name))]
    plain = {name: value for name, value in os.environ.items() if not name.startswith("SM_")}
    return subprocess.Popen(words, env=plain, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def rate(process: subprocess.Popen[str], data: Path) -> float:
    """From the end of the first epoch to the end of the last: starting, decoding and warming up are not in it."""
    said, wrong = process.communicate()
    if process.returncode:
        raise RunError(wrong.strip() or f"exit status {process.returncode}")
    ends = [float(seconds) for seconds in re.findall(r"^epoch=.* seconds=(\S+)$", said, re.MULTILINE)]
    return len(list((data / "train").glob("*/*.jpg"))) * (EPOCHS - 1) / (ends[-1] - ends[0])
