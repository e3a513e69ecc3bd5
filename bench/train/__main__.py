"""How fast training is: a head on cached features, the loader, threads and ranks. `make bench-train`.

Everything is compared with something in the same run, pair by pair, and only ratios are judged; about 8 minutes on two
cores. Exit status 1 when a bar is missed, 2 when something could not be compared.
"""

import argparse
import datetime
import json
import statistics
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from bench.report import machine
from bench.train import head, loading, photographs, ranks
from training.errors import TrainingError

MISSED, NO_COMPARISON = 1, 2
BARS = {"head": 8.0, "cold 500x375": 1.2, "cold 4000x3000": 3.5, "warm 500x375": 5.0, "warm 4000x3000": 5.0}
SIZES = {"500x375": (500, 375), "4000x3000": (4000, 3000)}


@dataclass(frozen=True)
class Options:
    pictures: int
    valid: int
    epochs: int
    head_pairs: int
    small: int
    large: int
    pairs: int
    json: bool


@dataclass(frozen=True)
class Result:
    head: list[head.Pair]
    loading: dict[str, list[loading.Pair]]
    ranks: ranks.Rates

    @property
    def ratios(self) -> dict[str, list[float]]:
        """What is judged, pair by pair."""
        found = {"head": [pair.ratio for pair in self.head]}
        for size, pairs in self.loading.items():
            found[f"cold {size}"] = [pair.pil / pair.cold for pair in pairs]
            found[f"warm {size}"] = [pair.pil / pair.warm for pair in pairs]
        return found

    @property
    def medians(self) -> dict[str, float]:
        return {name: statistics.median(ratios) for name, ratios in self.ratios.items()}

    @property
    def met(self) -> bool:
        return all(self.medians[name] >= bar for name, bar in BARS.items())


def main() -> int:
    options = _options()
    try:
        with tempfile.TemporaryDirectory(prefix="bench-train-") as folder:
            result = _measure(options, Path(folder))
    except (TrainingError, ranks.RunError, OSError) as error:
        sys.stderr.write(f"bench-train: {error}\n")
        return NO_COMPARISON
    if options.json:
        sys.stdout.write(json.dumps(_as_json(result, options), indent=2) + "\n")
    else:
        _show(result, options, Console(highlight=False))
    return 0 if result.met else MISSED


def _options() -> Options:
    parser = argparse.ArgumentParser(prog="python -m bench.train", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pictures", type=int, default=200, help="training pictures of the head (%(default)s)")
    parser.add_argument("--valid", type=int, default=80, help="validation pictures of the head (%(default)s)")
    parser.add_argument("--epochs", type=int, default=10, help="of the course's loop (%(default)s)")
    parser.add_argument("--head-pairs", type=int, default=2, help="pairs of the head (%(default)s)")
    parser.add_argument("--small", type=int, default=600, help="pictures of 500x375 that are loaded (%(default)s)")
    parser.add_argument("--large", type=int, default=32, help="pictures of 4000x3000 that are loaded (%(default)s)")
    parser.add_argument("--pairs", type=int, default=5, help="pairs of the loaders (%(default)s)")
    parser.add_argument("--json", action="store_true", help="for programs")
    return Options(**vars(parser.parse_args()))


def _measure(options: Options, folder: Path) -> Result:
    counts = {"500x375": options.small, "4000x3000": options.large}
    splits = {"train": options.pictures, "valid": options.valid}
    drawn = sum(splits.values()) + sum(counts.values())
    steps = drawn + options.head_pairs * (options.epochs + 1) + 2 * (options.pairs + 1) + 4
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("draw photographs", total=steps)

        def tick() -> None:
            progress.advance(task)

        photographs.write(folder / "set", splits, SIZES["500x375"], tick)
        for size, count in counts.items():
            photographs.write(folder / size, {"train": count}, SIZES[size], tick)
        progress.update(task, description="load")
        loaded = {
            size: loading.measure(folder / size / "train", folder / "cache", options.pairs, tick) for size in counts
        }
        progress.update(task, description="train heads")
        heads = [head.measure(folder / "set", options.epochs, tick) for _ in range(options.head_pairs)]
        progress.update(task, description="ranks and threads")
        return Result(heads, loaded, ranks.measure(folder / "set", tick))


def _as_json(result: Result, options: Options) -> dict[str, Any]:
    rates = result.ranks
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "torch": {"version": torch.__version__, "threads": torch.get_num_threads()},
        "options": asdict(options),
        "ratios": result.ratios,
        "medians": result.medians,
        "bars": BARS,
        "met": result.met,
        "head": [asdict(pair) for pair in result.head],
        "loading_seconds": {size: [asdict(pair) for pair in pairs] for size, pairs in result.loading.items()},
        "pictures_a_second": asdict(rates),
        "efficiency": {
            "1 rank x 2 threads": rates.thread_efficiency,
            "2 ranks x 1 thread": rates.rank_efficiency,
            "2 apart": rates.apart_efficiency,
        },
    }


def _show(result: Result, options: Options, console: Console) -> None:
    console.print(f"{machine()}, torch {torch.__version__} with {torch.get_num_threads()} threads")
    console.print(_bars(result))
    console.print(
        f"head: ResNet50 at {head.SIZE}, frozen at random weights (nothing can be fetched here), "
        f"{options.pictures} + {options.valid} pictures of 500x375"
    )
    for pair in result.head:
        console.print(
            f"  course's loop: {pair.course_accuracy:.3f} after {pair.course_epochs} epochs, "
            f"{pair.course_seconds:.1f} s; cached features: {pair.accuracy:.3f} after {pair.seconds:.1f} s, "
            f"{pair.features_seconds:.1f} s of it until the features are there"
        )
    console.print(_ranks(result.ranks))


def _bars(result: Result) -> Table:
    table = Table(title="Times as fast")
    for column in ("what", "median", "least", "most", "bar", ""):
        table.add_column(column, justify="left" if column == "what" else "right")
    against = {"head": "head training, course's loop", "cold": "loading, PIL + DataLoader", "warm": "from the cache"}
    for name, ratios in result.ratios.items():
        median = result.medians[name]
        said = against[name.split()[0]] + name.removeprefix(name.split()[0])
        numbers = (f"{value:.2f}" for value in (median, min(ratios), max(ratios), BARS[name]))
        table.add_row(said, *numbers, "met" if median >= BARS[name] else "MISSED")
    return table


def _ranks(rates: ranks.Rates) -> Table:
    table = Table(title="Fine-tuning ResNet18 at 128, batch 64")
    for column in ("ranks x threads", "pictures/s", "efficiency"):
        table.add_column(column, justify="right")
    table.add_row("1 x 1", f"{rates.one:.1f}", "")
    table.add_row("1 x 2", f"{rates.threads:.1f}", f"{rates.thread_efficiency:.0%}")
    table.add_row("2 x 1", f"{rates.ranks:.1f}", f"{rates.rank_efficiency:.0%}")
    table.add_row("two apart", f"{rates.apart:.1f}", f"{rates.apart_efficiency:.0%}")
    talk = rates.apart_efficiency - rates.rank_efficiency
    table.caption = (
        f"Of what two ranks lose, sharing the machine costs {1 - rates.apart_efficiency:.0%} "
        f"and exchanging gradients {talk:.0%} of the ideal."
    )
    return table


if __name__ == "__main__":
    sys.exit(main())
