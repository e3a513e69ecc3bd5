"""Whether the server can be trusted with requests: what /ping says, without waiting for anything."""

import time
from collections.abc import Callable
from typing import Protocol

# Asked after a silence of this long, /ping has the engine answer once, so that the next time it knows.
SILENCE_SECONDS = 10.0
# A wedged engine is told of for as long again as half its limit; then the process ends.
LINGERING = 1.5


class Busy(Protocol):
    """Threads that can be stuck."""

    def longest_run_seconds(self) -> float: ...


class Health:
    """Red while something outlasts every deadline, and from an engine's failure until it has answered again."""

    def __init__(self, threads: dict[str, Busy], probe: Callable[["Health"], None], wedged_seconds: float) -> None:
        self._threads, self._probe, self._wedged_seconds = threads, probe, wedged_seconds
        self._engine_failed = self._probing = False
        self._last_answer = time.monotonic()

    def engine_answered(self) -> None:
        self._engine_failed = self._probing = False
        self._last_answer = time.monotonic()

    def engine_failed(self) -> None:
        self._engine_failed, self._probing = True, False

    def fault(self) -> str | None:
        """What is wrong, or None. After a failure or a silence, being asked starts a new try of the engine."""
        for where, threads in self._threads.items():
            seconds = threads.longest_run_seconds()
            if seconds > self._wedged_seconds:
                return f"one image has been in the {where} for {seconds:.0f} s"
        if self._engine_failed or time.monotonic() - self._last_answer > SILENCE_SECONDS:
            self._try_engine()
        return "the engine failed and has not answered since" if self._engine_failed else None

    def is_lost(self) -> bool:
        """Whether waiting for a thread that is stuck has been long enough."""
        longest = max(threads.longest_run_seconds() for threads in self._threads.values())
        return longest > LINGERING * self._wedged_seconds

    def _try_engine(self) -> None:
        if not self._probing:
            self._probing = True
            self._probe(self)
