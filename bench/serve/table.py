"""What was found, for people and for programs."""

import datetime
import math
import statistics
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.report import machine
from bench.serve.measure import LARGE, MANY, ONE, OVERLOAD, Sample, Visit
from bench.serve.models import Models
from bench.serve.rows import DECODE, ENGINE, Results, Row
from bench.serve.systems import LITSERVE, NAMES, OURS, A, B

LOAD_TITLES = {ONE: "1 client", MANY: "16 clients", LARGE: "4 clients, 12 megapixels", OVERLOAD: "10x overload"}
VERDICTS = {True: "met", False: "MISSED", None: "not measured"}


def shown(value: float | None, unit: str) -> str:
    if value is None or math.isnan(value):
        return "-"
    return {"%": f"{value:.1%}", "ms": f"{value:.1f} ms"}.get(unit, f"{value:.2f}x")


def goal(row: Row) -> str:
    text = {"%": f"{row.goal:.0%}", "ms": f"{row.goal:g} ms"}.get(row.unit, f"{row.goal:g}x")
    return f"{row.sign} {text}"


def show(results: Results, rows: tuple[Row, ...], facts: dict[str, Any], console: Console) -> None:
    console.print(facts["machine"])
    console.print(
        f"The client shares the machine's {results.cores} usable CPUs with the server; alone it asks up to "
        f"{facts['client_ceiling']['small']:.0f} small and {facts['client_ceiling']['large']:.0f} large pictures "
        "a second."
    )
    for system, reason in results.missing.items():
        console.print(f"{NAMES[system]}: took no part. {reason}")
    console.print(goals_table(results, rows))
    console.print(systems_table(results))
    if results.tried:
        console.print(grid_table(results))
    for line in parts(results):
        console.print(line)


def goals_table(results: Results, rows: tuple[Row, ...]) -> Table:
    table = Table(title=f"Goals; medians of {len(results.rounds)} rounds")
    table.add_column("what")
    for column in ("goal", "measured", "rounds", "verdict"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in rows:
        values = row.values(results)
        each = " ".join(shown(value, row.unit).removesuffix(" ms") for value in values)
        table.add_row(row.title, goal(row), shown(row.value(results), row.unit), each, VERDICTS[row.met(results)])
    return table


def systems_table(results: Results) -> Table:
    """Absolute figures: medians over the rounds."""
    table = Table(title="Each server at its best tuning for each load")
    table.add_column("server")
    for column in ("load", "requests/s", "p50 ms", "p95 ms", "CPU ms a request", "client CPU", "start s", "MiB"):
        table.add_column(column, justify="right")
    for system, load in dict.fromkeys(key for visits in results.rounds for key in visits):
        visits = results.visits(system, load)
        samples = [visit.samples[load] for visit in visits]
        table.add_row(
            f"{NAMES[system]} ({visits[-1].tuning.name})",
            LOAD_TITLES[load],
            *_figures(samples),
            f"{statistics.median(s.client_cpu_seconds / s.seconds for s in samples):.0%}",
            f"{statistics.median(visit.start_seconds for visit in visits):.2f}",
            f"{statistics.median(visit.resident_mib for visit in visits):.0f}",
        )
    return table


def _figures(samples: list[Sample]) -> list[str]:
    return [
        f"{statistics.median(sample.per_second for sample in samples):.1f}",
        f"{statistics.median(sample.p50 for sample in samples):.1f}",
        f"{statistics.median(sample.p95 for sample in samples):.1f}",
        f"{statistics.median(_cpu_ms(sample) for sample in samples):.1f}",
    ]


def _cpu_ms(sample: Sample) -> float:
    """Processor time of the server for each answer."""
    return 1000 * sample.server_cpu_seconds / len(sample.answered) if sample.answered else math.nan


def grid_table(results: Results) -> Table:
    """Every tuning that was tried, and not only those that won."""
    table = Table(title="Tunings tried, once each (processes x threads)")
    table.add_column("server")
    table.add_column("tuning")
    for load in (ONE, MANY, LARGE):
        table.add_column(f"{LOAD_TITLES[load]}: requests/s (p50 ms)", justify="right")
    table.add_column("start s", justify="right")
    table.add_column("MiB", justify="right")
    for visit in results.tried:
        cells = [_cell(visit.samples.get(load)) for load in (ONE, MANY, LARGE)]
        start, memory = f"{visit.start_seconds:.2f}", f"{visit.resident_mib:.0f}"
        table.add_row(NAMES[visit.tuning.system], visit.tuning.name, *cells, start, memory)
    return table


def _cell(sample: Sample | None) -> str:
    return "-" if sample is None else f"{sample.per_second:.1f} ({sample.p50:.1f})"


def parts(results: Results) -> list[str]:
    """What is engine, what is decoding, what is server."""
    lines = []
    ms = [sample.ms for sample in results.samples(OURS, ONE) if ENGINE in sample.ms]
    if ms:
        engine, decode, total = (statistics.median(found[step] for found in ms) for step in (ENGINE, DECODE, "total"))
        seen = statistics.median(sample.p50 for sample in results.samples(OURS, ONE))
        lines.append(
            f"One client, ours, by its own log: engine {engine:.2f} ms, decode {decode:.2f} ms, "
            f"whole request {total:.2f} ms; the client sees {seen:.2f} ms."
        )
    for title, ours, theirs, load in (
        ("Engine alone, by changing nothing else (B against A)", B, A, MANY),
        ("Server alone, same engine and weights (ours against B)", OURS, B, MANY),
    ):
        pairs = [(f[ours, load], f[theirs, load]) for f in results.rounds if f.keys() >= {(ours, load), (theirs, load)}]
        if pairs:
            ratio = statistics.median(_ratio(mine, its, load) for mine, its in pairs)
            lines.append(f"{title}: {ratio:.2f}x the requests/s at {LOAD_TITLES[load]}.")
    drafts = {visit.tuning.system: visit for visit in results.tried if visit.tuning.draft and LARGE in visit.samples}
    for system, visit in drafts.items():
        mine = [sample.per_second for sample in results.samples(OURS, LARGE)]
        if mine and visit.samples[LARGE].per_second:
            ratio = statistics.median(mine) / visit.samples[LARGE].per_second
            lines.append(
                f"12 megapixels against {system} if its handler let the JPEG decoder scale as ours does: {ratio:.2f}x "
                "(grid figure, no goal)."
            )
    if results.peaks:
        one, every = (statistics.median(values) for values in zip(*results.peaks, strict=True))
        lines.append(f"FMA peak: {one / 1e9:.0f} GFLOP/s on one core, {every / 1e9:.0f} on all.")
    litserve = results.samples(LITSERVE, MANY)
    if litserve:
        lines.append(
            f"LitServe at its best: {statistics.median(s.per_second for s in litserve):.1f} requests/s at 16 clients."
        )
    return lines


def _ratio(mine: Visit, its: Visit, load: str) -> float:
    theirs = its.samples[load].per_second
    return mine.samples[load].per_second / theirs if theirs else math.nan


def as_json(results: Results, rows: tuple[Row, ...], facts: dict[str, Any]) -> dict[str, Any]:
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        **facts,
        "flops_of_one_picture": results.flops,
        "fma_peak_flops": [{"one_core": one, "all_cores": every} for one, every in results.peaks],
        "goals": [
            {
                "row": row.key,
                "what": row.title,
                "goal": goal(row),
                "value": row.value(results),
                "rounds": row.values(results),
                "met": row.met(results),
                **({} if row.value(results) is not None else {"reason": row.why_not(results)}),
            }
            for row in rows
        ],
        "took_no_part": results.missing,
        "tried": [visit.as_json() for visit in results.tried],
        "rounds": [[visit.as_json() for visit in unique(visits)] for visits in results.rounds],
    }


def finite(value: Any) -> Any:  # noqa: ANN401 (any JSON value)
    """JSON knows neither infinity nor what is no number: null."""
    if isinstance(value, dict):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def unique(visits: dict[tuple[str, str], Visit]) -> list[Visit]:
    """A visit that stands for several loads once."""
    return list({id(visit): visit for visit in visits.values()}.values())


def facts_of(models: Models, cores: int, ceilings: dict[str, float], versions: dict[str, str]) -> dict[str, Any]:
    return {
        "machine": machine(),
        "usable_cpus": cores,
        "client_ceiling": ceilings,
        "versions": versions,
        "pictures": {
            "small_bytes": [len(picture.jpeg) for picture in models.small],
            "large_bytes": [len(picture.jpeg) for picture in models.large],
        },
        "int8_gate": {
            "samples": models.scored,
            "fp32_accuracy": models.fp32_accuracy,
            "int8_accuracy": models.int8_accuracy,
        },
    }
