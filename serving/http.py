"""The few pieces of HTTP over ASGI that the application needs."""

import asyncio
import re
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from serving.admission import Share
from serving.errors import RequestError

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

REQUEST_ID_HEADER = "x-amzn-requestid"
# Of all of a container's headers SageMaker hands on this one.
ATTRIBUTES_HEADER = "x-amzn-sagemaker-custom-attributes"


class ClientGoneError(Exception):
    """The client closed the connection before it had its answer."""


def headers_of(scope: Scope) -> dict[str, str]:
    """Header names in lower case; of repeated headers the last."""
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


def request_id_of(headers: dict[str, str]) -> str:
    """The caller's id where it is fit for a log line, else a new one."""
    given = headers.get(REQUEST_ID_HEADER, "")
    return given if re.fullmatch(r"[A-Za-z0-9_.:=/-]{1,128}", given) else str(uuid.uuid4())


def announced_bytes(headers: dict[str, str], max_bytes: int) -> int:
    """The body's length as its headers tell it, 0 where they do not; a length that is too large is refused."""
    length = int(headers.get("content-length", "0"))  # the HTTP parser has checked that it is a number
    if length > max_bytes:
        raise too_large(max_bytes)
    return length


async def read_body(receive: Receive, max_bytes: int, seconds: float, share: Share) -> bytes:
    """The whole body; one that was not announced is refused as soon as it is too large."""
    chunks, size = [], 0
    try:
        async with asyncio.timeout(seconds):
            more = True
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGoneError
                chunks.append(message.get("body", b""))
                size += len(chunks[-1])
                if size > max_bytes:
                    raise too_large(max_bytes)
                share.grow_to(size)
                more = message.get("more_body", False)
    except TimeoutError as error:
        raise RequestError(400, "body_timeout", f"The body did not arrive within {seconds:g} s.") from error
    return b"".join(chunks)


def too_large(max_bytes: int) -> RequestError:
    return RequestError(413, "body_too_large", f"The body is too large; at most {max_bytes} bytes are allowed.")


async def send_answer(send: Send, status: int, body: bytes, headers: dict[str, str]) -> None:
    """One complete answer."""
    fields = {"content-length": str(len(body)), **headers}
    encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})
