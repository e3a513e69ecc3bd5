"""The stage's name, typed by a person who has read what is about to happen."""

import sys

from ops.errors import OperatorError


def typed(stage: str, question: str) -> bool:
    """A sentence where nobody can be asked: in a job, behind a pipe, with standard input closed."""
    if sys.stdin is None or not sys.stdin.isatty():
        raise OperatorError("Nobody can be asked here: say `--yes` if this is to be done.")
    sys.stderr.write(f"Type {stage} {question}: ")
    sys.stderr.flush()
    return sys.stdin.readline().strip() == stage
