"""The answer that CloudFormation waits for: a JSON document, put to the URL which came with its request."""

import json
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

TIMEOUT_SECONDS = 10.0
# CloudFormation refuses an answer of more than 4,096 bytes; quotes and backslashes double when they are escaped.
MAX_REASON_BYTES = 1500

Put = Callable[[str, bytes], None]


class Opener(Protocol):
    """The one method that is used of urllib's OpenerDirector."""

    def open(self, request: urllib.request.Request, *, timeout: float) -> Any: ...  # noqa: ANN401 - urllib's own type


@dataclass(frozen=True, kw_only=True)
class Ticket:
    """Where CloudFormation waits, and for which request: what an answer must repeat."""

    response_url: str
    stack_id: str
    request_id: str
    logical_resource_id: str
    physical_resource_id: str


def put_over_https(url: str, body: bytes, opener: Opener | None = None) -> None:
    """Sends the answer; a redirect or any status but a success raises OSError, so that Lambda tries the event again."""
    if urllib.parse.urlsplit(url).scheme != "https":
        raise ValueError("The answer's URL is not https; CloudFormation gives none such.")
    # An empty content type, since the URL's signature covers that header.
    request = urllib.request.Request(url, data=body, method="PUT", headers={"Content-Type": ""})  # noqa: S310 - https, see above
    with (opener or urllib.request.build_opener()).open(request, timeout=TIMEOUT_SECONDS) as response:
        response.read()


def succeed(put: Put, ticket: Ticket, data: dict[str, str]) -> None:
    """Tells CloudFormation that the resource is there, with the attributes that the template may read."""
    _send(put, ticket, {"Status": "SUCCESS", "Data": data})


def fail(put: Put, ticket: Ticket, reason: str) -> None:
    """Tells CloudFormation why not; the stack's events show the sentence."""
    one_line = " ".join(reason.split()).encode()[:MAX_REASON_BYTES].decode(errors="ignore")
    _send(put, ticket, {"Status": "FAILED", "Reason": one_line})


def _send(put: Put, ticket: Ticket, outcome: dict[str, Any]) -> None:
    content = {
        "StackId": ticket.stack_id,
        "RequestId": ticket.request_id,
        "LogicalResourceId": ticket.logical_resource_id,
        "PhysicalResourceId": ticket.physical_resource_id,
        **outcome,
    }
    put(ticket.response_url, json.dumps(content, ensure_ascii=False).encode())
