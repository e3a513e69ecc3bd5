"""`ops compare`: trainings side by side, in a table, as JSON and as a page with their learning curves."""

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from rich.console import Console
from rich.table import Table

from ops.console import answer
from ops.errors import NotReached, OperatorError
from ops.prices import UNPRICED, dollars
from ops.printable import tell
from ops.stage import Stage
from ops.work import on_box
from ops.work.box import Box, Command
from ops.work.figures import gathered
from ops.work.held_out import HeldOut, held_out
from ops.work.jobs import TRAINING, TUNING, Job, described, find, lately, trials_of
from ops.work.logs import JobLog
from ops.work.report import page
from ops.work.tables import plain
from ops.work.tables import show as show_table
from ops.work.trials import best_of, trials_in
from ops.written import write

FOOTNOTE = (
    "billed: seconds times instances, of all trials for a tuning; a box is billed for as long as it is on, of which "
    "this is the part that trained; what scored a model on the test pictures beside its training is billed beside the "
    "row. "
)


@dataclass(frozen=True)
class Row:
    name: str
    kind: str
    instances: str
    valid_accuracy: float | None
    test_accuracy: float | None
    test_macro_f1: float | None
    wall_seconds: float
    billed_seconds: float | None
    dollars: float | None
    """None: unpriced."""
    epochs: list[dict[str, float]]
    held_out: HeldOut | None = None
    """Where its training did not tell what it does on the test pictures."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def run(arguments: argparse.Namespace) -> int:
    stage = Stage.open(arguments.stage, arguments.stages)
    returning = " ".join(["python -m ops compare", *arguments.names])
    rows, passed_over = rows_of(stage, arguments, returning)
    for remark in passed_over:
        tell(remark)
    if not rows:
        raise OperatorError(
            f"Stage {stage.name} has no training that ended well within {arguments.days:g} days: `python -m ops train "
            f"--stage {stage.name}` makes one."
        )
    footnote, report = FOOTNOTE + stage.prices.source, arguments.report
    place = write(report, page(rows, stage=stage.name, footnote=footnote)) if report else None
    data = {
        "rows": [row.as_json() for row in rows],
        "passed_over": passed_over,
        "report": str(place) if place else None,
        "footnote": footnote,
    }

    def show(console: Console) -> None:
        show_table(console, table(rows))
        for row in rows:
            console.print(f"{row.kind}: {row.name} on {row.instances}", markup=False)
            if row.held_out:
                console.print(f"  on the test pictures: {row.held_out.how()}", markup=False)
        console.print(footnote, markup=False)
        console.print(f"The report: {place}" if place else "--report FILE draws their learning curves.")

    return answer(arguments, data, show)


def rows_of(stage: Stage, arguments: argparse.Namespace, returning: str) -> tuple[list[Row], list[str]]:
    """Those that are named, or the last of each kind that ended well and can be compared; and what was passed over."""
    if arguments.names:
        named = [_named(stage, name) for name in arguments.names]
        return [row_of(stage, one, start=arguments.score, returning=returning) for one in named], []
    rows, passed_over = [], []
    for candidates in chosen(stage, arguments.days):
        for one in candidates:
            try:
                rows.append(row_of(stage, one, start=arguments.score, returning=returning))
            except NotReached:
                raise
            except OperatorError as why:
                passed_over.append(f"{one.name} is passed over. {why}")
            else:
                break
    return rows, passed_over


def chosen(stage: Stage, days: float) -> list[list[Job | Command]]:
    """What ended well, of each kind the youngest first."""
    found: dict[str, list[Job | Command]] = {}
    for job in lately(stage, days, (TRAINING, TUNING)):
        if job.status == "Completed":
            found.setdefault(kind_of(job), []).append(job)
    box = Box.find(stage)
    commands = box.commands() if box else []
    own = (one for one in commands if one.name.startswith(stage.names.own_jobs))
    done = next((one for one in own if one.status == "Success"), None)
    if done is not None:
        found["box"] = [done]
    order = ("one instance", "several instances", "box", "tuning")
    return [found[kind] for kind in order if kind in found]


def _named(stage: Stage, name: str) -> Job | Command:
    job = find(stage, name)
    if job is not None and job.kind in (TRAINING, TUNING):
        return job
    box = Box.find(stage) if job is None else None
    command = box.command(name) if box else None
    if command is None:
        raise OperatorError(
            f"{name} is no training or tuning job of stage {stage.name}, and no command of its box: `python -m ops "
            f"jobs --stage {stage.name}` lists them."
        )
    return command


def kind_of(job: Job) -> str:
    if job.kind is TUNING:
        return "tuning"
    return "one instance" if job.instances and job.instances[1] == 1 else "several instances"


def row_of(stage: Stage, found: Job | Command, *, start: bool | None = False, returning: str = "") -> Row:
    """`start`, `returning`: of what scores a model whose training has not, as `held_out` takes them."""
    if isinstance(found, Command):
        return _of_command(stage, found)
    job = _best(stage, found) if found.kind is TUNING else found
    row = _of_training(stage, job)
    if row.test_accuracy is None or row.test_macro_f1 is None:
        scores = held_out(stage, job, start=start, returning=returning)
        told = (row.test_accuracy, row.test_macro_f1)
        accuracy, macro_f1 = told if scores.accuracy is None else (scores.accuracy, scores.macro_f1)
        row = replace(row, test_accuracy=accuracy, test_macro_f1=macro_f1, held_out=scores)
    return _of_tuning(stage, found, row) if found.kind is TUNING else row


def _of_training(stage: Stage, job: Job) -> Row:
    kind, count = job.instances or ("", 0)
    metrics = job.metrics
    spot = ", spot" if job.document.get("EnableManagedSpotTraining") else ""
    return Row(
        name=job.name,
        kind=kind_of(job),
        instances=f"{count} x {kind}{spot}",
        valid_accuracy=metrics.get("best_valid_accuracy"),
        test_accuracy=metrics.get("test_accuracy"),
        test_macro_f1=metrics.get("test_macro_f1"),
        wall_seconds=round(job.wall_seconds, 1),
        billed_seconds=job.billed_seconds,
        dollars=job.dollars(stage.prices),
        epochs=gathered(JobLog(stage.client("logs"), TRAINING.log, job.name).new(lead_only=True)).epochs,
    )


def _best(stage: Stage, tuning: Job) -> Job:
    sagemaker = stage.client("sagemaker")
    best = best_of(trials_in(trials_of(sagemaker, tuning.name)))
    if best is None:
        raise OperatorError(f"The tuning job {tuning.name} has no trial with a value: there is nothing to compare.")
    return described(sagemaker, TRAINING, best.name)


def _of_tuning(stage: Stage, tuning: Job, best: Row) -> Row:
    """Its best trial's accuracy and curve, for the money of all its trials."""
    sagemaker = stage.client("sagemaker")
    listed = trials_of(sagemaker, tuning.name)
    trials = [described(sagemaker, TRAINING, one["TrainingJobName"]) for one in listed]
    billed = [one.billed_seconds for one in trials if one.billed_seconds is not None]
    prices = [one.dollars(stage.prices) for one in trials if one.billed_seconds is not None]
    return replace(
        best,
        name=tuning.name,
        kind=f"tuning's best of {len(listed)}",
        wall_seconds=round(tuning.wall_seconds, 1),
        billed_seconds=sum(billed),
        dollars=None if not prices or None in prices else sum(price for price in prices if price is not None),
    )


def _of_command(stage: Stage, command: Command) -> Row:
    figures = on_box.figures_of(Box.of(stage), command)
    return Row(
        name=command.name,
        kind="box",
        instances=f"1 x {command.instance_type}",
        valid_accuracy=figures.last.get("best_valid_accuracy"),
        test_accuracy=figures.last.get("test_accuracy"),
        test_macro_f1=figures.last.get("test_macro_f1"),
        wall_seconds=round(command.wall_seconds, 1),
        billed_seconds=round(command.wall_seconds, 1),
        dollars=command.dollars(stage.prices),
        epochs=figures.epochs,
    )


HEADINGS = ("valid", "test", "macro-F1", "wall s", "billed s", "USD")


def cells(row: Row) -> list[str]:
    """What stands below HEADINGS; "-" is what a training does not have."""
    shares = [row.valid_accuracy, row.test_accuracy, row.test_macro_f1]
    return [
        *("-" if value is None else f"{value:.4f}" for value in shares),
        f"{row.wall_seconds:.0f}",
        "-" if row.billed_seconds is None else f"{row.billed_seconds:.0f}",
        UNPRICED if row.dollars is None else dollars(row.dollars, 4),
    ]


def table(rows: Sequence[Row]) -> Table:
    found = plain(("training",), HEADINGS)
    for row in rows:
        found.add_row(row.kind, *cells(row))
    return found
