"""`ops train --ec2`: the same code and the same flags on the training box, told by Systems Manager."""

import argparse
import shlex
import time
from typing import Any

from rich.console import Console

from ops.console import answer
from ops.errors import OperatorError, WorkFailed
from ops.prices import Prices, dollars
from ops.stage import Stage
from ops.work import datasets
from ops.work.box import Box, Command
from ops.work.definition import Definition
from ops.work.figures import gathered
from ops.work.following import left_running
from ops.work.logs import LAST_LINES
from ops.work.prepared import Prepared
from ops.work.requests import new_name, training
from ops.work.screen import Screen
from ops.work.train import tuned_by
from ops.work.wishes import Wish, checked

Json = dict[str, Any]
# Script mode's own, which whippet-train does without.
SCRIPT_MODE = "sagemaker_"
# Systems Manager shows 24,000 characters of what a command said.
LAST_BYTES = 20_000


def run(arguments: argparse.Namespace) -> int:
    refuse(arguments)
    stage = Stage.open(arguments.stage, arguments.stages)
    box, data = Box.of(stage), datasets.chosen(stage, arguments.data)
    if not datasets.is_split(stage, data):
        raise OperatorError(
            f"Data set {data.name} does not say which pictures train and which test, and the box splits none: push it "
            "with folders train, valid and test, as `ops data push` makes them."
        )
    name = new_name(stage.names.own_jobs, "box")
    line, seconds = asked(stage, arguments, data.name)
    if arguments.dry_run:
        return answer(arguments, {"box": box.id, "command": line}, lambda console: console.print(line, markup=False))
    box.wake(Screen("").note)
    command = box.send(name, line, seconds)
    if arguments.detach:
        return answer(arguments, {"name": name, "status": command.status}, lambda console: console.print(name))
    command = follow(stage, box, command)
    return answer(arguments, outcome(command, stage.prices), lambda console: show(command, stage, console))


def refuse(arguments: argparse.Namespace) -> None:
    for word, value in (
        ("--instances", arguments.instances),
        ("--instance-type", arguments.instance_type),
        ("--spot", arguments.spot),
    ):
        if value is not None:
            raise OperatorError(
                f"{word} does not go with --ec2: there is one box, and workbench.box in the stage file says which."
            )


def asked(stage: Stage, arguments: argparse.Namespace, data: str) -> tuple[str, int]:
    """The line for the box's shell, and how long it may run."""
    wish = Wish.told(arguments)
    config, _ = checked(stage, wish)
    sagemaker = stage.client("sagemaker")
    definition = Definition.deployed(sagemaker, stage.output("training", "PipelineName"))
    tuned = tuned_by(sagemaker, arguments.tuned) if arguments.tuned else {}
    data_of_box = Prepared("s3://of-the-box", "the box")
    request = training(definition, "box", data_of_box, config=config, wish=wish, tuned=tuned)
    flags = {name: told for name, told in request["HyperParameters"].items() if not name.startswith(SCRIPT_MODE)}
    if "weights-sha256" in flags:
        raise OperatorError(
            "This stage begins from [training.weights], which the box's role may not read: train with SageMaker, or "
            "with --local --weights FILE."
        )
    program = stage.output("workbench", "BoxTrainCommand")
    words = [program, "--data", data, *(f"--{name}={told}" for name, told in sorted(flags.items()))]
    return told_last(shlex.join(words)), int(request["StoppingCondition"]["MaxRuntimeInSeconds"])


def told_last(line: str) -> str:
    """Systems Manager keeps the beginning of what a command says, and what counts is said last."""
    return f'log=$(mktemp); {line} >"$log" 2>&1; status=$?; tail -c {LAST_BYTES} "$log"; rm -f "$log"; exit $status'


def follow(stage: Stage, box: Box, command: Command) -> Command:
    """To its end, when Systems Manager tells what it said."""
    with left_running(stage, command.name), Screen(command.name) as screen:
        command = box.again(command)
        while not command.has_ended:
            screen.state(command.status)
            time.sleep(box.poll_seconds)
            command = box.again(command)
        for line in command.said.splitlines():
            screen.line(line)
        screen.state(command.status)
    if command.status != "Success":
        words = (command.complained or command.said).splitlines()[-LAST_LINES:]
        last = "\n".join(["The last it said:", *(f"  {line}" for line in words)]) if words else "It said nothing."
        raise WorkFailed(f"The command {command.name} on box {box.id} ended as {command.status}.\n{last}")
    return command


def outcome(command: Command, prices: Prices) -> Json:
    return {
        "name": command.name,
        "kind": "box",
        "status": command.status,
        "instance_type": command.instance_type,
        "instance_count": 1,
        "command_id": command.id,
        "metrics": metrics(command),
        "wall_seconds": round(command.wall_seconds, 1),
        "billed_seconds": round(command.wall_seconds, 1),
        "dollars": command.dollars(prices),
        "prices": prices.source,
    }


def metrics(command: Command) -> dict[str, float]:
    """What it printed last of each, without what belongs to an epoch."""
    return {name: value for name, value in gathered(command.said.splitlines()).last.items() if name != "epoch"}


def show(command: Command, stage: Stage, console: Console) -> None:
    found = metrics(command)
    names = (("test_accuracy", "test accuracy"), ("test_macro_f1", "macro-F1"))
    shown = [f"{label} {found[name]:.4f}" for name, label in names if name in found]
    console.print(f"{command.name}: {', '.join(shown) or 'it printed no metrics'}")
    price = dollars(command.dollars(stage.prices), 4)
    console.print(f"{command.wall_seconds:.0f} s on {command.instance_type}, {price} USD while it ran")
    console.print(stage.prices.source, markup=False)
    # The box says last where the model lies, and how the stage file names it.
    for line in command.said.splitlines()[-1:]:
        console.print(line, markup=False)
