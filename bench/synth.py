"""How long a stage's synthesis takes against a flat app of the same resources: `make bench-synth`.

The flat app is written from the stage's own templates, in L1 classes and nothing else, and its templates must equal
them. The two are then synthesized in turn, pair by pair, and the ratio of their times is what counts.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from bench import assembly, flat_app, pairs, phases, report
from bench.expressions import UntranslatableError
from bench.l1 import NoSuchL1Error
from bench.programs import ROOT, Program, ProgramError

BAR = 1.2
SLOWER, NO_COMPARISON = 1, 2
SHOWN_DIFFERENCES = 20


class UnequalError(Exception):
    """The flat app declares something else, so that comparing the two would say nothing."""


def main() -> int:
    options = _options()
    try:
        with tempfile.TemporaryDirectory(prefix="bench-synth-") as folder:
            result = _measure(options, Path(options.keep or folder))
    except (ProgramError, UnequalError, UntranslatableError, NoSuchL1Error) as error:
        sys.stderr.write(f"bench-synth: {error}\n")
        return NO_COMPARISON
    if options.json:
        sys.stdout.write(json.dumps(result.as_json(), indent=2) + "\n")
    else:
        report.show(result, Console(highlight=False))
    return 0 if result.ratio <= BAR else SLOWER


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench-synth", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--stage", default="dev", help="which stage file (default: dev)")
    parser.add_argument("--pairs", type=int, default=7, help="how many pairs count (default: 7)")
    parser.add_argument("--runs", type=int, default=5, help="how many runs the phases are the median of (default: 5)")
    parser.add_argument(
        "--without-validation",
        action="store_true",
        help="leave out CDK's check of the templates, the same work on both sides, so that only the rest is compared",
    )
    parser.add_argument("--keep", metavar="FOLDER", help="leave the flat app in this folder, to be read")
    parser.add_argument("--json", action="store_true", help="for programs")
    return parser.parse_args()


def _measure(options: argparse.Namespace, folder: Path) -> report.Result:
    validation = not options.without_validation
    ours = Program("whippet", ROOT, options.stage, validation)
    flat = Program("flat app", folder / "flat", options.stage, validation)
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("write the flat app", total=options.pairs + 1 + 2 * options.runs)

        def step() -> None:
            progress.advance(task)

        resources = make_equal(ours, flat, folder)
        progress.update(task, description="pairs")
        measured = pairs.measure(ours, flat, options.pairs, step)
        progress.update(task, description="phases")
        mine, its = phases.profiles([ours, flat], options.runs, step)
    return report.Result(
        stage=options.stage,
        validation=validation,
        resources=resources,
        bar=BAR,
        pairs=measured,
        ours=mine,
        flat=its,
    )


def make_equal(ours: Program, flat: Program, folder: Path) -> int:
    """Write the flat app and prove that it declares the same; answers how many resources that is."""
    flat.folder.mkdir(parents=True, exist_ok=True)
    ours.run(folder / "ours.out")
    wanted = assembly.read(folder / "ours.out")
    flat_app.write(wanted, flat.folder)
    flat.run(folder / "flat.out")
    found = assembly.differences(wanted, assembly.read(folder / "flat.out"))
    if found:
        more = f"\n  and {len(found) - SHOWN_DIFFERENCES} more" if len(found) > SHOWN_DIFFERENCES else ""
        listed = "\n  ".join(found[:SHOWN_DIFFERENCES])
        raise UnequalError(f"the flat app differs from stage {ours.stage}:\n  {listed}{more}")
    return sum(len(stack.resources) for stack in wanted)


if __name__ == "__main__":
    sys.exit(main())
