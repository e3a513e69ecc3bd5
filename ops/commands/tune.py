"""Search the pipeline's own space: trials as they end, the best one marked, and a plot of them all."""

import argparse
from pathlib import Path

from ops.commands.common import add_json, add_stage

INTERRUPTED_SENTENCE = "Interrupted. What was started goes on: `python -m ops jobs` shows it."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_stage(parser, "whose pipeline says how")
    parser.add_argument("--data", metavar="NAME", help="the data set; the only one unless said")
    parser.add_argument("--jobs", type=int, metavar="N", help="trials in all")
    parser.add_argument("--parallel", type=int, metavar="N", help="trials at once; those learn nothing from each other")
    parser.add_argument("--instance-type", metavar="TYPE", help="of each trial, as ml.m5.xlarge")
    parser.add_argument(
        "--spot", action=argparse.BooleanOptionalAction, default=None, help="on spare capacity, which may be taken back"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a hyperparameter that the trials do not vary; may stand more than once",
    )
    parser.add_argument("--plot", type=Path, metavar="FILE", help="where the plot goes; JOB.svg unless said")
    parser.add_argument("--detach", action="store_true", help="start it, print its name, do not follow it")
    parser.add_argument("--dry-run", action="store_true", help="print what would be asked of AWS, and start no trial")
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    from ops.work import tune

    return tune.run(arguments)
