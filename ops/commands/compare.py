"""Trainings side by side: accuracy, macro-F1, wall time, billed seconds and dollars; --report draws their curves."""

import argparse
from pathlib import Path

from ops.commands.common import LEFT_RUNNING, add_json, add_score, add_stage

INTERRUPTED_SENTENCE = LEFT_RUNNING


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_stage(parser, "whose jobs")
    parser.add_argument(
        "names",
        nargs="*",
        metavar="JOB",
        help="training and tuning jobs, commands of the box; the last of each kind unless said",
    )
    parser.add_argument("--days", type=float, default=30.0, metavar="N", help="how far back those are looked for (30)")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write a page with table and learning curves")
    add_score(parser)
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    from ops.work import compare

    return compare.run(arguments)
