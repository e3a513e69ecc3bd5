"""How many bytes may be under way at once: what a killed process leaves half sent is sent again."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ops.data.wire import Stopped

LOOK_EVERY_SECONDS = 0.1


class Budget:
    """One request always may, however large it is."""

    def __init__(self, most: int, stop: threading.Event) -> None:
        self._most, self._stop = most, stop
        self._used, self._free = 0, threading.Condition()

    @contextmanager
    def taken(self, size: int) -> Iterator[None]:
        with self._free:
            while self._used and self._used + size > self._most:
                self._free.wait(LOOK_EVERY_SECONDS)
                if self._stop.is_set():
                    raise Stopped
            self._used += size
        try:
            yield
        finally:
            with self._free:
                self._used -= size
                self._free.notify()
