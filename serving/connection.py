"""One connection: uvicorn's over httptools, with bounds on clients that dawdle, flood, or only hold connections."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# From a request's first byte to the end of its headers.
HEADER_SECONDS = 20.0
# How much of a refused body is read and thrown away so that the connection can go on; a client that sends more than
# this, or takes longer, has not read the answer, and is cut off.
DISCARDED_BYTES = 8 * 1024 * 1024
DISCARD_SECONDS = 20.0


class Connection(HttpToolsProtocol):
    """`max_connections` is set by the server for all of its connections."""

    max_connections = 4096

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn does
        super().connection_made(transport)
        self._between_messages = True
        self._discarded = 0
        self._deadline: asyncio.TimerHandle | None = None
        self._limit(self.timeout_keep_alive)
        self.quiet_since = self.loop.time()
        if len(self.connections) > self.max_connections:
            close_longest_idle(self.connections)

    def connection_lost(self, exc: Exception | None) -> None:
        self._unlimit()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self.quiet_since = self.loop.time()
        super().data_received(data)

    def on_message_begin(self) -> None:
        self._between_messages = False
        self._discarded = 0
        self._limit(HEADER_SECONDS)
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._unlimit()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if self.cycle.response_complete:
            self._discarded += len(body)
            if self._discarded > DISCARDED_BYTES:
                self.transport.abort()
                return
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._between_messages = True
        self._unlimit()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self.quiet_since = self.loop.time()
        if not self._between_messages and not self.transport.is_closing():
            self._limit(DISCARD_SECONDS)

    def is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _limit(self, seconds: float) -> None:
        self._unlimit()
        self._deadline = self.loop.call_later(seconds, self.transport.abort)

    def _unlimit(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def close_longest_idle(connections: set[Any]) -> None:
    """Room for one more; connections with a request in progress keep theirs."""
    idle = [one for one in connections if one.is_idle()]
    if idle:
        min(idle, key=lambda one: one.quiet_since).transport.abort()
