"""Threads that carry out tasks, some of which make more of them, until none is left or one fails."""

import threading
from collections import deque
from collections.abc import Callable

from ops.data.wire import Stopped

Task = Callable[[], None]
LOOK_EVERY_SECONDS = 0.1


class Crew:
    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._tasks: deque[Task] = deque()
        self._unfinished = 0
        self._changed = threading.Condition()
        self._error: Exception | None = None

    def add(self, task: Task) -> None:
        with self._changed:
            self._tasks.append(task)
            self._unfinished += 1
            self._changed.notify()

    def work(self, hands: int) -> None:
        """What fails, or Ctrl-C, lets everything that has begun come to its end, and begins nothing more."""
        threads = [threading.Thread(target=self._hand, daemon=True) for _ in range(min(hands, self._unfinished))]
        for thread in threads:
            thread.start()
        try:
            self._wait(threads)
        except KeyboardInterrupt:
            self._stop.set()
            self._wait(threads)
            raise
        if self._error:
            raise self._error

    @staticmethod
    def _wait(threads: list[threading.Thread]) -> None:
        for thread in threads:
            while thread.is_alive():
                thread.join(LOOK_EVERY_SECONDS)

    def _hand(self) -> None:
        while (task := self._next()) is not None:
            try:
                task()
            except Stopped:
                pass
            except Exception as error:
                self._error = self._error or error
                self._stop.set()
            finally:
                with self._changed:
                    self._unfinished -= 1
                    if not self._unfinished:
                        self._changed.notify_all()

    def _next(self) -> Task | None:
        with self._changed:
            while self._unfinished and not self._tasks and not self._stop.is_set():
                self._changed.wait(LOOK_EVERY_SECONDS)
            return None if self._stop.is_set() or not self._tasks else self._tasks.popleft()
