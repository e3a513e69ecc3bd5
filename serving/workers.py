"""A fixed number of threads that take jobs in order, so that the event loop stays free for /ping."""

import threading
import time
from collections.abc import Callable
from queue import SimpleQueue


class Workers:
    """Jobs see to their own errors and to whether anybody still wants them; the line's length is their sender's."""

    def __init__(self, count: int) -> None:
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._busy_since: dict[int, float] = {}
        # daemons: a picture that never ends must not keep the process from ending
        self._threads = [threading.Thread(target=self._run, args=(number,), daemon=True) for number in range(count)]
        for thread in self._threads:
            thread.start()

    def submit(self, job: Callable[[], None]) -> None:
        """Put a job at the end of the line."""
        self._jobs.put(job)

    def longest_run_seconds(self) -> float:
        """How long the slowest thread has been at its present job; 0 when all are idle."""
        starts = list(self._busy_since.values())
        return time.monotonic() - min(starts) if starts else 0.0

    def waiting(self) -> int:
        return self._jobs.qsize()

    def close(self, timeout_seconds: float) -> bool:
        """Let the threads finish and end; False when one did not."""
        for _ in self._threads:
            self._jobs.put(None)
        deadline = time.monotonic() + timeout_seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self, number: int) -> None:
        while (job := self._jobs.get()) is not None:
            self._busy_since[number] = time.monotonic()
            try:
                job()
            finally:
                del self._busy_since[number]
            del job
