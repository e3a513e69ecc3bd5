"""Train as the deployed pipeline does: on SageMaker's instances, on the training box (--ec2), or here (--local)."""

import argparse
from pathlib import Path

from ops.commands.common import add_json, add_stage

INTERRUPTED_SENTENCE = "Interrupted. What was started goes on: `python -m ops jobs` shows it."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_stage(parser, "whose pipeline says how")
    place = parser.add_mutually_exclusive_group()
    place.add_argument("--ec2", action="store_true", help="on the training box, which is started where it is stopped")
    place.add_argument("--local", action="store_true", help="as a process on this machine; --data is then a folder")
    parser.add_argument("--data", metavar="NAME", help="the data set; the only one unless said")
    parser.add_argument("--instances", type=int, metavar="N", help="that share the training; here: processes")
    parser.add_argument("--instance-type", metavar="TYPE", help="as ml.m5.xlarge")
    parser.add_argument(
        "--spot", action=argparse.BooleanOptionalAction, default=None, help="on spare capacity, which may be taken back"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a hyperparameter, as epochs=20; may stand more than once",
    )
    parser.add_argument("--tuned", metavar="JOB", help="begin from what this tuning job found best")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="with --local: the file of [training.weights]")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="with --local: where the model goes")
    parser.add_argument("--detach", action="store_true", help="start it, print its name, do not follow it")
    parser.add_argument("--dry-run", action="store_true", help="print what would be asked for, and start no training")
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    if arguments.local:
        from ops.work import here

        return here.run(arguments)
    if arguments.ec2:
        from ops.work import on_box

        return on_box.run(arguments)
    from ops.work import train

    return train.run(arguments)
