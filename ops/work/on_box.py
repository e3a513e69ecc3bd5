"""`ops train --ec2`: the same code and the same flags on the training box, told by Systems Manager."""

import argparse
import re
import shlex
import time
from typing import Any

from rich.console import Console

from ops.console import answer
from ops.errors import OperatorError, WorkFailed
from ops.prices import dollars
from ops.stage import Stage
from ops.work import datasets
from ops.work.box import Box, Command
from ops.work.datasets import DataSet
from ops.work.definition import Definition
from ops.work.figures import Figures, gathered
from ops.work.following import left_running
from ops.work.logs import LAST_LINES
from ops.work.prepared import Prepared, prepared
from ops.work.requests import new_name, training
from ops.work.screen import Screen
from ops.work.train import refuse_local, told_of_tuning, tuned_by
from ops.work.wishes import Wish, checked

Json = dict[str, Any]
# Script mode's own, which whippet-train does without.
SCRIPT_MODE = "sagemaker_"
# As the box says it last.
MODEL = re.compile(r'artifact = "(models/[^"]+)"')


def run(arguments: argparse.Namespace) -> int:
    refuse_local(arguments)
    refuse(arguments)
    stage = Stage.open(arguments.stage, arguments.stages)
    box, data = Box.of(stage), datasets.chosen(stage, arguments.data)
    name = new_name(stage.names.own_jobs, "box")
    line, seconds = asked(stage, arguments, data)
    if arguments.dry_run:
        return answer(arguments, {"box": box.id, "command": line}, lambda console: console.print(line, markup=False))
    box.wake(Screen("").note)
    command = box.send(name, line, seconds)
    if arguments.detach:
        return answer(arguments, {"name": name, "status": command.status}, lambda console: console.print(name))
    return followed(arguments, stage, box, command)


def followed(arguments: argparse.Namespace, stage: Stage, box: Box, command: Command) -> int:
    command, lines = follow(stage, box, command)
    data = outcome(stage, command, lines)
    return answer(arguments, data, lambda console: show(data, console))


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


def asked(stage: Stage, arguments: argparse.Namespace, data: DataSet) -> tuple[str, int]:
    """The line for the box's shell, and how long it may run."""
    wish = Wish.told(arguments)
    config, _ = checked(stage, wish)
    sagemaker = stage.client("sagemaker")
    definition = Definition.deployed(sagemaker, stage.output("training", "PipelineName"))
    tuning = arguments.tuned or _tuning_of(stage, data)
    tuned = tuned_by(sagemaker, tuning) if tuning else {}
    told_of_tuning(Screen(""), tuning, tuned)
    data_of_box = Prepared("s3://of-the-box", "the box")
    request = training(definition, "box", data_of_box, config=config, wish=wish, tuned=tuned)
    flags = {name: told for name, told in request["HyperParameters"].items() if not name.startswith(SCRIPT_MODE)}
    program = stage.output("workbench", "BoxTrainCommand")
    words = [program, "--data", data.name, *_weights(request)]
    words += [f"--{name}={told}" for name, told in sorted(flags.items())]
    return f"{shlex.join(words)} 2>&1", int(request["StoppingCondition"]["MaxRuntimeInSeconds"])


def _tuning_of(stage: Stage, data: DataSet) -> str | None:
    """As a training on SageMaker begins: from what the run on this data set found best."""
    found = prepared(stage, data)
    return found.tuning if found else None


def _weights(request: Json) -> list[str]:
    """What the stage begins from, from where its jobs take it."""
    channels = {one["ChannelName"]: one["DataSource"]["S3DataSource"]["S3Uri"] for one in request["InputDataConfig"]}
    return [f"--weights={channels['weights']}"] if "weights" in channels else []


def follow(stage: Stage, box: Box, command: Command) -> tuple[Command, list[str]]:
    """To its end, and all that it said."""
    log, lines = box.log(command), list[str]()

    def show(screen: Screen) -> None:
        for line in log.new():
            lines.append(line)
            screen.line(line)

    with left_running(stage, command.name), Screen(command.name, command.epochs) as screen:
        command = box.again(command)
        while not command.has_ended:
            screen.state(command.status)
            show(screen)
            time.sleep(box.poll_seconds)
            command = box.again(command)
        # A log comes some seconds after what it tells of.
        time.sleep(box.poll_seconds)
        show(screen)
        screen.state(command.status)
    if command.status != "Success":
        words = (lines or command.output.splitlines())[-LAST_LINES:]
        last = "\n".join(["The last it said:", *(f"  {line}" for line in words)]) if words else "It said nothing."
        raise WorkFailed(f"The command {command.name} on box {box.id} ended as {command.status}.\n{last}")
    return command, lines


def figures_of(box: Box, command: Command) -> Figures:
    """Of a command that has ended, or of what it has said until now."""
    return gathered(box.log(command).new())


def outcome(stage: Stage, command: Command, lines: list[str]) -> Json:
    model = next((found[1] for line in reversed(lines) if (found := MODEL.search(line))), None)
    bucket = stage.output("data", "BucketName")
    return {
        "name": command.name,
        "kind": "box",
        "status": command.status,
        "instance_type": command.instance_type,
        "instance_count": 1,
        "command_id": command.id,
        # The last of each, without what belongs to an epoch.
        "metrics": {name: value for name, value in gathered(lines).last.items() if name != "epoch"},
        "wall_seconds": round(command.wall_seconds, 1),
        "billed_seconds": round(command.wall_seconds, 1),
        "dollars": command.dollars(stage.prices),
        "prices": stage.prices.source,
        "model": f"s3://{bucket}/{model}" if model else None,
    }


def show(data: Json, console: Console) -> None:
    names = (("test_accuracy", "test accuracy"), ("test_macro_f1", "macro-F1"))
    shown = [f"{label} {data['metrics'][name]:.4f}" for name, label in names if name in data["metrics"]]
    console.print(f"{data['name']}: {', '.join(shown) or 'it printed no metrics'}")
    console.print(
        f"{data['wall_seconds']:.0f} s on {data['instance_type']}, {dollars(data['dollars'], 4)} USD while it ran"
    )
    console.print(data["prices"], markup=False)
    if data["model"]:
        console.print(f"Its model: {data['model']}", markup=False)
