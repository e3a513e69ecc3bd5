"""What commands have in common: `--stage`, `--stages`, `--json`."""

import argparse
from pathlib import Path


def add_stage(parser: argparse.ArgumentParser, what: str = "the stage that is meant") -> None:
    parser.add_argument("--stage", required=True, metavar="NAME", help=f"{what}: a file of config/ without its .toml")
    parser.add_argument(
        "--stages", type=Path, metavar="FOLDER", help="stage files of another folder, as with `cdk -c stages=FOLDER`"
    )


def add_json(parser: argparse._ActionsContainer) -> None:
    parser.add_argument("--json", action="store_true", help="print the result as JSON; progress goes to standard error")
