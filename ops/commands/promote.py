"""Approve a registered model, unless it is worse than the live one, and bring it into the stage file and the diff.

Interrupted anywhere, the same command goes on. What it deploys is the Serving stack alone.
"""

import argparse

from ops.commands.common import add_json, add_stage

INTERRUPTED_SENTENCE = (
    "Interrupted. The same command goes on where this stopped; a deploy that had begun goes on in CloudFormation."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("version", nargs="?", metavar="VERSION", help="of the registry; the youngest unless said")
    add_stage(parser, "where it is to be served")
    parser.add_argument("--deploy", action="store_true", help="deploy it as well, and follow how the endpoint moves")
    parser.add_argument(
        "--force", metavar="REASON", help="although it is worse or cannot be compared; the registry keeps why"
    )
    parser.add_argument(
        "--reason", metavar="TEXT", help="what the registry keeps as the reason; the comparison unless said"
    )
    parser.add_argument(
        "--with-other-changes", action="store_true", help="deploy what else differs in the Serving stack too"
    )
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    from ops.models import promoting

    return promoting.run(arguments)
