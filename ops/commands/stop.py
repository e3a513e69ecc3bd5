"""Stop a job, a run of the pipeline, or a command on the box, and see it to its end; what ran until then is billed."""

import argparse

from ops.commands.common import add_json, add_stage

INTERRUPTED_SENTENCE = "Interrupted. It was asked to stop, and will; `python -m ops jobs` shows it."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_stage(parser, "whose job it is")
    parser.add_argument("name", metavar="NAME", help="as `python -m ops jobs` lists it")
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    from ops.work import stop

    return stop.run(arguments)
