"""Serve the model again that was live before this one, in one command; the one that is left counts as rejected.

Run once more, it goes one further back. `promote` approves a rejected version again.
"""

import argparse

from ops.commands.common import add_json, add_stage

INTERRUPTED_SENTENCE = (
    "Interrupted. The same command goes on where this stopped; a deploy that had begun goes on in CloudFormation."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_stage(parser, "where to go back")
    parser.add_argument("--reason", metavar="TEXT", help="what the registry keeps with the rejected version")
    parser.add_argument("--no-deploy", action="store_true", help="write the stage file and show the diff, no more")
    parser.add_argument(
        "--with-other-changes", action="store_true", help="deploy what else differs in the Serving stack too"
    )
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    from ops.models import rolling_back

    return rolling_back.run(arguments)
