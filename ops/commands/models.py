"""The registry's versions: scores, data and code, who approved them and when, and which is live where."""

import argparse

from ops.commands.common import add_json, add_stage


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_stage(parser, "whose models")
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    from ops.models import listing

    return listing.run(arguments)
