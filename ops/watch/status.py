"""`status`: a stage's state for a person or a program."""

import argparse
from dataclasses import asdict

from ops.console import answer
from ops.errors import NotReached
from ops.stage import Stage
from ops.watch.reading import Unknown
from ops.watch.state import state_of
from ops.watch.status_lines import show

ILL = 4


def run(arguments: argparse.Namespace) -> int:
    found = state_of(Stage.open(arguments.stage, arguments.stages))
    answer(arguments, asdict(found), lambda console: show(found, console))
    if not arguments.check:
        return 0
    unknown = any(isinstance(part, Unknown) for part in vars(found).values())
    return ILL if found.ills else NotReached.status if unknown else 0
