"""Work on one thing, piece after piece, in the order in which it was asked for, in the background."""

import logging
import threading
from collections import deque
from collections.abc import Callable

logger = logging.getLogger("embedded-aws.sandbox")


class Turns:
    """A lock would not do: of those that wait for one, any may be next."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._waiting: deque[Callable[[], None]] = deque()
        self._works = False
        self._lock = threading.Lock()

    def add(self, work: Callable[[], None]) -> None:
        with self._lock:
            self._waiting.append(work)
            if self._works:
                return
            self._works = True
        threading.Thread(target=self._work, daemon=True, name=self._name).start()

    def _work(self) -> None:
        while (work := self._next()) is not None:
            try:
                work()
            except Exception:
                # The next in line is asked for all the same.
                logger.exception("%s", self._name)

    def _next(self) -> Callable[[], None] | None:
        with self._lock:
            self._works = bool(self._waiting)
            return self._waiting.popleft() if self._waiting else None
