"""The end of a connection without an answer, which ASGI has no word for: Hypercorn's stream is told to close."""

from hypercorn.events import Closed

from local.gateway import Send


async def hang_up(send: Send) -> None:
    """Whoever waits for the answer sees the connection end. `send` is the server's own, as it was given."""
    stream = send.__self__  # type: ignore[attr-defined]
    stream.closed = True
    await stream.send.__self__.send(Closed())
