"""What a trial of a head costs with features that were computed once, and without.

    python -m bench.train.trials [--pictures 200] [--valid 80] [--trials 2] [--rounds 3] [--json]

Twice: trials of `python -m training.tune --stage head`, and training jobs in the embedded AWS, where features come as a
channel. The two kinds of trials take turns; a frozen ResNet50 at 224, random since nothing can be fetched here.
"""

import argparse
import csv
import json
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from bench.report import machine
from bench.train import embedded_trials, photographs
from bench.train.ranks import RunError
from local.home import LocalError

SIZE = (500, 375)
FLAGS = ("--stage", "head", "--architecture", "resnet50", "--epochs", "20")
SPACE = '[[training.tuning.space]]\nname = "learning_rate"\nrange = [0.0005, 0.02]\nscale = "logarithmic"\n'
NO_COMPARISON = 2


@dataclass(frozen=True)
class Found:
    features_seconds: float
    """Until they are there, once."""
    alone: list[float]
    """Seconds of each trial that computes them itself."""
    shared: list[float]

    @property
    def ratio(self) -> float:
        return statistics.median(self.alone) / statistics.median(self.shared)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.train.trials", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pictures", type=int, default=200, help="training pictures (%(default)s)")
    parser.add_argument("--valid", type=int, default=80, help="validation pictures (%(default)s)")
    parser.add_argument("--trials", type=int, default=2, help="of each kind in a round (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="(%(default)s)")
    parser.add_argument("--json", action="store_true", help="for programs")
    options = parser.parse_args()
    # So that whoever ends this ends the embedded AWS with it.
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    try:
        with tempfile.TemporaryDirectory(prefix="bench-trials-") as folder:
            found = measure(options, Path(folder))
    except (RunError, LocalError, OSError) as error:
        sys.stderr.write(f"bench.train.trials: {error}\n")
        return NO_COMPARISON
    if options.json:
        facts = {"machine": machine(), "torch": torch.__version__, "options": vars(options)}
        results = {name: {**asdict(one), "ratio": one.ratio} for name, one in found.items()}
        sys.stdout.write(json.dumps({**facts, **results}, indent=2) + "\n")
    else:
        show(found, Console(highlight=False))
    return 0


def measure(options: argparse.Namespace, folder: Path) -> dict[str, Found]:
    splits = {"train": options.pictures, "valid": options.valid}
    steps = sum(splits.values()) + 2 * (2 * options.rounds + 1)
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("draw photographs", total=steps)

        def tick() -> None:
            progress.advance(task)

        photographs.write(folder / "set", splits, SIZE, tick)
        progress.update(task, description="training.tune")
        here = on_this_machine(folder, options.trials, options.rounds, tick)
        progress.update(task, description="embedded AWS")
        there = embedded_trials.measure(folder, FLAGS, options.trials, options.rounds, tick)
        return {"training.tune": here, "embedded AWS": Found(*there)}


def on_this_machine(folder: Path, trials: int, rounds: int, tick: Callable[[], None]) -> Found:
    (folder / "stage.toml").write_text(SPACE)
    shared = ("--features", str(folder / "features"))
    began = time.monotonic()
    first = tuned(folder, folder / "first", 1, shared)
    features_seconds = time.monotonic() - began - first[0]
    tick()
    seconds: dict[bool, list[float]] = {True: [], False: []}
    for number in range(rounds):
        for is_shared in (number % 2 == 0, number % 2 == 1):
            out = folder / f"tuning-{number}-{is_shared}"
            seconds[is_shared] += tuned(folder, out, trials, shared if is_shared else ())
            tick()
    return Found(features_seconds, seconds[False], seconds[True])


def tuned(folder: Path, out: Path, trials: int, flags: tuple[str, ...]) -> list[float]:
    """The seconds of each trial of a search."""
    words = [sys.executable, "-m", "training.tune", "--stage-file", str(folder / "stage.toml"), "--out", str(out)]
    words += ["--trials", str(trials), *FLAGS, *flags]
    words += [word for split in ("train", "valid") for word in (f"--{split}", str(folder / "set" / split))]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise RunError(ended.stderr.strip() or f"exit status {ended.returncode}")
    with (out / "trials.csv").open() as file:
        return [float(row["seconds"]) for row in csv.DictReader(file)]


def show(found: dict[str, Found], console: Console) -> None:
    console.print(f"{machine()}, torch {torch.__version__}")
    table = Table(title="Seconds of a trial: median (least to most)")
    for column in ("", "features its own", "features given", "ratio", "computed once"):
        table.add_column(column, justify="right" if column else "left", no_wrap=True)
    for where, one in found.items():
        spans = (f"{statistics.median(s):.1f} ({min(s):.1f} to {max(s):.1f})" for s in (one.alone, one.shared))
        table.add_row(where, *spans, f"{one.ratio:.1f}", f"{one.features_seconds:.1f}")
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
