"""How many requests may be in the house, and how many bytes of their bodies: known before a body is read."""

import contextlib
from collections.abc import Iterator

from serving.errors import RequestError


class Admission:
    """Bounds what is waiting and what it takes of memory."""

    def __init__(self, max_requests: int, max_bytes: int) -> None:
        self._max_requests, self._max_bytes = max_requests, max_bytes
        self.requests = 0
        self.bytes = 0

    @contextlib.contextmanager
    def request(self, announced_bytes: int) -> Iterator["Share"]:
        """One request's place; refuses where there is none."""
        if self.requests >= self._max_requests:
            raise full(f"{self.requests} requests are waiting already")
        share = Share(self)
        share.grow_to(announced_bytes)
        self.requests += 1
        try:
            yield share
        finally:
            self.requests -= 1
            self.bytes -= share.bytes

    def take(self, more_bytes: int) -> None:
        if self.bytes + more_bytes > self._max_bytes:
            raise full(f"bodies of {self.bytes} bytes are waiting already")
        self.bytes += more_bytes


class Share:
    """What one request holds of the bytes."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self.bytes = 0

    def grow_to(self, size: int) -> None:
        """What was announced counts from the start; what came unannounced, as it comes."""
        if size > self.bytes:
            self._admission.take(size - self.bytes)
            self.bytes = size


def full(why: str) -> RequestError:
    return RequestError(429, "queue_full", f"{why[:1].upper()}{why[1:]}; try again in a moment.")
