"""What runs and ran lately of this stage: training, tuning, processing, transform, and commands on the box."""

import argparse

from ops.commands.common import add_json, add_stage


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_stage(parser, "whose jobs")
    parser.add_argument("--days", type=float, default=7.0, metavar="N", help="how far back (7)")
    parser.add_argument("--trials", action="store_true", help="the trainings of tuning jobs too")
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    from ops.work import listing

    return listing.run(arguments)
