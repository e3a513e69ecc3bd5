"""S3's server access log: requests to buckets that ask for it, delivered as objects to the buckets that they name.

A request leaves what was seen of it in a bounded queue; lines are written and delivered behind it, every few seconds.
Deliveries are no requests, so a log never logs itself.
"""

import asyncio
import logging
import re
import secrets
import time
from collections import deque
from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, quote
from xml.sax.saxutils import unescape

from local import joints, joints_s3
from local.gateway import Application, AsgiEvent, AsgiScope, Receive, Send
from local.s3_operations import operation

SERVICE = "logging.s3.amazonaws.com"
PENDING_LIMIT = 50_000
# An error's code is near the beginning of its document.
ERROR_BYTES = 1024
logger = logging.getLogger("embedded-aws")


@dataclass
class Exchange:
    """A request and its answer, as the door saw them."""

    bucket: joints_s3.LoggedBucket
    request: AsgiScope
    begun: datetime
    status: int = 0
    answer: MutableMapping[str, str] = field(default_factory=dict)
    received_bytes: int = 0
    sent_bytes: int = 0
    error: bytes = b""
    total_ms: int = 0

    def saw(self, event: AsgiEvent) -> None:
        if event["type"] == "http.response.start":
            self.status = event["status"]
            self.answer = _headers(event.get("headers", ()))
        elif event["type"] == "http.response.body":
            body = event.get("body", b"")
            self.sent_bytes += len(body)
            if self.status >= 400 and len(self.error) < ERROR_BYTES:  # noqa: PLR2004 - the first of HTTP's errors
                self.error += body[:ERROR_BYTES]


class AccessLog:
    """An ASGI application around MiniStack's."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._pending: deque[Exchange] = deque()
        self._lost = 0
        self._delivering = asyncio.Lock()
        self._warned: set[tuple[str, str]] = set()

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        bucket = joints_s3.logged_bucket(_host(scope), scope["path"]) if scope["type"] == "http" else None
        if bucket is None:
            await self._application(scope, receive, send)
            return
        # MiniStack may rewrite the scope that it is given.
        seen, began = Exchange(bucket, dict(scope), datetime.now(UTC)), time.monotonic()

        async def counting() -> AsgiEvent:
            event = await receive()
            seen.received_bytes += len(event.get("body", b""))
            return event

        async def noting(event: AsgiEvent) -> None:
            seen.saw(event)
            await send(event)

        try:
            await self._application(scope, counting, noting)
        finally:
            seen.total_ms = int((time.monotonic() - began) * 1000)
            self._keep(seen)

    def _keep(self, seen: Exchange) -> None:
        if len(self._pending) < PENDING_LIMIT:
            self._pending.append(seen)
        else:
            self._lost += 1

    async def deliver(self) -> None:
        """What came since the last time, one object for each bucket and destination."""
        async with self._delivering:
            seen = [self._pending.popleft() for _ in range(len(self._pending))]
            if self._lost:
                logger.warning("%d requests are not in the access log: more came than it holds", self._lost)
                self._lost = 0
            for (bucket, target, prefix), lines in (await asyncio.to_thread(_batches, seen)).items():
                self._put(bucket, target, prefix, lines)

    def _put(self, bucket: joints_s3.LoggedBucket, target: str, prefix: str, lines: list[str]) -> None:
        """On the loop, where S3's own requests run."""
        key = f"{prefix}{datetime.now(UTC):%Y-%m-%d-%H-%M-%S}-{secrets.token_hex(8).upper()}"
        with joints.scope(bucket.account, bucket.region):
            allowed = _allowed(bucket, target, key)
            if allowed and joints_s3.put_object(target, key, "".join(lines).encode()) == 200:  # noqa: PLR2004 - HTTP's OK
                self._warned.discard((bucket.name, target))
            elif (bucket.name, target) not in self._warned:
                self._warned.add((bucket.name, target))
                logger.warning(
                    "the access log of %s is not delivered to %s: that bucket must be of the same account and region, "
                    "without a KMS key, and its policy must let %s put objects",
                    bucket.name,
                    target,
                    SERVICE,
                )


def _allowed(bucket: joints_s3.LoggedBucket, target: str, key: str) -> bool:
    policy = joints_s3.bucket_policy(target)
    if policy is None or not joints_s3.takes_logs(bucket.account, bucket.region, target):
        return False
    context = {
        "aws:SourceArn": f"arn:aws:s3:::{bucket.name}",
        "aws:SourceAccount": bucket.account,
        "aws:PrincipalIsAWSService": "true",
    }
    return joints.service_may(policy, SERVICE, "s3:PutObject", f"arn:aws:s3:::{target}/{key}", bucket.region, context)


def _batches(seen: Iterable[Exchange]) -> dict[tuple[joints_s3.LoggedBucket, str, str], list[str]]:
    found: dict[tuple[joints_s3.LoggedBucket, str, str], list[str]] = {}
    for exchange in seen:
        target, prefix = destination(exchange.bucket.configuration)
        if target and _is_s3(exchange):
            found.setdefault((exchange.bucket, target, prefix), []).append(line(exchange))
    return found


def destination(configuration: str) -> tuple[str, str]:
    """(bucket, prefix) of a BucketLoggingStatus; no bucket where logging is off."""
    return _text("TargetBucket", configuration), _text("TargetPrefix", configuration)


def _text(tag: str, document: str) -> str:
    found = re.search(rf"<(?:\w+:)?{tag}>([^<]*)<", document)
    return unescape(found.group(1), {"&quot;": '"', "&apos;": "'"}).strip() if found else ""


def line(seen: Exchange) -> str:
    """One line of the format that AWS documents, up to its ACL field; "-" where a value is unknown or none."""
    request, headers, query = seen.request, _headers(seen.request["headers"]), _query(seen.request)
    key = _key(seen)
    uri = request.get("raw_path", request["path"].encode()).decode("latin-1")
    uri += f"?{request['query_string'].decode('latin-1')}" if request["query_string"] else ""
    signature, kind = _signature(headers, query)
    error = re.search(rb"<Code>(\w+)</Code>", seen.error)
    fields = (
        joints_s3.canonical_user(seen.bucket.account),
        seen.bucket.name,
        f"[{seen.begun:%d/%b/%Y:%H:%M:%S +0000}]",
        (request.get("client") or ("-",))[0],
        _requester(seen, headers, query) if kind != "-" else "-",
        seen.answer.get("x-amz-request-id") or seen.answer.get("x-amzn-requestid") or "-",
        operation(request["method"], bool(key), query, headers),
        quote(key) or "-",
        _quoted(f"{request['method']} {uri} HTTP/{request['http_version']}"),
        str(seen.status or "-"),
        error.group(1).decode() if error else "-",
        str(seen.sent_bytes or "-"),
        _object_size(seen, headers, bool(key)),
        str(seen.total_ms),
        "-",
        _quoted(headers.get("referer", "-")),
        _quoted(headers.get("user-agent", "-")),
        query.get("versionId", ["-"])[0],
        seen.answer.get("x-amz-id-2", "-"),
        signature,
        "-",
        kind,
        headers.get("host", "-"),
        "-",
        "-",
        "-",
    )
    return " ".join(fields) + "\n"


def _requester(seen: Exchange, headers: MutableMapping[str, str], query: dict[str, list[str]]) -> str:
    """The account's own key shows as its canonical user, everybody else by ARN; nobody where the signature is wrong."""
    if b"<Code>SignatureDoesNotMatch</Code>" in seen.error:
        return "-"
    with joints.scope(seen.bucket.account, seen.bucket.region):
        who = joints_s3.caller(joints.access_key(headers, query))
    if who is None:
        return "-"
    arn = str(who["userArn"])
    return joints_s3.canonical_user(who["accountId"]) if arn.endswith(":root") else arn


def _signature(headers: MutableMapping[str, str], query: dict[str, list[str]]) -> tuple[str, str]:
    authorization = headers.get("authorization", "")
    if authorization:
        return "SigV4" if authorization.startswith("AWS4-") else "SigV2", "AuthHeader"
    if "X-Amz-Signature" in query:
        return "SigV4", "QueryString"
    return ("SigV2", "QueryString") if "Signature" in query else ("-", "-")


def _object_size(seen: Exchange, headers: MutableMapping[str, str], has_key: bool) -> str:
    if not has_key or seen.status >= 300:  # noqa: PLR2004 - HTTP: not a success
        return "-"
    if seen.request["method"] == "PUT":
        # A body signed in chunks says what it is without them.
        return headers.get("x-amz-decoded-content-length") or str(seen.received_bytes or "-")
    whole = seen.answer.get("content-range", "").rpartition("/")[2] or seen.answer.get("content-length", "")
    return whole if seen.request["method"] in ("GET", "HEAD") and whole.isdigit() else "-"


def _is_s3(seen: Exchange) -> bool:
    """A bucket's name may begin another service's path."""
    if joints_s3.virtual_host_bucket(_host(seen.request)):
        return True
    request = seen.request
    return joints_s3.is_for_s3(request["method"], request["path"], _headers(request["headers"]), _query(request))


def _key(seen: Exchange) -> str:
    path = str(seen.request["path"]).removeprefix("/")
    return path if joints_s3.virtual_host_bucket(_host(seen.request)) else path.partition("/")[2]


def _quoted(text: str) -> str:
    """A quote inside would end the field."""
    return text if text == "-" else '"' + text.replace('"', "%22") + '"'


def _query(scope: AsgiScope) -> dict[str, list[str]]:
    return parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)


def _headers(pairs: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in pairs}


def _host(scope: Any) -> str:  # noqa: ANN401 - an ASGI scope
    for name, value in scope.get("headers", ()):
        if name == b"host":
            return str(value.decode("latin-1"))
    return ""
