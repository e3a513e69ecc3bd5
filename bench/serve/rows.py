"""The table: each row a figure that is worked out from the visits, beside the goal that was set for it."""

import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass, field

from bench.serve.measure import LARGE, MANY, ONE, OVERLOAD, Sample, Visit, quantile
from bench.serve.systems import INT8, LITSERVE, OURS, A, B, Tuning

AT_LEAST, AT_MOST, BELOW = ">=", "<=", "<"
HOLDS: dict[str, Callable[[float, float], bool]] = {
    AT_LEAST: lambda value, goal: value >= goal,
    AT_MOST: lambda value, goal: value <= goal,
    BELOW: lambda value, goal: value < goal,
}
DECODE, ENGINE = "decode", "infer"


@dataclass
class Results:
    """All that was measured."""

    flops: float
    """Of one picture."""
    cores: int
    tried: list[Visit] = field(default_factory=list)
    """The grid: every tuning once."""
    rounds: list[dict[tuple[str, str], Visit]] = field(default_factory=list)
    """(system, load) -> the visit to that system's best tuning for that load."""
    peaks: list[tuple[float, float]] = field(default_factory=list)
    """Of each round: the most that one core, and all cores together, can do."""
    missing: dict[str, str] = field(default_factory=dict)
    """System -> why it did not take part."""

    def samples(self, system: str, load: str) -> list[Sample]:
        return [visits[system, load].samples[load] for visits in self.rounds if (system, load) in visits]

    def visits(self, system: str, load: str) -> list[Visit]:
        return [visits[system, load] for visits in self.rounds if (system, load) in visits]


def best(visits: list[Visit], load: str) -> Tuning | None:
    """The tuning that did best under a load: the shortest median for one client, else the most requests a second."""
    found = [visit for visit in visits if load in visit.samples and not visit.tuning.draft]
    if not found:
        return None
    if load == ONE:
        return min(found, key=lambda visit: _or(visit.samples[load].p50, math.inf)).tuning
    return max(found, key=lambda visit: visit.samples[load].per_second).tuning


def _or(value: float, instead: float) -> float:
    return instead if math.isnan(value) else value


def ratios(pairs: list[tuple[float, float]]) -> list[float]:
    """Round by round, so that what the machine did meanwhile was done to both."""
    return [mine / its for mine, its in pairs if its and not (math.isnan(mine) or math.isnan(its))]


Figure = Callable[[Results], list[float]]


@dataclass(frozen=True)
class Row:
    key: str
    title: str
    sign: str
    goal: float
    figure: Figure
    """A value of each round."""
    needs: tuple[tuple[str, str], ...]
    """The systems and loads that it is worked out from."""
    unit: str = "x"

    def values(self, results: Results) -> list[float]:
        return self.figure(results)

    def value(self, results: Results) -> float | None:
        found = self.values(results)
        return statistics.median(found) if found else None

    def met(self, results: Results) -> bool | None:
        value = self.value(results)
        return None if value is None else HOLDS[self.sign](value, self.goal)

    def why_not(self, results: Results) -> str:
        """Why there is no value."""
        missing = [results.missing[system] for system, _ in self.needs if system in results.missing]
        return missing[0] if missing else "nothing was measured for it"


def _against(ours: str, theirs: str, load: str, what: Callable[[Visit], float]) -> Figure:
    """The ratio of a figure of two systems under a load."""

    def figure(results: Results) -> list[float]:
        both = [
            (found[ours, load], found[theirs, load])
            for found in results.rounds
            if found.keys() >= {(ours, load), (theirs, load)}
        ]
        return ratios([(what(mine), what(its)) for mine, its in both])

    return figure


def _throughput(system: str, load: str, ours: str = OURS) -> Figure:
    return _against(ours, system, load, lambda visit: visit.samples[load].per_second)


def _latency(system: str) -> Figure:
    return _against(OURS, system, ONE, lambda visit: visit.samples[ONE].p50)


def _spread(results: Results) -> list[float]:
    return [sample.p95 / sample.p50 for sample in results.samples(OURS, MANY) if sample.answered]


def _engine(results: Results) -> list[float]:
    """Of what all cores can do, the share that the engine does while it has one picture and every core."""
    found = [
        (visits[OURS, ONE].samples[ONE].ms, peak)
        for visits, (_, peak) in zip(results.rounds, results.peaks, strict=False)
        if (OURS, ONE) in visits
    ]
    return [results.flops / (ms[ENGINE] / 1000) / peak for ms, peak in found if ms.get(ENGINE)]


def _outside(results: Results) -> list[float]:
    found = [sample.ms for sample in results.samples(OURS, ONE) if {"total", DECODE, ENGINE} <= sample.ms.keys()]
    return [1 - (ms[DECODE] + ms[ENGINE]) / ms["total"] for ms in found]


def _ping(results: Results) -> list[float]:
    """A ping that failed counts as one that took for ever."""
    found = []
    for visit in results.visits(OURS, OVERLOAD):
        if visit.pings is not None and visit.pings.sent:
            failed = visit.pings.sent - len(visit.pings.answered)
            found.append(quantile([*visit.pings.answered, *[math.inf] * failed], 0.99))
    return found


def _answered(results: Results) -> list[float]:
    return [sample.accepted_and_answered for sample in results.samples(OURS, OVERLOAD)]


def _goodput(results: Results) -> list[float]:
    visits = [visit.samples for visit in results.visits(OURS, OVERLOAD)]
    return ratios([(found[OVERLOAD].per_cpu_second, found[MANY].per_cpu_second) for found in visits])


def _pair(system: str, load: str) -> tuple[tuple[str, str], ...]:
    return ((OURS, load), (system, load))


ROWS = (
    Row("throughput-a", "requests/s at 16 clients, vs A", AT_LEAST, 2.0, _throughput(A, MANY), _pair(A, MANY)),
    Row("latency-a", "p50 at 1 client, vs A", AT_MOST, 0.60, _latency(A), _pair(A, ONE)),
    Row("throughput-b", "requests/s at 16 clients, vs B", AT_LEAST, 1.1, _throughput(B, MANY), _pair(B, MANY)),
    Row("latency-b", "p50 at 1 client, vs B", AT_MOST, 0.88, _latency(B), _pair(B, ONE)),
    Row("spread", "p95/p50 at 16 clients", AT_MOST, 1.15, _spread, ((OURS, MANY),)),
    Row("large-a", "12-megapixel photos/s at 4 clients, vs A", AT_LEAST, 3.0, _throughput(A, LARGE), _pair(A, LARGE)),
    Row("large-b", "12-megapixel photos/s at 4 clients, vs B", AT_LEAST, 1.25, _throughput(B, LARGE), _pair(B, LARGE)),
    Row(
        "start",
        "start to first answer, vs A",
        AT_MOST,
        0.2,
        _against(OURS, A, MANY, lambda v: v.start_seconds),
        _pair(A, MANY),
    ),
    Row(
        "memory",
        "resident memory, vs A",
        AT_MOST,
        0.4,
        _against(OURS, A, MANY, lambda v: v.resident_mib),
        _pair(A, MANY),
    ),
    Row(
        "int8",
        "int8: requests/s at 16 clients, vs A",
        AT_LEAST,
        5.0,
        _throughput(A, MANY, INT8),
        ((INT8, MANY), (A, MANY)),
    ),
    Row("engine", "engine against the FMA peak of all cores", AT_LEAST, 0.80, _engine, ((OURS, ONE),), "%"),
    Row("outside", "share of a request outside decode and engine", AT_MOST, 0.05, _outside, ((OURS, ONE),), "%"),
    Row("ping", "/ping p99 at 10x overload", BELOW, 100, _ping, ((OURS, MANY), (OURS, OVERLOAD)), "ms"),
    Row("answered", "accepted requests answered at 10x", AT_LEAST, 1, _answered, ((OURS, MANY), (OURS, OVERLOAD)), "%"),
    Row(
        "goodput",
        "goodput per server CPU-second at 10x, vs its peak",
        AT_LEAST,
        0.9,
        _goodput,
        ((OURS, MANY), (OURS, OVERLOAD)),
        "%",
    ),
)


def needs(rows: tuple[Row, ...]) -> dict[str, list[str]]:
    """System -> loads, each in the order in which they are measured."""
    wanted = {pair for row in rows for pair in row.needs}
    if rows == ROWS:  # beside what has goals: where LitServe stands
        wanted |= {(LITSERVE, load) for load in (ONE, MANY, LARGE)}
    order = (ONE, MANY, LARGE, OVERLOAD)
    systems = (OURS, INT8, A, B, LITSERVE)
    found = {system: [load for load in order if (system, load) in wanted] for system in systems}
    return {system: loads for system, loads in found.items() if loads}
