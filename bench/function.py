"""What the predict function costs beside the course project's handler and a bare connection: `make bench-lambda`.

Four things in one run: how long the function takes to start and how much memory that takes, in turn with the course's
handler (boto3, two clients); what it adds to a warm call over a bare http.client round trip to the same stub; how large
its package is; how fast it refuses hostile requests, and that it connects nowhere for them.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from bench.programs import ROOT
from bench.report import machine

HERE = Path(__file__).parent
FUNCTION = ROOT / "lambda_src" / "predict"
URLS, BODIES = 10_000, 1_000
MISSED, NO_RESULT = 1, 2
ENVIRONMENT = {
    "ENDPOINT_NAME": "bench",
    "TOP_K": "5",
    "MAX_IMAGE_BYTES": "100000",
    "MAX_IMAGES": "8",
    "FETCH_TIMEOUT_SECONDS": "8",
    "INVOKE_TIMEOUT_SECONDS": "15",
    "AUTH": "none",
    "METRICS": "on",
    "MAX_UPLOAD_BYTES": "0",
    "UPLOAD_SECONDS": "300",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "AKIABENCH",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_SESSION_TOKEN": "token",
}


class BenchError(Exception):
    """Something did not run; the text holds what it said."""


@dataclass(frozen=True)
class Row:
    """One bar: what was found, in which unit, and what it may be at most (or must be at least)."""

    what: str
    found: float
    bar: float
    unit: str
    at_least: bool = False

    @property
    def met(self) -> bool:
        return self.found >= self.bar if self.at_least else self.found <= self.bar


def main() -> int:
    options = _options()
    try:
        with tempfile.TemporaryDirectory(prefix="bench-lambda-") as folder:
            rows, details = _measure(options, Path(folder))
    except BenchError as error:
        sys.stderr.write(f"bench-lambda: {error}\n")
        return NO_RESULT
    if options.json:
        found = {row.what: {"found": row.found, "bar": row.bar, "unit": row.unit, "met": row.met} for row in rows}
        sys.stdout.write(json.dumps({"machine": machine(), "rows": found, "details": details}, indent=2) + "\n")
    else:
        _show(rows, details, Console(highlight=False))
    return 0 if all(row.met for row in rows) else MISSED


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench-lambda", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pairs", type=int, default=15, help="how many pairs of starts count (default: 15)")
    parser.add_argument("--rounds", type=int, default=20, help="rounds of warm calls, each of both (default: 20)")
    parser.add_argument("--calls", type=int, default=25, help="warm calls in a round (default: 25)")
    parser.add_argument("--json", action="store_true", help="for programs")
    return parser.parse_args()


def _measure(options: argparse.Namespace, folder: Path) -> tuple[list[Row], dict[str, Any]]:
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("starts", total=options.pairs + 3)

        def step(what: str) -> None:
            progress.update(task, advance=1, description=what)

        package = _package(folder)
        starts = _starts(folder, options.pairs, step)
        step("warm calls")
        warm = _run(folder, "bench.warm_calls", str(options.rounds), str(options.calls))
        step("hostile requests")
        refused = _run(folder, "bench.refusals", str(URLS), str(BODIES))
    time_ratio = statistics.median(ours["ms"] / its["ms"] for ours, its in starts)
    memory_ratio = statistics.median(ours["kb"] / its["kb"] for ours, its in starts)
    rows = [
        Row("start, of the course handler's time", time_ratio, 0.6, ""),
        Row("start, of its memory", memory_ratio, 0.7, ""),
        Row("added to a warm call of 100 KB", warm["added_ms"], 0.4, "ms"),
        Row("package, zipped", package / 1000, 200, "KB"),
        Row("hostile URLs refused", refused["urls_per_second"], 500, "/s", at_least=True),
        Row("hostile bodies refused", refused["bodies_per_second"], 500, "/s", at_least=True),
        Row("of those answered otherwise, or fetched", refused["wrong"] + refused["connections"], 0, ""),
    ]
    return rows, {
        "starts": [{"whippet": ours, "course": its} for ours, its in starts],
        "warm": warm,
        "refused": refused,
    }


def _package(folder: Path) -> int:
    """The function as it is shipped, unpacked alone and without compiled files; its zipped size in bytes."""
    archive = folder / "function.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as package:
        for path in sorted(FUNCTION.iterdir()):
            if path.is_file() and path.suffix != ".pyc":
                package.write(path, f"predict/{path.name}")
    (folder / "task").mkdir()
    zipfile.ZipFile(archive).extractall(folder / "task")
    shutil.copy(HERE / "course_handler.py", folder / "task")
    return archive.stat().st_size


def _starts(folder: Path, pairs: int, step: Callable[[str], None]) -> list[tuple[dict[str, float], dict[str, float]]]:
    """Pairs of starts, each in a process of its own, the first of each turn about; one before them warms the disk."""
    found = []
    for number in range(pairs + 1):
        order = ["predict.handler", "course_handler"][:: 1 if number % 2 else -1]
        one = {name: _run(folder, "bench.start", name) for name in order}
        found.append((one["predict.handler"], one["course_handler"]))
        step("starts")
    return found[1:]


def _run(folder: Path, module: str, *arguments: str) -> dict[str, Any]:
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        # The task folder of a Lambda is read-only: what was not compiled before is compiled at every start.
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": os.pathsep.join((str(folder / "task"), str(ROOT))),
        **ENVIRONMENT,
    }
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BenchError(f"{module} {' '.join(arguments)} ended with {done.returncode}:\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _show(rows: list[Row], details: dict[str, Any], console: Console) -> None:
    console.print(machine())
    table = Table(title="The predict function")
    table.add_column("what", no_wrap=True)
    for column in ("found", "bar", ""):
        table.add_column(column, justify="right")
    for row in rows:
        sign = ">=" if row.at_least else "<="
        table.add_row(
            row.what, f"{row.found:.2f} {row.unit}", f"{sign} {row.bar:g} {row.unit}", "met" if row.met else "MISSED"
        )
    console.print(table)
    ours = [start["whippet"] for start in details["starts"]]
    its = [start["course"] for start in details["starts"]]
    console.print(
        f"Starts: {_median(ours, 'ms'):.0f} ms and {_median(ours, 'kb') / 1024:.1f} MB beside "
        f"{_median(its, 'ms'):.0f} ms and {_median(its, 'kb') / 1024:.1f} MB (medians of {len(ours)})."
    )
    warm = details["warm"]
    console.print(
        f"Warm calls: {warm['function_ms']:.2f} ms beside {warm['bare_ms']:.2f} ms bare (the fast tenth of each; "
        f"medians {warm['median_function_ms']:.2f} and {warm['median_bare_ms']:.2f}). To decode the base64 alone takes "
        f"{warm['base64_ms']:.2f} ms, with Python's binascii {warm['binascii_ms']:.2f} ms."
    )


def _median(starts: list[dict[str, float]], key: str) -> float:
    return statistics.median(start[key] for start in starts)


if __name__ == "__main__":
    sys.exit(main())
