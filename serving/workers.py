"""Threads that decode and infer, so that the event loop stays free for /ping, and the line in front of them."""

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any


@dataclass(eq=False)
class Job:
    """One piece of work in the line."""

    work: Callable[[], Any]
    future: "Future[Any]" = field(default_factory=Future)


class Workers:
    """A fixed number of threads that take jobs in order. How long the line may be is its caller's business."""

    def __init__(self, count: int) -> None:
        self._jobs: deque[Job] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._busy_since: dict[int, float] = {}
        # daemons: a wedged engine must not keep the process from ending
        self._threads = [threading.Thread(target=self._run, args=(number,), daemon=True) for number in range(count)]
        for thread in self._threads:
            thread.start()

    def submit(self, work: Callable[[], Any]) -> "Future[Any]":
        """Put work at the end of the line; cancelling its future before it starts takes it out again."""
        job = Job(work)
        job.future.add_done_callback(lambda future: self._forget(job) if future.cancelled() else None)
        with self._changed:
            self._jobs.append(job)
            self._changed.notify()
        return job.future

    def longest_job_seconds(self) -> float:
        """How long the slowest thread has been at its present job; 0 when all are idle."""
        starts = list(self._busy_since.values())
        return time.monotonic() - min(starts) if starts else 0.0

    def close(self, timeout_seconds: float) -> bool:
        """Let the threads finish and end; False when one did not."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        deadline = time.monotonic() + timeout_seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self, number: int) -> None:
        while (job := self._next()) is not None:
            if not job.future.set_running_or_notify_cancel():
                continue
            self._busy_since[number] = time.monotonic()
            try:
                result = job.work()
            except BaseException as error:  # whatever it was, who waits for the answer has to hear of it
                job.future.set_exception(error)
            else:
                job.future.set_result(result)
            finally:
                del self._busy_since[number]
            del job

    def _next(self) -> Job | None:
        with self._changed:
            while not self._jobs:
                if self._closing:
                    return None
                self._changed.wait()
            return self._jobs.popleft()

    def _forget(self, job: Job) -> None:
        with self._changed:
            if job in self._jobs:
                self._jobs.remove(job)
