"""The embedded AWS's own time, which may run faster: metrics, alarms, scaling and the waits of updates live by it."""

import time
from collections.abc import Callable
from typing import Any


class Clock:
    """`rate` seconds pass for each of the machine's. It never goes back, over a restart at another rate neither."""

    def __init__(self, rate: float = 1.0, machine: Callable[[], float] = time.time) -> None:
        self.rate = rate
        self._machine = machine
        self._began = machine()
        self._from = self._began

    def now(self) -> float:
        return self.at(self._machine())

    def at(self, moment: float) -> float:
        """Its time when the machine's was, or will be, `moment`."""
        return self._from + (moment - self._began) * self.rate

    def pause(self, seconds: float) -> float:
        """How long that is on the machine."""
        return seconds / self.rate

    # The gateway's contract for a service's state: these three names, JSON in and out.
    def get_state(self) -> dict[str, Any]:
        return {"now": self.now()}

    def load_persisted_state(self, state: dict[str, Any]) -> None:
        self._began = self._machine()
        # A clock that kept the machine's time is still right after a rest; one that ran ahead stays ahead.
        self._from = max(self._began, float(state.get("now", 0.0)))

    def reset(self) -> None:
        self._began = self._from = self._machine()
