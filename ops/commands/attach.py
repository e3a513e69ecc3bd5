"""Come back to a job, a run of the pipeline, or a command on the box, and follow it to its end."""

import argparse
from pathlib import Path

from ops.commands.common import add_json, add_stage


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_stage(parser, "whose job it is")
    parser.add_argument("name", metavar="NAME", help="as `python -m ops jobs` lists it")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="of a tuning job: draw its trials there")
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    from ops.work import attach

    return attach.run(arguments)
