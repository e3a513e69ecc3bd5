"""A registered version's model card: data, scores by class, mistakes, calibration, lineage, hyperparameters."""

import argparse
from pathlib import Path

from ops.commands.common import add_json, add_stage


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("version", nargs="?", metavar="VERSION", help="of the registry; the youngest unless said")
    add_stage(parser, "whose registry")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the card as one page, too")
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    from ops.models import showing

    return showing.run(arguments)
