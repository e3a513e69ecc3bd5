"""Requests about objects, many at once: signed by botocore, sent over urllib3's kept connections.

A call of boto3's takes three to five times the processor time of this (docs/bench.md): with thousands of files, most of
the time of a push. What is rare goes through boto3.
"""

import hashlib
import random
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import botocore.session
import urllib3
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.exceptions import ClientError, EndpointConnectionError
from botocore.httpsession import get_cert_path
from botocore.utils import get_environ_proxies

TRIES = 9
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.5, 20.0
CONNECT_SECONDS, READ_SECONDS = 10.0, 60.0
AGAIN = frozenset({408, 429, 500, 502, 503, 504})
# S3 calls a connection that fell silent a bad request.
AGAIN_CODES = frozenset({"RequestTimeout", "SlowDown", "InternalError"})
NO_BYTES = hashlib.sha256().hexdigest()
OPERATIONS = {"PUT": "PutObject", "HEAD": "HeadObject"}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]


class Stopped(Exception):
    """Nothing more is to be sent."""


class Wire:
    """Objects of one bucket. `s3` is a client of boto3's, `credentials` what signs for it."""

    def __init__(
        self,
        s3: Any,  # noqa: ANN401 - boto3 makes its clients at run time
        bucket: str,
        credentials: Any,  # noqa: ANN401
        *,
        trusted: str | None = None,
        connections: int,
    ) -> None:
        self._s3, self._bucket = s3, bucket
        self._credentials, self._region = credentials, s3.meta.region_name
        self._base = base_of(s3, bucket)
        self._pool = _pool(self._base, trusted, connections)
        self._path = urlsplit(self._base).path
        self._rest_until = 0.0
        self.stop = threading.Event()

    def send(
        self,
        method: str,
        key: str,
        *,
        query: str = "",
        body: bytes = b"",
        sha256: str = NO_BYTES,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Tried again where that helps; ClientError or EndpointConnectionError where it does not."""
        path = f"{self._path}/{quote(key, safe='/~')}{query}"
        for tried in range(1, TRIES + 1):
            self._rest(tried)
            signed = self._signed(method, key, query, sha256, headers or {})
            try:
                answer = self._pool.urlopen(
                    method, path, body=body, headers=signed, retries=False, redirect=False, assert_same_host=False
                )
            except (urllib3.exceptions.HTTPError, OSError) as error:
                if tried == TRIES:
                    raise EndpointConnectionError(endpoint_url=self._base, error=error) from error
                continue
            if answer.status < 300 or (method == "HEAD" and answer.status == 404):  # noqa: PLR2004
                return Answer(answer.status, answer.headers)
            code, said = _error_in(answer.data, answer.status)
            if tried == TRIES or not (answer.status in AGAIN or code in AGAIN_CODES):
                if method == "HEAD":
                    self._ask_why(key)
                raise ClientError({"Error": {"Code": code, "Message": said}}, OPERATIONS[method])
            if answer.status == 503:  # noqa: PLR2004 (S3's "slow down" is meant for all)
                self._rest_until = time.monotonic() + FIRST_WAIT_SECONDS
        raise AssertionError("the last try answers or raises")

    def _ask_why(self, key: str) -> None:
        """A refused HEAD has no words, not even those of an expired token: the same asked with GET, once."""
        self._s3.get_object(Bucket=self._bucket, Key=key, Range="bytes=0-0")["Body"].close()

    def _rest(self, tried: int) -> None:
        """Longer before each try, and never in step with the others."""
        wait = max(0.0, self._rest_until - time.monotonic())
        if tried > 1:
            wait += random.uniform(0, min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2 ** (tried - 2)))  # noqa: S311
        if self.stop.wait(wait) if wait else self.stop.is_set():
            raise Stopped

    def _signed(self, method: str, key: str, query: str, sha256: str, headers: Mapping[str, str]) -> dict[str, str]:
        request = AWSRequest(
            method,
            f"{self._base}/{quote(key, safe='/~')}{query}",
            headers={**headers, "X-Amz-Content-SHA256": sha256},
        )
        _Signature(self._credentials.get_frozen_credentials(), "s3", self._region).add_auth(request)
        return dict(request.headers.items())


class _Signature(S3SigV4Auth):
    """The hash of the content is known before: it is what the object is compared by."""

    def payload(self, request: AWSRequest) -> str:
        return str(request.headers["X-Amz-Content-SHA256"])


def base_of(s3: Any, bucket: str) -> str:  # noqa: ANN401
    """Where boto3 sends requests about the bucket's objects; nothing is sent.

    Not of a presigned URL: boto3 makes that for S3's global endpoint, which sends elsewhere in other regions.
    """
    made: list[str] = []

    def keep(params: dict[str, Any], **_: object) -> tuple[AWSResponse, dict[str, Any]]:
        made.append(params["url"])
        return AWSResponse(params["url"], 200, {}, None), {}

    s3.meta.events.register_first("before-call.*.*", keep)
    try:
        s3.head_object(Bucket=bucket, Key="k")
    finally:
        s3.meta.events.unregister("before-call.*.*", keep)
    return made[0].removesuffix("/k")


def _pool(base: str, trusted: str | None, connections: int) -> urllib3.HTTPConnectionPool:
    options: dict[str, Any] = {
        "maxsize": connections,
        "block": True,
        "timeout": urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
    }
    if base.startswith("https:"):
        profile = botocore.session.get_session().get_config_variable("ca_bundle")
        options |= {"cert_reqs": "CERT_REQUIRED", "ca_certs": trusted or profile or get_cert_path(True)}
    proxy = get_environ_proxies(base).get(urlsplit(base).scheme)
    manager = urllib3.ProxyManager(proxy, **options) if proxy else urllib3.PoolManager(**options)
    return manager.connection_from_url(base)


def _error_in(body: bytes, status: int) -> tuple[str, str]:
    """S3's own words, without a parser: only these two are looked for."""
    text = body.decode(errors="replace")
    code, said = (re.search(rf"<{name}>([^<]*)</{name}>", text) for name in ("Code", "Message"))
    return (code[1] if code else str(status)), (said[1] if said else "")
