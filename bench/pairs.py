"""Whippet against the flat app, pair by pair: whatever else the machine does, it does to both."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass

from bench.programs import Program, Seconds, fresh_folder


@dataclass(frozen=True)
class Pair:
    ours: Seconds
    flat: Seconds

    @property
    def ratio(self) -> float:
        return self.ours.wall / self.flat.wall

    @property
    def cpu_ratio(self) -> float:
        return self.ours.cpu / self.flat.cpu


def measure(ours: Program, flat: Program, count: int, progress: Callable[[], None]) -> list[Pair]:
    """Pairs one after another, the first of each turn about; a pair before them warms the caches and is not counted."""
    pairs = []
    for number in range(count + 1):
        one, other = (ours, flat) if number % 2 else (flat, ours)
        seconds = {program.name: _once(program) for program in (one, other)}
        pairs.append(Pair(seconds[ours.name], seconds[flat.name]))
        progress()
    return pairs[1:]


def median_ratio(pairs: list[Pair]) -> float:
    return statistics.median(pair.ratio for pair in pairs)


def _once(program: Program) -> Seconds:
    with fresh_folder() as out:
        return program.run(out)
