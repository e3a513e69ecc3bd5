"""A short circuit: an endpoint that is down is not asked again and again, and callers hear so at once."""

import threading
import time
from collections.abc import Callable

FAILURES = 3
OPEN_SECONDS = 10.0


class Breaker:
    """Opens after FAILURES in a row; when OPEN_SECONDS have passed, one call tries whether the endpoint is back.

    One for each of Lambda's environments, which do not know of each other: each finds out by itself.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._closed_again = 0.0

    def seconds_to_wait(self) -> float:
        """0 for the call that may be made; above it, how long until one may."""
        with self._lock:
            if self._failures < FAILURES:
                return 0.0
            now = self._clock()
            if now < self._closed_again:
                return self._closed_again - now
            # This call tries; those beside it wait for what it finds.
            self._closed_again = now + OPEN_SECONDS
            return 0.0

    def succeeded(self) -> None:
        with self._lock:
            self._failures = 0

    def failed(self) -> None:
        with self._lock:
            self._failures += 1
            if self._failures >= FAILURES:
                self._closed_again = self._clock() + OPEN_SECONDS
