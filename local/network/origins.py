"""Whose requests come from within a VPC: access keys, each tied to the network interfaces of those who were given it.

A process here has no interface of its own to be told by; the credentials that it was given stand for where it is.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from local.network.layout import Interface
from local.records import Scope

REFUSALS_KEPT = 8


@dataclass
class Origin:
    """A job, an instance, a function: its interfaces as they are now, and what its network stopped of it."""

    place: Scope
    name: str
    interfaces: Callable[[], Sequence[Interface]]
    refusals: list[str] = field(default_factory=list)

    def refused(self, reason: str) -> bool:
        """Whether that is news."""
        if reason in self.refusals:
            return False
        self.refusals = [*self.refusals, reason][-REFUSALS_KEPT:]
        return True


_tied: dict[str, Origin] = {}
_lock = threading.Lock()


def tie(access_key: str, origin: Origin) -> None:
    with _lock:
        _tied[access_key] = origin


def origin_of(access_key: str) -> Origin | None:
    return _tied.get(access_key)


def any_tied() -> bool:
    return bool(_tied)


def fixed(interfaces: Sequence[Interface]) -> Callable[[], Sequence[Interface]]:
    """Of somebody who keeps those that it began with."""
    return lambda: interfaces
