"""The door in front of MiniStack: what is closed, what plain http may reach, and when state is due to be saved."""

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

AsgiScope = MutableMapping[str, Any]
AsgiEvent = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[AsgiEvent]]
Send = Callable[[AsgiEvent], Awaitable[None]]
Application = Callable[[AsgiScope, Receive, Send], Awaitable[None]]

# MiniStack's administration is unauthenticated: any page in the user's browser could post to it. Left open is what
# CloudFormation's custom resources and wait conditions answer to, and the health that `start` polls.
ADMINISTRATION = ("/_ministack/", "/_localstack/", "/_aws/ses", "/_aws/sqs", "/_aws/sns", "/health")
OPEN = ("/_ministack/cfn-response/", "/_ministack/cfn-signal/", "/_ministack/health")
DRAIN_LOOK_SECONDS = 0.05
API_PATH = "/_aws/execute-api/"
API_HOST = ".execute-api.localhost"


class Gateway:
    """An ASGI application around MiniStack's."""

    def __init__(self, application: Application, on_started: Callable[[], None]) -> None:
        self._application = application
        self._on_started = on_started
        self.changed = False
        self._requests = 0

    async def drained(self, limit_seconds: float) -> None:
        """Until no request is under way, or the limit."""
        for _ in range(int(limit_seconds / DRAIN_LOOK_SECONDS)):
            if not self._requests:
                return
            await asyncio.sleep(DRAIN_LOOK_SECONDS)

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._application(scope, receive, self._noting_start(send))
        elif not _is_api(scope) and scope["path"].startswith(ADMINISTRATION) and not scope["path"].startswith(OPEN):
            await _refuse(scope, send, 404, "MiniStack's administration is closed here.")
        elif scope["scheme"] in ("http", "ws") and not _is_api(scope):
            await _refuse(
                scope, send, 403, "Plain http serves deployed HTTP APIs only; AWS itself is at the https URL."
            )
        else:
            _address_api_by_path(scope)
            # A request to an API leaves lines in logs, whatever its method.
            changes = scope.get("method") not in ("GET", "HEAD", "OPTIONS") or _is_api(scope)
            self.changed = self.changed or changes
            self._requests += 1
            try:
                await self._application(scope, receive, send)
            finally:
                self._requests -= 1
                self.changed = self.changed or changes

    def _noting_start(self, send: Send) -> Send:
        async def noting(event: AsgiEvent) -> None:
            await send(event)
            if event["type"] == "lifespan.startup.complete":
                self._on_started()

        return noting


def _is_api(scope: AsgiScope) -> bool:
    return bool(scope["path"].startswith(API_PATH) or _host(scope).endswith(API_HOST))


def _host(scope: AsgiScope) -> str:
    return dict(scope.get("headers", [])).get(b"host", b"").decode("latin-1").rsplit(":", 1)[0]


def _address_api_by_path(scope: AsgiScope) -> None:
    """MiniStack answers /health and its like itself on every host; below an API's path it leaves them to the API."""
    host = _host(scope)
    if host.endswith(API_HOST):
        scope["path"] = f"{API_PATH}{host.removesuffix(API_HOST)}{scope['path']}"


async def _refuse(scope: AsgiScope, send: Send, status: int, message: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps({"message": message}).encode()})
