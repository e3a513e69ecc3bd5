"""Take a stage away: empty, wait, sweep what CloudFormation cannot delete, and say what stays and why."""

import argparse

from ops.commands.common import add_json, add_stage

INTERRUPTED_SENTENCE = "Interrupted. The same command goes on where this stopped."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_stage(parser, "the stage to take away")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--also-data", action="store_true", help="the data too, where stage.retain_data keeps it")
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    from ops import destroy

    return destroy.run(arguments)
