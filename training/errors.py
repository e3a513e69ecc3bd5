"""What a person can mend: shown as one sentence, and as the job's failure reason."""

from collections.abc import Sequence

NAMED = 5


class TrainingError(Exception):
    """A fault in the data, the flags or the numbers, told in one sentence."""


def named(words: Sequence[str], between: str = "; ") -> str:
    """The first few, and how many more there are."""
    rest = len(words) - NAMED
    return between.join(words[:NAMED]) + (f"{between}and {rest} more" if rest > 0 else "")
