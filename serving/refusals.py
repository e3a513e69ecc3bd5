"""Requests refused for want of room, told once a second with their number: a line each would be a load of its own."""

import asyncio
import logging
from collections import Counter

log = logging.getLogger("serving")

EVERY_SECONDS = 1.0


class Refusals:
    """Counts, and tells a moment later."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def count(self, code: str) -> None:
        if not self._counts:
            asyncio.get_running_loop().call_later(EVERY_SECONDS, self.tell)
        self._counts[code] += 1

    def tell(self) -> None:
        for code, count in self._counts.items():
            log.warning("refused", extra={"facts": {"code": code, "requests": count}})
        self._counts.clear()
