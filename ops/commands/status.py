"""What is deployed of a stage and how it does: stacks, endpoint, traffic, alarms, the pipeline's last run, this month's
cost against the budget.
"""

import argparse

from ops.commands.common import add_json, add_stage


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_stage(parser)
    parser.add_argument(
        "--check", action="store_true", help="exit status 4 where something is wrong, 3 where something is not known"
    )
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    from ops.watch import status

    return status.run(arguments)
