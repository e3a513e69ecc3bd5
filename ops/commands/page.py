"""The page to try an image, on this machine alone: what it asks is signed with your credentials on the way."""

import argparse

from ops.commands.common import add_json, add_stage

INTERRUPTED_SENTENCE = "The page is closed."
DEFAULT_PORT = 8765


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_stage(parser, "whose API")
    parser.add_argument(
        "--port", type=int, default=DEFAULT_PORT, help=f"on 127.0.0.1; {DEFAULT_PORT} unless said; 0: any free"
    )
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    from ops import page

    return page.run(arguments)
