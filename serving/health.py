"""Whether the server can be trusted with requests: what /ping says, without waiting for anything."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from serving.workers import Workers


class Health:
    """Red while a job outlasts every deadline, and from an engine's failure until it has answered again."""

    def __init__(self, workers: Workers, probe: Callable[[], None], wedged_seconds: float) -> None:
        self._workers, self._probe, self._wedged_seconds = workers, probe, wedged_seconds
        self._engine_failed = False
        self._probing: Future[Any] | None = None

    def engine_answered(self) -> None:
        self._engine_failed = False

    def engine_failed(self) -> None:
        self._engine_failed = True

    def fault(self) -> str | None:
        """What is wrong, or None. After a failure, being asked starts a new try of the engine."""
        busy_seconds = self._workers.longest_job_seconds()
        if busy_seconds > self._wedged_seconds:
            return f"one request has been in the engine for {busy_seconds:.0f} s"
        if self._engine_failed:
            self._try_again()
            return "the engine failed and has not answered since"
        return None

    def _try_again(self) -> None:
        if self._probing is None or self._probing.done():
            self._probing = self._workers.submit(self._probe)
            self._probing.add_done_callback(lambda probing: None if probing.exception() else self.engine_answered())
