"""The VPCs' door in front of everything: a request of somebody inside comes through only where his network lets it.

Requests of all others pass with one look at their access key.
"""

import logging
import re
from collections.abc import Callable
from urllib.parse import parse_qs

from local import joints
from local.gateway import Application, AsgiScope, Receive, Send
from local.network import origins
from local.network.authorization import Passage, passing
from local.network.hang_up import hang_up
from local.network.judgement import judged
from local.network.layout import Interface
from local.network.origins import Origin
from local.network.reachability import NoWay, Way
from local.network.services import endpoint_name, service_of

KEY = re.compile(rb"AWS4-HMAC-SHA256 Credential=([^/,]+)/")
logger = logging.getLogger("embedded-aws.network")
Seen = Callable[[Origin, Interface, Way | NoWay, AsgiScope], None]


class Door:
    """An ASGI application around the others; `seen` is told of every judged request."""

    def __init__(self, application: Application, seen: Seen) -> None:
        self._application = application
        self._seen = seen

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        key = _access_key(scope) if origins.any_tied() and scope["type"] == "http" else ""
        origin = origins.origin_of(key) if key else None
        if origin is None:
            await self._application(scope, receive, send)
            return
        headers, query = _headers(scope), _query(scope)
        service = service_of(scope["method"], scope["path"], headers, query)
        name = endpoint_name(service, scope["path"])
        found = self._judged(origin, name, joints.region(headers, query), scope)
        if isinstance(found, NoWay):
            self._told(origin, name, found)
            await hang_up(send)
            return
        with passing(Passage(key, service, found)):
            await self._application(scope, receive, send)

    def _judged(self, origin: Origin, name: str, region: str, scope: AsgiScope) -> Way | NoWay:
        interface, found = judged(origin.place, origin.interfaces(), name, region)
        if interface is not None:
            self._seen(origin, interface, found, scope)
        return found

    @staticmethod
    def _told(origin: Origin, name: str, found: NoWay) -> None:
        if origin.refused(f"no way to {name}: {found.reason}"):
            logger.warning("%s has no way to %s: %s", origin.name, name, found.reason)


def _access_key(scope: AsgiScope) -> str:
    """The common case by itself; a key anywhere else, in an address or an older signature, as the gateway reads it."""
    signature = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
    if found := KEY.match(signature):
        return found.group(1).decode("latin-1")
    if not signature and not scope["query_string"]:
        return ""
    return joints.access_key(_headers(scope), _query(scope))


def _headers(scope: AsgiScope) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


def _query(scope: AsgiScope) -> dict[str, list[str]]:
    return parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
