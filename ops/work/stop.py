"""`ops stop NAME`: a job, a run or a command asked to end, and seen to its end."""

import argparse
import time
import uuid
from collections.abc import Callable

from ops.console import answer
from ops.errors import WorkFailed
from ops.stage import Stage
from ops.stopping import STOP_SECONDS
from ops.training_run import ENDED as RUN_ENDED
from ops.training_run import Run, Runs
from ops.work.attach import anything
from ops.work.box import ENDED as COMMAND_ENDED
from ops.work.box import Box, Command
from ops.work.jobs import ENDED as JOB_ENDED
from ops.work.jobs import Job, described
from ops.work.screen import Screen


def run(arguments: argparse.Namespace) -> int:
    stage = Stage.open(arguments.stage, arguments.stages)
    found = anything(stage, arguments.name)
    ask, state, ended = _ways(stage, found)
    before = state()
    if before not in ended:
        ask()
        with Screen(arguments.name) as screen:
            _see_to_its_end(stage, arguments.name, state, ended, screen)
    after = state()
    said = f"{arguments.name} had ended already: {after}." if before in ended else f"{arguments.name}: {after}."
    data = {"name": arguments.name, "status": after, "ran": before not in ended}
    return answer(arguments, data, lambda console: console.print(said))


Ways = tuple[Callable[[], object], Callable[[], str], tuple[str, ...]]


def _ways(stage: Stage, found: Job | Run | Command) -> Ways:
    """How it is asked to end, what state it is in, and which states are ends."""
    sagemaker = stage.client("sagemaker")
    if isinstance(found, Run):
        arn = found.arn
        return (
            lambda: sagemaker.stop_pipeline_execution(PipelineExecutionArn=arn, ClientRequestToken=uuid.uuid4().hex),
            lambda: Runs.of_stage(stage).status(arn)[0],
            RUN_ENDED,
        )
    if isinstance(found, Command):
        own, command = Box.of(stage), found
        return lambda: own.cancel(command), lambda: own.again(command).status, COMMAND_ENDED
    kind, name = found.kind, found.name
    return (
        lambda: getattr(sagemaker, f"stop_{kind.call}")(**{kind.name_key: name}),
        lambda: described(sagemaker, kind, name).status,
        JOB_ENDED,
    )


def _see_to_its_end(stage: Stage, name: str, state: Callable[[], str], ended: tuple[str, ...], screen: Screen) -> None:
    """A container has two minutes to end, and what it leaves is uploaded after that."""
    until = time.monotonic() + STOP_SECONDS
    while (now := state()) not in ended:
        screen.state(now)
        if time.monotonic() > until:
            raise WorkFailed(
                f"{name} does not stop within {STOP_SECONDS // 60} minutes: see its log, then stop it again."
            )
        time.sleep(stage.account.poll_seconds)
