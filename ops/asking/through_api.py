"""Through the API: pictures in the request, large ones by a signed upload, links by their address."""

import contextlib
import http.client
import json
import random
import ssl
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from ops.asking.answer import Answered, AnswerError, hops, read, refusal
from ops.asking.pictures import Picture, kind_of
from ops.asking.target import TIMEOUT_SECONDS, Target
from ops.errors import NotReached

OK, CREATED, ACCEPTED = 200, 201, 202
UNAUTHORIZED, FORBIDDEN = 401, 403
SLOW_DOWN = (429, 503)
TRIES, FIRST_WAIT_SECONDS = 6, 0.25
JSON = {"Content-Type": "application/json"}
STALE = (ConnectionResetError, BrokenPipeError, http.client.RemoteDisconnected)


@dataclass(frozen=True)
class Reply:
    status: int
    headers: http.client.HTTPMessage
    body: bytes


@dataclass
class ThroughApi:
    target: Target
    s3: Any
    top_k: int | None
    max_image_bytes: int
    max_upload_bytes: int
    wait_seconds: float
    poll_seconds: float
    upload_context: ssl.SSLContext
    # Those that wait between requests; threads may ask at the same time.
    _idle: list[http.client.HTTPConnection] = field(default_factory=list)

    def ask(self, picture: Picture) -> Answered:
        began = time.monotonic()
        reply = self._patiently(picture)
        if reply.status == ACCEPTED:
            reply = self._result(picture.name, reply)
        total = (time.monotonic() - began) * 1000
        if reply.status != OK:
            raise self._refused(picture.name, reply)
        said = read(picture.name, reply.body)
        spent, steps = hops("api", total, reply.headers.get("server-timing", ""))
        return Answered(picture.name, said["predictions"], said["model_version"], said["variant"], spent, steps)

    def _patiently(self, picture: Picture) -> Reply:
        """Throttled, it is asked again, each time after a longer wait with jitter, as botocore does for the others."""
        reply = self._predicted(picture)
        for number in range(1, TRIES):
            if reply.status not in SLOW_DOWN:
                break
            # Half of it at least: many that wait a moment only would be too many again.
            time.sleep(FIRST_WAIT_SECONDS * 2**number * random.uniform(0.5, 1))  # noqa: S311 - no secret
            reply = self._predicted(picture)
        return reply

    def _predicted(self, picture: Picture) -> Reply:
        path = "/predict" + (f"?top_k={self.top_k}" if self.top_k else "")
        if picture.url:
            return self._send("POST", path, json.dumps({"url": picture.url}).encode(), JSON)
        content = picture.read(self.s3)
        kind = kind_of(content, picture.name)
        if len(content) <= self.max_image_bytes:
            return self._send("POST", path, content, {"Content-Type": kind})
        if len(content) > self.max_upload_bytes:
            raise AnswerError(
                f"{picture.name} has {len(content):,} bytes; the API takes {self.max_image_bytes:,} in a request and "
                f"{self.max_upload_bytes:,} by upload: scale it down, or ask with --via endpoint."
            )
        key = self._uploaded(picture.name, content, kind)
        return self._send("POST", path, json.dumps({"s3": {"key": key}}).encode(), JSON)

    def _uploaded(self, name: str, content: bytes, kind: str) -> str:
        wanted = json.dumps({"content_type": kind, "bytes": len(content)}).encode()
        offered = self._send("POST", "/uploads", wanted, JSON)
        if offered.status != CREATED:
            raise self._refused(name, offered)
        place = json.loads(offered.body)
        url = urlsplit(place["url"])
        connection = http.client.HTTPSConnection(
            str(url.hostname), url.port, timeout=TIMEOUT_SECONDS, context=self.upload_context
        )
        try:
            connection.request(place["method"], f"{url.path}?{url.query}", content, place["headers"])
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise AnswerError(f"{name}: its upload to S3 broke off: {error}.") from None
        finally:
            connection.close()
        if answer.status != OK:
            raise refusal(name, "S3", answer.status, body)
        return str(place["key"])

    def _result(self, name: str, accepted: Reply) -> Reply:
        """What an asynchronous endpoint finds, in its time."""
        location, until = accepted.headers.get("location", ""), time.monotonic() + self.wait_seconds
        reply = accepted
        while reply.status == ACCEPTED:
            if time.monotonic() > until:
                raise AnswerError(
                    f"{name}: no result within {self.wait_seconds:g} s; it will be at {location}; --wait waits longer."
                )
            time.sleep(self.poll_seconds)
            reply = self._send("GET", location, b"", {})
        return reply

    def _refused(self, name: str, reply: Reply) -> Exception:
        """What concerns every picture alike is no fault of this one."""
        if reply.status == UNAUTHORIZED:
            return NotReached("The API does not take this token: it may have expired; get a new one.")
        if reply.status == FORBIDDEN:
            return NotReached("The API does not let these credentials predict: they need execute-api:Invoke.")
        return refusal(name, "the API", reply.status, reply.body)

    def _send(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> Reply:
        """Over a connection that is kept; one that went stale is made anew, once."""
        signed = self.target.sign(method, path, body, headers)
        try:
            if self._idle:
                with contextlib.suppress(*STALE):
                    return self._exchange(self._idle.pop(), method, path, body, signed)
            return self._exchange(self.target.connect(), method, path, body, signed)
        except (OSError, http.client.HTTPException) as error:
            raise NotReached(f"The API at {self.target.host} cannot be reached: {error}.") from None

    def _exchange(
        self, connection: http.client.HTTPConnection, method: str, path: str, body: bytes, headers: dict[str, str]
    ) -> Reply:
        try:
            connection.request(method, path, body or None, headers)
            answer = connection.getresponse()
            found = Reply(answer.status, answer.headers, answer.read())
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)
        return found

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()
