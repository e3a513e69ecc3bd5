"""`ops pipeline run|status|graph`: a run followed, its steps with states, times and reasons, a picture."""

import argparse
from pathlib import Path
from typing import Any

from rich.console import Console

from ops.console import answer
from ops.errors import OperatorError
from ops.stage import Stage
from ops.training_run import ENDED, Run, Runs, Step, refuse_failure
from ops.work import datasets
from ops.work.definition import Definition
from ops.work.following import left_running
from ops.work.graph import graph
from ops.work.jobs import KINDS, TUNING, trials_of
from ops.work.logs import JobLog, last_words
from ops.work.screen import Screen
from ops.work.tables import plain
from ops.work.tables import show as show_table
from ops.work.trials import trials_in
from ops.written import write

Json = dict[str, Any]


def run(arguments: argparse.Namespace) -> int:
    parts = {"run": start, "status": status, "graph": picture}
    return parts[arguments.part](arguments, Stage.open(arguments.stage, arguments.stages))


def start(arguments: argparse.Namespace, stage: Stage) -> int:
    data = datasets.chosen(stage, arguments.data)
    arn = Runs.of_stage(stage).start(data.name, data.prefix)
    identity = arn.rsplit("/", 1)[-1]
    if arguments.detach:
        return answer(arguments, {"run": identity, "status": "Executing"}, lambda console: console.print(identity))
    return follow(arguments, stage, arn)


def follow(arguments: argparse.Namespace, stage: Stage, arn: str) -> int:
    """To its end, whatever that is; the answer is its steps."""
    runs, identity = Runs.of_stage(stage), arn.rsplit("/", 1)[-1]
    seen: dict[str, str] = {}
    with left_running(stage, identity), Screen(f"run {identity}") as screen:
        for look in runs.watched(arn):
            for step in look.steps:
                if seen.get(step.name) != step.status and step.status in (*ENDED, "Executing"):
                    seen[step.name] = step.status
                    screen.note(f"  {step.name:<10} {step.status:<10} {line(step)}".rstrip())
            doing = [step.name for step in look.steps if step.status not in ENDED]
            screen.state(f"{look.status}: {', '.join(doing)}" if doing else look.status)
    refuse_failure(arn, look, words_of(stage, look.failed))
    return told(arguments, stage, found_run(stage, identity))


def words_of(stage: Stage, failed: Step | None) -> str:
    """The last ones of the job of the step that failed; of a tuning, of the first trial that did."""
    if failed is None or failed.job is None:
        return ""
    kind, job = next(kind for kind in KINDS if kind.metadata == failed.kind), failed.job
    if kind is TUNING:
        trials = trials_in(trials_of(stage.client("sagemaker"), job))
        found = next((one.name for one in trials if one.status == "Failed"), None)
        if found is None:
            return ""
        job = found
    return last_words(JobLog(stage.client("logs"), kind.log, job), job)


def line(step: Step) -> str:
    """What there is to say of a step beside its state."""
    said = [f"{step.seconds:.0f} s"] if step.status in ENDED else []
    if step.package:
        said.append(f"version {step.package.rsplit('/', 1)[-1]} of the model")
    if step.outcome:
        said.append(f"the condition is {step.outcome}")
    return "  ".join([*said, step.reason]).rstrip()


def find_run(stage: Stage, name: str) -> Run | None:
    if stage.find("training") is None:
        return None
    return Runs.of_stage(stage).find(name)


def found_run(stage: Stage, name: str | None) -> Run:
    """The one that is named, or the youngest."""
    found = find_run(stage, name) if name is not None else Runs.of_stage(stage).youngest()
    if found is None:
        said = f"no run {name}" if name else "no run yet"
        raise OperatorError(f"The pipeline of stage {stage.name} has {said}: `python -m ops pipeline run` makes one.")
    return found


def status(arguments: argparse.Namespace, stage: Stage) -> int:
    return told(arguments, stage, found_run(stage, arguments.run_id))


def told(arguments: argparse.Namespace, stage: Stage, found: Run) -> int:
    runs = Runs.of_stage(stage)
    state, reason = runs.status(found.arn)
    begun = {step.name: step for step in runs.every_step(found.arn)}
    names = [step["Name"] for step in Definition.of_run(stage.client("sagemaker"), found.arn).steps]
    data: Json = {
        "run": found.id,
        "name": found.name,
        "dataset": runs.dataset(found.arn),
        "status": state,
        "reason": reason,
        "started": found.started,
        "steps": [as_json(name, begun.get(name)) for name in names],
    }

    def show(console: Console) -> None:
        console.print(f"run {found.id} on {data['dataset']}, begun {found.started:%Y-%m-%d %H:%M:%S %Z}: {state}")
        table = plain(("step", "state", "took", "job, or what came of it"))
        for name in names:
            step = begun.get(name)
            took = f"{step.seconds:.0f} s" if step else ""
            table.add_row(name, state_of(step), took, remark(step) if step else "")
        show_table(console, table)
        for step in begun.values():
            if step.reason:
                console.print(f"{step.name}: {step.reason}", markup=False)
        if reason and not any(step.reason for step in begun.values()):
            console.print(reason, markup=False)

    return answer(arguments, data, show)


def remark(step: Step) -> str:
    if step.package:
        return f"version {step.package.rsplit('/', 1)[-1]} of the model"
    if step.outcome:
        return f"the condition is {step.outcome}"
    return step.job or ""


def state_of(step: Step | None) -> str:
    return step.status if step else "not begun"


def as_json(name: str, step: Step | None) -> Json:
    if step is None:
        return {"name": name, "status": None}
    return {
        "name": name,
        "status": step.status,
        "started": step.started,
        "seconds": round(step.seconds, 1),
        "reason": step.reason,
        "job": step.job,
        "package": step.package,
        "outcome": step.outcome,
    }


def picture(arguments: argparse.Namespace, stage: Stage) -> int:
    """Of a run; of the pipeline as deployed where it has none."""
    sagemaker, pipeline = stage.client("sagemaker"), stage.output("training", "PipelineName")
    if arguments.run_id is None and Runs.of_stage(stage).youngest() is None:
        drawn = graph(Definition.deployed(sagemaker, pipeline), {}, title=pipeline)
    else:
        found = found_run(stage, arguments.run_id)
        steps = {step.name: step for step in Runs.of_stage(stage).every_step(found.arn)}
        title = f"{pipeline}, run {found.id}: {Runs.of_stage(stage).status(found.arn)[0]}"
        drawn = graph(Definition.of_run(sagemaker, found.arn), steps, title=title)
    place = write(arguments.out or Path(f"{pipeline}.svg"), drawn)
    return answer(arguments, {"picture": str(place)}, lambda console: console.print(str(place)))
