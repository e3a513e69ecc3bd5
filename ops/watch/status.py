"""`status`: a stage's state for a person or a program."""

import argparse
from dataclasses import asdict

from ops.console import answer
from ops.stage import Stage
from ops.watch.state import state_of
from ops.watch.status_lines import show

ILL = 4


def run(arguments: argparse.Namespace) -> int:
    found = state_of(Stage.open(arguments.stage, arguments.stages))
    answer(arguments, asdict(found), lambda console: show(found, console))
    return ILL if arguments.check and found.ills else 0
