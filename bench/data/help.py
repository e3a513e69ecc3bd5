"""How long `--help` of each command takes over an interpreter that does nothing."""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable

from bench.programs import ROOT
from ops.__main__ import COMMANDS


def measure(runs: int, step: Callable[[str], None]) -> dict[str, float]:
    """Command -> seconds over the bare interpreter, the median of pairs."""
    found = {}
    for command in COMMANDS:
        step(f"{command} --help")
        words = [sys.executable, "-m", "ops", command, "--help"]
        pairs = [(_seconds(words), _seconds([sys.executable, "-c", "pass"])) for _ in range(runs + 1)]
        found[command] = statistics.median(ours - bare for ours, bare in pairs[1:])
    return found


def _seconds(words: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(words, cwd=ROOT, check=True, stdin=subprocess.DEVNULL, capture_output=True)
    return time.perf_counter() - began
