"""The table that rules enter themselves into, and how a finding reads."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from config.sections.section import Section

LONGEST_SHOWN = 80


@dataclass(frozen=True)
class Finding:
    key: str
    value: object
    message: str
    refused: bool = True

    def __str__(self) -> str:
        return f"{self.key} = {toml(self.value)}: {self.message}"


Rule = tuple[tuple[str, ...], Callable[..., Iterator[Finding]]]
RULES: list[Rule] = []


def rule(*sections: str) -> Callable[[Callable[..., Iterator[Finding]]], Callable[..., Iterator[Finding]]]:
    def register(check: Callable[..., Iterator[Finding]]) -> Callable[..., Iterator[Finding]]:
        RULES.append((sections, check))
        return check

    return register


def check(sections: dict[str, Section]) -> list[Finding]:
    """Apply every rule whose sections are all at hand."""
    return [
        finding
        for needed, test in RULES
        if all(name in sections for name in needed)
        for finding in test(*(sections[name] for name in needed))
    ]


def toml(value: object) -> str:
    """A value as it might stand in the file, on one line and not too long."""
    if isinstance(value, list):
        shown = f"[{', '.join(toml(inner) for inner in value)}]"
    elif isinstance(value, bool | str):
        shown = json.dumps(value, ensure_ascii=False)
    else:
        shown = str(value)
    return shown if len(shown) <= LONGEST_SHOWN else f"{shown[:LONGEST_SHOWN]}..."
