"""What the bench found, as tables for a person or JSON for a program."""

import datetime
import os
import platform
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.pairs import Pair, median_ratio
from bench.phases import Profile

SERVICE = "import aws_cdk.aws_"
SMALL = 0.01


@dataclass(frozen=True)
class Result:
    stage: str
    validation: bool
    resources: int
    bar: float
    pairs: list[Pair]
    ours: Profile
    flat: Profile

    @property
    def ratio(self) -> float:
        return median_ratio(self.pairs)

    def as_json(self) -> dict[str, Any]:
        return {
            "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "machine": machine(),
            "stage": self.stage,
            "cdk_validation": self.validation,
            "resources": self.resources,
            "bar": self.bar,
            "ratio": self.ratio,
            "ratio_met": self.ratio <= self.bar,
            "pairs": [
                {
                    "whippet_s": pair.ours.wall,
                    "flat_s": pair.flat.wall,
                    "ratio": pair.ratio,
                    "cpu_ratio": pair.cpu_ratio,
                }
                for pair in self.pairs
            ],
            "phases_ms": {"whippet": self.ours.phases, "flat": self.flat.phases},
            "crossings": {"whippet": self.ours.crossings, "flat": self.flat.crossings},
        }


def machine() -> str:
    return f"{_cpu()}, {os.cpu_count()} logical CPUs, load {os.getloadavg()[0]:.1f}, Python {platform.python_version()}"


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def show(result: Result, console: Console) -> None:
    console.print(f"Stage {result.stage}: {result.resources} resources, the same in both. {machine()}")
    if not result.validation:
        console.print("Without CDK's check of the templates, on both sides.")
    console.print(_pairs(result))
    console.print(_phases(result))
    ratios = [pair.ratio for pair in result.pairs]
    verdict = "met" if result.ratio <= result.bar else "MISSED"
    console.print(
        f"Whippet takes {result.ratio:.2f} of the flat app's time (median of {len(ratios)} pairs, "
        f"{min(ratios):.2f} to {max(ratios):.2f}); at most {result.bar} is the bar: {verdict}"
    )


def _pairs(result: Result) -> Table:
    table = Table(title="Pair by pair")
    for column in ("pair", "Whippet s", "flat s", "ratio", "Whippet CPU s", "flat CPU s", "CPU ratio"):
        table.add_column(column, justify="right")
    rows = [(p.ours.wall, p.flat.wall, p.ratio, p.ours.cpu, p.flat.cpu, p.cpu_ratio) for p in result.pairs]
    for number, row in enumerate(rows, start=1):
        table.add_row(str(number), *(f"{value:.2f}" for value in row))
    table.add_section()
    table.add_row("median", *(f"{statistics.median(column):.2f}" for column in zip(*rows, strict=True)))
    return table


def _phases(result: Result) -> Table:
    ours, flat = result.ours, result.flat
    table = Table(title="Where it goes")
    table.add_column("phase", no_wrap=True)
    for column in ("Whippet ms", "share", "flat ms", "+/-"):
        table.add_column(column, justify="right")
    total, whole = sum(ours.phases.values()), sum(flat.phases.values())
    for name, (mine, its) in _rows(ours.phases, flat.phases).items():
        table.add_row(name, f"{mine:.0f}", f"{mine / total:.0%}", f"{its:.0f}", f"{mine - its:+.0f}")
    table.add_section()
    table.add_row("together", f"{total:.0f}", "100%", f"{whole:.0f}", f"{total - whole:+.0f}")
    table.add_row(
        "calls into Node", str(ours.crossings), "", str(flat.crossings), f"{ours.crossings - flat.crossings:+}"
    )
    return table


def _rows(ours: dict[str, float], flat: dict[str, float]) -> dict[str, tuple[float, float]]:
    """Phase -> milliseconds of both; the many service modules that cost little share a row (--json names each)."""
    rows, small = {}, []
    for name in list(ours) + [name for name in flat if name not in ours]:
        both = ours.get(name, 0.0), flat.get(name, 0.0)
        if name.startswith(SERVICE) and max(both) < SMALL * sum(ours.values()):
            small.append(both)
            rows["import other services"] = (sum(mine for mine, _ in small), sum(its for _, its in small))
        else:
            rows[name.replace(SERVICE, "import aws_")] = both
    return rows
