"""Train as the deployed pipeline does: on SageMaker's instances, on the training box (--ec2), or here (--local)."""

import argparse
from pathlib import Path

from ops.commands.common import LEFT_RUNNING, add_data, add_detach, add_json, add_stage, add_wishes

INTERRUPTED_SENTENCE = LEFT_RUNNING


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_stage(parser, "whose pipeline says how")
    place = parser.add_mutually_exclusive_group()
    place.add_argument("--ec2", action="store_true", help="on the training box, which is started where it is stopped")
    place.add_argument("--local", action="store_true", help="as a process on this machine; --data is then a folder")
    add_data(parser)
    parser.add_argument("--instances", type=int, metavar="N", help="that share the training; here: processes")
    add_wishes(parser, settable=", as epochs=20")
    parser.add_argument("--tuned", metavar="JOB", help="begin from what this tuning job found best")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="with --local: the file of [training.weights]")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="with --local: where the model goes")
    add_detach(parser)
    parser.add_argument("--dry-run", action="store_true", help="print what would be asked for, and start nothing")
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
