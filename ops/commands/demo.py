"""The whole system on this machine: `make demo`, or `python -m ops demo [--json]`; DEMO_DATA=DIR: your images."""

import argparse

from ops.commands.common import add_json

INTERRUPTED_SENTENCE = "Interrupted. `make demo` goes on where this stopped; `python -m local stop` ends what runs."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    from ops import demo

    return demo.run(arguments)
