"""Another instance type for the endpoint, or a variant less: scaling off, the change, scaling on, in two deploys.

One deploy of it fails: AWS wants the scaling of a variant deregistered first. Interrupted, the same command goes on.
"""

import argparse

from ops.commands.common import add_json, add_stage

INTERRUPTED_SENTENCE = (
    "Interrupted. The same command goes on where this stopped; until then scaling may be paused: "
    "the stage file says so."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_stage(parser, "whose endpoint")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--instance-type", metavar="TYPE", help="as ml.c5.xlarge, for all that serving.instance_type names"
    )
    what.add_argument("--remove-variant", metavar="NAME", help="of [[serving.variants]]; the others share its requests")
    parser.add_argument("--yes", action="store_true", help="do not ask after the plan was shown")
    parser.add_argument(
        "--with-other-changes", action="store_true", help="deploy what else differs in the two stacks too"
    )
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    from ops.models import resizing

    return resizing.run(arguments)
