"""Words from elsewhere on a terminal: a log, a reason, a name in a zip may hold codes that a terminal would obey."""

import re
import sys

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def printable(text: str) -> str:
    """Without them; line ends and tabs stay."""
    return CONTROL.sub("", text)


def tell(sentence: str) -> None:
    """A sentence for a person, on standard error."""
    sys.stderr.write(f"{printable(sentence)}\n")
