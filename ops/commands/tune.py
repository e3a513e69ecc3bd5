"""Search the pipeline's own space: trials as they end, the best one marked, and a plot of them all."""

import argparse
from pathlib import Path

from ops.commands.common import LEFT_RUNNING, add_data, add_detach, add_json, add_score, add_stage, add_wishes

INTERRUPTED_SENTENCE = LEFT_RUNNING


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_stage(parser, "whose pipeline says how")
    add_data(parser)
    parser.add_argument("--jobs", type=int, metavar="N", help="trials in all")
    parser.add_argument("--parallel", type=int, metavar="N", help="trials at once; those learn nothing from each other")
    add_wishes(parser, of_each="of each trial, ", settable=" that the trials do not vary")
    add_score(parser)
    parser.add_argument("--plot", type=Path, metavar="FILE", help="where the plot goes; JOB.svg unless said")
    add_detach(parser)
    parser.add_argument("--dry-run", action="store_true", help="print what would be asked of AWS, and start nothing")
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    from ops.work import tune

    return tune.run(arguments)
