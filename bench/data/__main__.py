"""How fast `ops data push` brings many small pictures into a bucket: `make bench-data`.

    python -m bench.data                          # 5,000 pictures, 20 ms a request, 3 rounds: about 10 minutes
    python -m bench.data --pictures 500 --rounds 1

Beside it, in the same run, a loop of `upload_file` and `aws s3 cp --recursive`, as it comes and with more at once. Then
how long `--help` of each command takes. Exit status 1 when a bar is missed, 2 when something could not be compared.
"""

import argparse
import datetime
import io
import json
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from bench.data import help as help_times
from bench.data.contenders import LOOP, OURS, BenchError, Contender, aws, loop, ours, visit
from bench.programs import ROOT
from bench.report import machine
from bench.serve.environments import environment

MISSED, NO_COMPARISON = 1, 2
LOOP_BAR, AWS_BAR, HELP_BAR_SECONDS = 8.0, 1.0, 0.3
TOOL = "bench-awscli"
AT_ONCE = (10, 40)
RESULTS = ROOT / "bench" / "results"
WIDTH = 120
CLASSES = 20


@dataclass(frozen=True)
class Result:
    seconds: dict[str, list[float]]
    """Contender -> each round's."""
    help_seconds: dict[str, float]
    options: dict[str, Any]

    def ratios(self, other: str) -> list[float]:
        return [its / mine for its, mine in zip(self.seconds[other], self.seconds[OURS], strict=True)]

    @property
    def bars(self) -> list[tuple[str, float, str, bool]]:
        """What, found, bar, met."""
        rows = []
        for other in self.seconds:
            if other != OURS:
                bar, found = LOOP_BAR if other == LOOP else AWS_BAR, statistics.median(self.ratios(other))
                rows.append((f"times as fast as {other}", found, f">= {bar:g}", found >= bar))
        slowest = max(self.help_seconds, key=lambda name: self.help_seconds[name])
        took = self.help_seconds[slowest]
        what = f"--help over a bare interpreter, seconds (slowest: {slowest})"
        return [*rows, (what, took, f"<= {HELP_BAR_SECONDS:g}", took <= HELP_BAR_SECONDS)]

    @property
    def met(self) -> bool:
        return all(met for *_, met in self.bars)


def main() -> int:
    options = _options()
    try:
        with tempfile.TemporaryDirectory(prefix="bench-data-") as folder:
            result = _measure(options, Path(folder))
    except (BenchError, OSError) as error:
        sys.stderr.write(f"bench-data: {error}\n")
        return NO_COMPARISON
    text = _shown(result)
    if not options.only_show:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "data.json").write_text(json.dumps(_as_json(result), indent=1) + "\n")
        (RESULTS / "data.txt").write_text(text)
    sys.stdout.write(json.dumps(_as_json(result), indent=1) + "\n" if options.json else text)
    return 0 if result.met else MISSED


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.data", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pictures", type=int, default=5000, help="(%(default)s)")
    parser.add_argument("--latency", type=float, default=0.02, help="of the bucket, seconds a request (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="each contender once (%(default)s)")
    parser.add_argument("--help-runs", type=int, default=7, help="pairs for each command's --help (%(default)s)")
    parser.add_argument("--only-show", action="store_true", help="leave bench/results as it is")
    parser.add_argument("--json", action="store_true", help="for programs")
    return parser.parse_args()


def _measure(options: argparse.Namespace, folder: Path) -> Result:
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("begin", total=None)

        def say(what: str) -> None:
            progress.update(task, description=what)
            if progress.disable:
                sys.stderr.write(f"bench-data: {what}\n")

        contenders = [ours(), loop(), *_aws_clients(say)]
        say(f"draw {options.pictures} pictures")
        _draw(folder / "set", options.pictures)
        seconds: dict[str, list[float]] = {contender.name: [] for contender in contenders}
        for number in range(options.rounds):
            for contender in contenders if number % 2 == 0 else contenders[::-1]:
                say(f"round {number + 1}: {contender.name}")
                seconds[contender.name].append(visit(contender, folder / "set", options.latency, folder))
        used = {name: getattr(options, name) for name in ("pictures", "latency", "rounds", "help_runs")}
        return Result(seconds, help_times.measure(options.help_runs, say), used)


def _aws_clients(say: Any) -> list[Contender]:  # noqa: ANN401
    made = environment(TOOL, say)
    if isinstance(made, str):
        raise BenchError(made)
    return [aws(made, at_once) for at_once in AT_ONCE]


def _draw(folder: Path, count: int) -> None:
    """Pictures of some 7 KB, no two alike."""
    draws = np.random.default_rng(1)
    for number in range(count):
        split = "test" if number % 10 == 0 else "valid" if number % 10 == 1 else "train"
        place = folder / split / f"{number // 10 % CLASSES:03d}.breed-{number // 10 % CLASSES}"
        place.mkdir(parents=True, exist_ok=True)
        noise = draws.integers(0, 255, (128, 128, 3), dtype=np.uint8)
        content = io.BytesIO()
        Image.fromarray(noise).save(content, "JPEG", quality=50)
        (place / f"{number:05d}.jpg").write_bytes(content.getvalue())


def _as_json(result: Result) -> dict[str, Any]:
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "options": result.options,
        "seconds": result.seconds,
        "ratios": {other: result.ratios(other) for other in result.seconds if other != OURS},
        "help_seconds": result.help_seconds,
        "bars": [{"what": what, "found": found, "bar": bar, "met": met} for what, found, bar, met in result.bars],
    }


def _shown(result: Result) -> str:
    console = Console(file=io.StringIO(), width=WIDTH, highlight=False)
    pictures, latency = result.options["pictures"], result.options["latency"]
    console.print(f"{machine()}; {pictures} pictures, {latency * 1000:g} ms a request")
    table = Table(title="Bars; medians of the rounds' ratios")
    for heading in ("what", "found", "bar", ""):
        table.add_column(heading, justify="left" if heading == "what" else "right")
    for what, found, bar, met in result.bars:
        table.add_row(what, f"{found:.2f}", bar, "met" if met else "MISSED")
    console.print(table)
    times = Table(title="Seconds from start to end")
    for heading in ("who", "median", "pictures a second", "rounds"):
        times.add_column(heading, justify="left" if heading == "who" else "right")
    for name, rounds in result.seconds.items():
        median = statistics.median(rounds)
        times.add_row(name, f"{median:.1f}", f"{pictures / median:.0f}", " ".join(f"{one:.1f}" for one in rounds))
    console.print(times)
    listed = ", ".join(f"{name} {1000 * took:.0f}" for name, took in result.help_seconds.items())
    console.print(f"--help over a bare interpreter, ms: {listed}")
    return str(console.file.getvalue())  # type: ignore[attr-defined]


if __name__ == "__main__":
    sys.exit(main())
