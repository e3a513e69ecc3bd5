"""How fast `serving/` answers beside what else would serve the same network: `make bench-serve`.

    python -m bench.serve                       # everything, about a quarter of an hour on two cores
    python -m bench.serve --only throughput-b   # one row of the table
    python -m bench.serve --rounds 1 --seconds 2

It measures and judges nothing: the exit status is 0 whether a goal is met or missed. docs/bench.md says how.
"""

import argparse
import importlib.metadata
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench.programs import ROOT
from bench.serve import fma, table
from bench.serve.environments import environment
from bench.serve.measure import LARGE, Pace, Visit, ceiling, visit
from bench.serve.models import models
from bench.serve.processes import ServerError, adopt_orphans
from bench.serve.rows import ROWS, Results, best, needs
from bench.serve.systems import (
    INT8,
    LITSERVE,
    LITSERVE_TOOL,
    NAMES,
    OURS,
    TORCHSERVE_TOOL,
    A,
    B,
    Machine,
    Tuning,
    UnavailableError,
    grid,
)

CACHE = ROOT / ".whippet" / "bench-serve"
RESULTS = ROOT / "bench" / "results"
WIDTH = 160
INTERRUPTED = 130
TOOLS = {A: TORCHSERVE_TOOL, B: TORCHSERVE_TOOL, LITSERVE: LITSERVE_TOOL}


class Teller:
    """Says what is being done: a bar on a terminal, a line each in a log."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self.progress = Progress(*columns, console=self.console, transient=True, disable=not sys.stderr.isatty())
        self._task = self.progress.add_task("begin", total=None)

    def expect(self, steps: int) -> None:
        self.progress.update(self._task, total=steps)

    def say(self, text: str) -> None:
        if self.progress.disable:
            self.console.print(f"bench-serve: {text}", soft_wrap=True)
        else:
            self.progress.update(self._task, description=text)

    def done(self, text: str) -> None:
        self.console.print(f"bench-serve: {text}", soft_wrap=True)
        self.progress.advance(self._task)


class Bench:
    """One run, from nothing to the results."""

    def __init__(self, options: argparse.Namespace, teller: Teller) -> None:
        self._options, self._teller = options, teller
        self._rows = tuple(row for row in ROWS if options.only in {None, row.key})
        self._cores = len(os.sched_getaffinity(0))
        self._needs = needs(self._rows)

    def run(self) -> tuple[Results, dict[str, Any]]:
        say = self._teller.say
        say(f"{len(self._rows)} rows, {', '.join(NAMES[system] for system in self._needs)}")
        self._machine = Machine({tool: environment(tool, say) for tool in self._tools()})
        self._models = models(CACHE, say)
        self._results = Results(flops=self._models.flops, cores=self._cores)
        self._leave_out_the_missing()
        ceilings = {
            "small": ceiling(self._models.small, 16, say),
            "large": ceiling(self._models.large, 4, say),
        }
        facts = table.facts_of(self._models, self._cores, ceilings, versions())
        tried = self._to_try()
        self._teller.expect(len(tried) + self._options.rounds * len(self._needs))
        self._try_all(tried)
        for number in range(self._options.rounds):
            self._round(number)
        return self._results, facts

    def _tools(self) -> list[str]:
        return sorted({TOOLS[system] for system in self._needs if system in TOOLS})

    def _leave_out_the_missing(self) -> None:
        for system in list(self._needs):
            try:
                self._machine.check(system)
            except UnavailableError as error:
                self._leave_out(system, str(error))

    def _leave_out(self, system: str, reason: str) -> None:
        self._results.missing[system] = reason
        self._needs.pop(system, None)
        self._teller.say(f"{NAMES[system]} takes no part: {reason}")

    def _to_try(self) -> list[tuple[Tuning, list[str]]]:
        """The grid; a tuning that scales JPEGs is only about large ones."""
        tunings = grid(self._cores, self._needs)
        wanted = [(t, [load for load in self._needs[t.system] if not t.draft or load == LARGE]) for t in tunings]
        return [(tuning, loads) for tuning, loads in wanted if loads]

    def _try_all(self, to_try: list[tuple[Tuning, list[str]]]) -> None:
        pace = Pace(self._options.seconds / 2, self._options.warm_up / 2)
        for tuning, loads in to_try:
            found = self._visit(tuning, loads, pace, "try")
            self._results.tried += [found] if found else []
        for system in list(self._needs):
            tried = [found for found in self._results.tried if found.tuning.system == system]
            if system not in {OURS, INT8} and not any(best(tried, load) for load in self._needs[system]):
                self._leave_out(system, "none of its tunings answered")

    def _round(self, number: int) -> None:
        """Everybody once, those who went first going last the next time."""
        self._results.peaks += self._peaks()
        visits: dict[tuple[str, str], Visit] = {}
        contenders = self._contenders()
        for tuning, loads in contenders if number % 2 == 0 else reversed(contenders):
            pace = Pace(self._options.seconds, self._options.warm_up)
            found = self._visit(tuning, loads, pace, f"round {number + 1}")
            if found:
                visits |= {(tuning.system, load): found for load in loads}
        self._results.rounds.append(visits)

    def _contenders(self) -> list[tuple[Tuning, list[str]]]:
        """Each system in its best tuning for each load; loads with the same one share a visit."""
        chosen: dict[Tuning, list[str]] = {}
        for system, loads in self._needs.items():
            tried = [found for found in self._results.tried if found.tuning.system == system]
            for load in loads:
                tuning = Tuning(system) if system in {OURS, INT8} else best(tried, load)
                if tuning is not None:
                    chosen.setdefault(tuning, []).append(load)
        return list(chosen.items())

    def _visit(self, tuning: Tuning, loads: list[str], pace: Pace, when: str) -> Visit | None:
        name = f"{when}: {NAMES[tuning.system]} ({tuning.name})"
        self._teller.say(name)
        try:
            found = visit(self._machine, tuning, self._models, loads, pace)
        except ServerError as error:
            self._teller.done(f"{name}: {error}")
            return None
        said = ", ".join(f"{load} {s.per_second:.1f}/s p50 {s.p50:.1f} ms" for load, s in found.samples.items())
        self._teller.done(f"{name}: {said}; start {found.start_seconds:.2f} s, {found.resident_mib:.0f} MiB")
        return found

    def _peaks(self) -> list[tuple[float, float]]:
        if OURS not in self._needs:
            return []
        try:
            return [(fma.peak_flops(1), fma.peak_flops(self._cores))]
        except fma.NoPeakError as error:
            self._teller.say(f"no FMA peak: {error}")
            return []


def versions() -> dict[str, str]:
    """Of what our server runs on; those of the others are pinned in their requirements."""
    names = ("onnxruntime", "numpy", "pillow", "uvicorn", "h11")
    return {name: importlib.metadata.version(name) for name in names}


def parse(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.serve", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=whole, default=3, help="how often everybody is measured (%(default)s)")
    parser.add_argument("--seconds", type=positive, default=6.0, help="of each measure; half in the grid (%(default)g)")
    parser.add_argument("--warm-up", type=positive, default=1.0, help="seconds before each (%(default)g)")
    parser.add_argument("--only", choices=[row.key for row in ROWS], metavar="ROW", help="one of %(choices)s")
    parser.add_argument(
        "--out", type=Path, help="folder for serve.json and serve.txt (bench/results; none with --only)"
    )
    return parser.parse_args(words)


def whole(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1 up")
    return int(text)


def positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 600:  # noqa: PLR2004 (ten minutes)
        raise argparse.ArgumentTypeError(f"{text} is not a number of seconds above 0, at most 600")
    return value


def publish(results: Results, facts: dict[str, Any], options: argparse.Namespace) -> None:
    rows = tuple(row for row in ROWS if options.only in {None, row.key})
    table.show(results, rows, facts, Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH))
    folder = options.out or (None if options.only else RESULTS)
    if folder is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "serve.json").write_text(
        json.dumps(table.finite(table.as_json(results, rows, facts)), indent=1, allow_nan=False) + "\n"
    )
    with (folder / "serve.txt").open("w") as file:
        table.show(results, rows, facts, Console(file=file, highlight=False, width=WIDTH))
    sys.stdout.write(f"Written to {folder / 'serve.json'} and serve.txt beside it.\n")


def terminated(*_: object) -> None:
    raise KeyboardInterrupt


def main(words: Sequence[str]) -> int:
    options = parse(words)
    signal.signal(signal.SIGTERM, terminated)
    adopt_orphans()
    teller = Teller()
    try:
        with teller.progress:
            results, facts = Bench(options, teller).run()
    except KeyboardInterrupt:
        sys.stderr.write("bench-serve: interrupted; its servers are gone and nothing was written\n")
        return INTERRUPTED
    publish(results, facts, options)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
