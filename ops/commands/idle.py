"""Everything of the stage that bills and does nothing, with its cost an hour; --stop stops what can be stopped without
loss. Nothing is ever deleted. Exit status 3 where AWS withheld something that was looked for, or did not stop it.
"""

import argparse

from ops.commands.common import add_json, add_stage


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_stage(parser)
    parser.add_argument("--stop", action="store_true", help="stop box, notebook and what else keeps its files stopped")
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    from ops.watch import idle

    return idle.run(arguments)
