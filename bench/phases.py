"""Where a synthesis spends its time: runs of a program under `bench.probe`, with what CDK counts inside Node."""

import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.probe import CONSTRUCTING, OWN, SYNTH
from bench.programs import ROOT, Program, fresh_folder

COUNTERS = Path(__file__).with_name("node_counters.js")
WRITES = ("fs.copyFileSync", "fs.cpSync", "fs.mkdirSync", "fs.writeFileSync")
ORDER = [
    "Python starts",
    "import jsii",
    "start Node",
    "load CDK into Node",
    "import aws_cdk",
    "import aws_cdk.",
    "import config",
    OWN,
    "read the stage file",
    CONSTRUCTING,
    "hash assets",
    SYNTH,
    "write files",
    "validate: start the engine",
    "validate: templates",
    "end",
]


@dataclass(frozen=True)
class Profile:
    phases: dict[str, float]
    """Phase -> milliseconds, median of the runs."""
    crossings: int
    """Calls from Python into Node."""


def profiles(programs: list[Program], runs: int, progress: Callable[[], None]) -> list[Profile]:
    """Of each program; they take turns, so that a busy moment of the machine falls on all."""
    seen: list[list[tuple[dict[str, float], int]]] = [[] for _ in programs]
    for _ in range(runs):
        for program, found in zip(programs, seen, strict=True):
            found.append(_once(program))
            progress()
    return [_median(found) for found in seen]


def _median(seen: list[tuple[dict[str, float], int]]) -> Profile:
    names = sorted({name for phases, _ in seen for name in phases}, key=_place)
    medians = {name: statistics.median(phases.get(name, 0.0) * 1000 for phases, _ in seen) for name in names}
    return Profile(medians, seen[-1][1])


def _once(program: Program) -> tuple[dict[str, float], int]:
    with fresh_folder() as out:
        python, node = out / "python.json", out / "node.json"
        started = time.monotonic()
        program.run(
            out / "cdk.out",
            python=("-m", "bench.probe"),
            more={
                "BENCH_STARTED": str(started),
                "BENCH_PHASES": str(python),
                "BENCH_NODE_COUNTERS": str(node),
                "NODE_OPTIONS": f'--require "{COUNTERS}"',
                "PYTHONPATH": str(ROOT),
            },
        )
        ended = time.monotonic()
        report, counters = json.loads(python.read_text()), json.loads(node.read_text())
    phases = {**report["seconds"], "end": ended - report["ended"]}
    _take_out_of(phases, counters)
    return phases, sum(report["crossings"].values())


def _take_out_of(phases: dict[str, float], counters: dict[str, Any]) -> None:
    """Give what Node counted its own phases, out of those during which it happened."""

    def total(*names: str) -> float:
        return sum(counters[name]["total"] for name in names if name in counters) / 1000

    hashing = total(*(name for name in counters if name.startswith("FileSystem.")))
    writing = total(*WRITES)
    validating, templates = total("validateTemplates"), total("CloudFormationValidate.validate")
    phases[CONSTRUCTING] -= hashing
    phases[SYNTH] -= writing + validating
    phases |= {
        "hash assets": hashing,
        "write files": writing,
        "validate: start the engine": validating - templates,
        "validate: templates": templates,
    }


def _place(name: str) -> tuple[int, str]:
    return max(index for index, prefix in enumerate(ORDER) if name.startswith(prefix)), name
