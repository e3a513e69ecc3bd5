"""What one look of the doctor found."""

from dataclasses import dataclass
from typing import Literal

from ops.watch.reading import Unknown


@dataclass(frozen=True)
class Finding:
    what: str
    state: Literal["well", "note", "fault", "unknown"]
    """A note costs no deploy; what is unknown may."""
    said: str
    remedy: str = ""
    withheld: bool = False
    """Unknown since AWS did not answer; the account may be unfit by it."""


def well(what: str, said: str) -> Finding:
    return Finding(what, "well", said)


def note(what: str, said: str, remedy: str = "") -> Finding:
    return Finding(what, "note", said, remedy)


def fault(what: str, said: str, remedy: str) -> Finding:
    return Finding(what, "fault", said, remedy)


def unknown(what: str, said: str, remedy: str = "") -> Finding:
    return Finding(what, "unknown", said, remedy)


def unanswered(what: str, answer: Unknown, remedy: str = "") -> Finding:
    return Finding(what, "unknown", answer.reason, remedy, withheld=answer.withheld)
