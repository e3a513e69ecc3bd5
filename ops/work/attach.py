"""`ops attach NAME`: whatever runs under this name, followed to its end from where it is. It starts nothing itself."""

import argparse

from ops.console import answer
from ops.errors import OperatorError
from ops.stage import Stage
from ops.training_run import Run
from ops.work import on_box, pipeline, train, tune
from ops.work.box import Box, Command
from ops.work.following import follow
from ops.work.jobs import TUNING, Job, find


def run(arguments: argparse.Namespace) -> int:
    stage = Stage.open(arguments.stage, arguments.stages)
    found = anything(stage, arguments.name)
    if isinstance(found, Job) and found.kind is TUNING:
        return tune.told(arguments, stage, tune.follow(stage, found.name), start=False, plot=arguments.plot)
    if arguments.plot is not None:
        raise OperatorError(f"--plot draws the trials of a tuning job, and {arguments.name} is none.")
    if isinstance(found, Run):
        return pipeline.follow(arguments, stage, found.arn)
    if isinstance(found, Command):
        return on_box.followed(arguments, stage, Box.of(stage), found)
    job = follow(stage, found.kind, found.name)
    return answer(arguments, train.outcome(job, stage.prices), lambda console: train.show(job, stage, console))


def anything(stage: Stage, name: str) -> Job | Run | Command:
    """A job, a run of the pipeline, or a command on the box."""
    found: Job | Run | Command | None = pipeline.find_run(stage, name) or find(stage, name)
    if found is None:
        box = Box.find(stage)
        found = box.command(name) if box else None
    if found is None:
        remedy = f"`python -m ops jobs --stage {stage.name}` lists what there is"
        raise OperatorError(f"Nothing of stage {stage.name} is called {name}: {remedy}.")
    return found
