"""Numbers that training prints as name=value, gathered as its lines come: one entry an epoch, and the last of each."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

# The number as training/metrics.toml has it; what is no number (nan) leaves no mark.
_PAIR = re.compile(r"\b([a-z][a-z0-9_]*)=([0-9.eE+-]+)")


@dataclass
class Figures:
    epochs: list[dict[str, float]] = field(default_factory=list)
    last: dict[str, float] = field(default_factory=dict)

    def take(self, line: str) -> bool:
        """Whether the line tells of an epoch."""
        found = dict(_numbers(line))
        self.last |= found
        if "epoch" not in found:
            return False
        # A job that went on from a checkpoint tells of its last epoch again.
        self.epochs = [one for one in self.epochs if one["epoch"] < found["epoch"]]
        self.epochs.append(found)
        return True


def gathered(lines: Iterable[str]) -> Figures:
    figures = Figures()
    for line in lines:
        figures.take(line)
    return figures


def _numbers(line: str) -> Iterable[tuple[str, float]]:
    for name, number in _PAIR.findall(line):
        try:
            yield name, float(number)
        except ValueError:
            continue
