"""`ops jobs`: what runs and ran lately of a stage, the youngest first."""

import argparse
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from rich.console import Console
from rich.table import Table

from ops.console import answer
from ops.spans import short
from ops.stage import Stage
from ops.training_run import ENDED as RUN_ENDED
from ops.training_run import Run, Runs
from ops.work.box import Box, Command
from ops.work.jobs import Job, lately
from ops.work.tables import fits, plain
from ops.work.tables import show as show_table

REASON_SHOWN = 200
# With room for what a job runs on.
WIDE = 110


@dataclass(frozen=True)
class Listed:
    name: str
    kind: str
    state: str
    began: datetime
    seconds: float | None
    """None for a run that has ended: SageMaker's list does not tell when."""
    on: str
    reason: str

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def run(arguments: argparse.Namespace) -> int:
    stage = Stage.open(arguments.stage, arguments.stages)
    found = listed(stage, arguments.days, trials=arguments.trials)

    def show(console: Console) -> None:
        if not found:
            console.print(f"Nothing ran for stage {stage.name} within {arguments.days:g} days.")
            return
        show_table(console, table(found, datetime.now(UTC), wide=fits(console, WIDE)))
        for one in found:
            if one.reason:
                reason = one.reason if len(one.reason) <= REASON_SHOWN else f"{one.reason[:REASON_SHOWN]}..."
                console.print(f"{one.name}: {reason}", markup=False)

    return answer(arguments, [one.as_json() for one in found], show)


def listed(stage: Stage, days: float, *, trials: bool = False) -> list[Listed]:
    since = datetime.now(UTC) - timedelta(days=days)
    found = [_of_job(job) for job in lately(stage, days, trials=trials)]
    if stage.find("training") is not None:
        found += [_of_run(one) for one in Runs.of_stage(stage).all() if one.started >= since]
    box = Box.find(stage)
    if box is not None:
        found += [_of_command(one) for one in box.commands() if one.began >= since]
    return sorted(found, key=lambda one: one.began, reverse=True)


def _of_job(job: Job) -> Listed:
    instances = f"{job.instances[1]} x {job.instances[0]}" if job.instances else ""
    return Listed(job.name, job.kind.noun, job.state, job.began, job.wall_seconds, instances, job.reason)


def _of_run(run: Run) -> Listed:
    seconds = None if run.status in RUN_ENDED else (datetime.now(UTC) - run.started).total_seconds()
    return Listed(run.id, "run", run.status, run.started, seconds, run.name, run.reason)


def _of_command(command: Command) -> Listed:
    return Listed(
        command.name, "box", command.status, command.began, command.wall_seconds, f"1 x {command.instance_type}", ""
    )


def table(found: list[Listed], now: datetime, *, wide: bool) -> Table:
    """Where there is room, what each runs on stands beside it."""
    shown = plain(("name", "kind", "state"), ("ago", "took", *(["on"] if wide else [])))
    for one in found:
        took = "" if one.seconds is None else short(one.seconds)
        state = one.state if wide else one.state.split(":")[0]
        cells = [one.name, one.kind, state, short((now - one.began).total_seconds()), took]
        shown.add_row(*cells, *([one.on] if wide else []))
    return shown
