"""`ops tune`: the deployed pipeline's own search, its trials as they end, and all of them in one plot."""

import argparse
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from ops.console import answer
from ops.errors import WorkFailed
from ops.stage import Stage
from ops.work import datasets
from ops.work.coordinates import parallel_coordinates
from ops.work.definition import Definition
from ops.work.following import left_running
from ops.work.held_out import HeldOut, held_out
from ops.work.jobs import TRAINING, TUNING, Job, described, trials_of
from ops.work.logs import JobLog, last_words
from ops.work.preparing import ready
from ops.work.requests import LONGEST_TUNING_NAME, new_name, tuning, validated
from ops.work.screen import Screen
from ops.work.tables import plain
from ops.work.tables import show as show_table
from ops.work.trials import Trial, best_of, trials_in
from ops.work.wishes import Wish, checked
from ops.written import write

Json = dict[str, Any]


def run(arguments: argparse.Namespace) -> int:
    stage = Stage.open(arguments.stage, arguments.stages)
    name, request = asked(stage, arguments)
    if arguments.dry_run:
        return answer(arguments, request, lambda console: console.print_json(data=request, default=str))
    stage.client("sagemaker").create_hyper_parameter_tuning_job(**request)
    if arguments.detach:
        return answer(arguments, {"name": name, "status": "InProgress"}, lambda console: console.print(name))
    plot = arguments.plot or Path(f"{name}.svg")
    return told(arguments, stage, follow(stage, name), start=arguments.score, plot=plot)


def asked(stage: Stage, arguments: argparse.Namespace) -> tuple[str, Json]:
    wish, screen = Wish.told(arguments), Screen("")
    config, warnings = checked(stage, wish, tuning=True)
    for warning in warnings:
        screen.note(f"Warning: {warning}")
    sagemaker = stage.client("sagemaker")
    definition = Definition.deployed(sagemaker, stage.output("training", "PipelineName"))
    data = datasets.chosen(stage, arguments.data)
    prepared = ready(stage, definition, data, wish, screen.note, is_rehearsal=arguments.dry_run)
    name = new_name(stage.names.own_jobs, "tune", LONGEST_TUNING_NAME)
    request = tuning(definition, name, prepared, config, wish)
    return name, validated(sagemaker, "CreateHyperParameterTuningJob", request)


def follow(stage: Stage, name: str) -> Job:
    """To its end: a table that updates where somebody watches, a line a trial where nobody does."""
    sagemaker = stage.client("sagemaker")
    job = described(sagemaker, TUNING, name)
    objective, limits = objective_of(job), job.document["HyperParameterTuningJobConfig"]["ResourceLimits"]
    screen, told_of = Screen(name), set[str]()
    with left_running(stage, name), ExitStack() as stack:
        live = Live(console=screen.console, transient=True, auto_refresh=False) if screen.is_watched else None
        if live is not None:
            stack.enter_context(live)
        else:
            screen.note(f"{name}: {limits['MaxNumberOfTrainingJobs']} trials for the best {objective}")
        while True:
            job = described(sagemaker, TUNING, name)
            trials = trials_in(trials_of(sagemaker, name))
            if live is not None:
                live.update(table(trials, objective, f"{name}  {job.state}"), refresh=True)
            for trial in (one for one in trials if one.has_ended and one.name not in told_of):
                told_of.add(trial.name)
                if live is None:
                    screen.note(f"  {line(trial, objective)}")
            if job.has_ended:
                break
            time.sleep(stage.account.poll_seconds)
    if job.status != "Completed":
        raise WorkFailed(why(stage, job, trials))
    return job


def why(stage: Stage, job: Job, trials: list[Trial]) -> str:
    """What went wrong, with the last words of the first trial that failed."""
    if job.status == "Stopped":
        return f"The tuning job {job.name} was stopped; {len(trials)} trials had begun."
    failed = next((one for one in trials if one.status == "Failed"), None)
    said = f"The tuning job {job.name} failed: {job.reason or 'AWS gives no reason'}"
    if failed is None:
        return said
    return f"{said}\n{last_words(JobLog(stage.client('logs'), TRAINING.log, failed.name), failed.name)}"


def told(arguments: argparse.Namespace, stage: Stage, job: Job, *, start: bool | None, plot: Path | None) -> int:
    """The answer about a tuning job that has ended: its trials, and what the best one does on the test pictures.

    `start`: as `held_out` takes it. None is drawn where there is no `plot`.
    """
    objective = objective_of(job)
    trials = trials_in(trials_of(stage.client("sagemaker"), job.name))
    place = write(plot, parallel_coordinates(trials, objective, title=job.name)) if plot else None
    best = best_of(trials)
    scores = HeldOut()
    if best is not None:
        trial = described(stage.client("sagemaker"), TRAINING, best.name)
        scores = held_out(stage, trial, start=start, returning=f"python -m ops compare {job.name}")
    found = {
        "name": job.name,
        "kind": job.kind.noun,
        "status": job.status,
        "objective": objective,
        "best": {**best.as_json(), "held_out": scores.as_json()} if best else None,
        "trials": [one.as_json() for one in trials],
        "wall_seconds": round(job.wall_seconds, 1),
        "plot": str(place) if place else None,
    }

    def show(console: Console) -> None:
        show_table(console, table(trials, objective, job.name))
        if best is not None:
            console.print(f"The best is {best.name}: `python -m ops train --tuned {job.name} --stage {stage.name}`")
            console.print(f"On the test pictures: {scores.told()}", markup=False)
        if place is not None:
            console.print(f"All trials as a plot: {place}")

    return answer(arguments, found, show)


def objective_of(job: Job) -> str:
    config = job.document["HyperParameterTuningJobConfig"]
    return str(config["HyperParameterTuningJobObjective"]["MetricName"])


def table(trials: list[Trial], objective: str, title: str) -> Table:
    """The best is marked by a star, which a log shows too."""
    best = best_of(trials)
    names = sorted({name for trial in trials for name in trial.tuned})
    found = plain(("", "trial", "state"), (*names, objective, "took"), title=title)
    for number, trial in enumerate(trials, 1):
        value = "" if trial.value is None else f"{trial.value:.4f}"
        found.add_row(
            "*" if trial is best else "",
            str(number),
            trial.status,
            *(shortened(trial.tuned.get(name, "")) for name in names),
            value,
            f"{trial.seconds:.0f} s",
            style="bold green" if trial is best else None,
        )
    return found


def line(trial: Trial, objective: str) -> str:
    value = f"{objective} {trial.value:.4f}" if trial.value is not None else trial.reason or "no value"
    tuned = ", ".join(f"{name} {shortened(told)}" for name, told in sorted(trial.tuned.items()))
    return f"{trial.name}  {trial.status}  {value}  ({tuned})  {trial.seconds:.0f} s"


def shortened(told: str) -> str:
    """Three figures are enough to tell trials apart."""
    try:
        return f"{float(told):.3g}"
    except ValueError:
        return told
