"""What a run shows: metric lines for SageMaker's metric definitions, a progress bar for a person at a terminal."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LINE_EVERY_SECONDS = 60.0


def metric_line(**values: float | int) -> None:
    """Print `name=value` pairs; a metric definition's pattern is `valid_accuracy=([0-9.eE+-]+)`."""
    words = [f"{name}={value:.6g}" for name, value in values.items()]
    sys.stdout.write(" ".join(words) + "\n")
    sys.stdout.flush()


@contextmanager
def progress(title: str, steps: int) -> Iterator[Callable[[], None]]:
    """Yield a function to call after each step; it draws on a terminal, and writes a line a minute into a log."""
    if not sys.stderr.isatty():
        yield _lines(title, steps)
        return
    from rich.console import Console  # noqa: PLC0415 (training images need not carry it: nobody watches there)
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=steps)
        yield lambda: bar.advance(task)


def _lines(title: str, steps: int) -> Callable[[], None]:
    done, told_at = 0, time.monotonic()

    def tick() -> None:
        nonlocal done, told_at
        done += 1
        if time.monotonic() - told_at >= LINE_EVERY_SECONDS:
            told_at = time.monotonic()
            sys.stdout.write(f"{title}: {done} of {steps}\n")
            sys.stdout.flush()

    return tick
