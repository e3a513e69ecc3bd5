"""Pictures that stand in two splits: what is learnt by heart there counts as known here, and the accuracy lies."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

# Whoever stands in the later split is what the earlier one must not have seen.
ORDER = ("train", "valid", "test")


@dataclass(frozen=True)
class Copy:
    """One picture of a split that stands in a later split too."""

    split: str
    index: int
    later: str
    later_index: int


def across(marks: Mapping[str, Sequence[Sequence[str]]]) -> list[Copy]:
    """Copies by any of several marks: split -> lists of marks, each as long as the split (bytes, pixels)."""
    found: dict[tuple[str, int], Copy] = {}
    there = [split for split in ORDER if split in marks]
    for number, later in enumerate(there):
        for earlier in there[:number]:
            for copy in _between(earlier, marks[earlier], later, marks[later]):
                found.setdefault((copy.split, copy.index), copy)
    return sorted(found.values(), key=lambda copy: (ORDER.index(copy.split), copy.index))


def _between(
    earlier: str, marks: Sequence[Sequence[str]], later: str, later_marks: Sequence[Sequence[str]]
) -> Iterator[Copy]:
    for own, others in zip(marks, later_marks, strict=True):
        places = {mark: index for index, mark in enumerate(others)}
        for index, mark in enumerate(own):
            if mark in places:
                yield Copy(earlier, index, later, places[mark])
