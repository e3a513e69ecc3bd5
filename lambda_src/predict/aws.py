"""Calls to AWS: signed by botocore's own signer, sent over connections of http.client that are kept alive.

Less than a client of botocore, which reads the models of its services at start; docs/adr/0012-signed-connection.md
says what that costs and what is done without.
"""

import http.client
import socket
import ssl
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth
from botocore.awsrequest import AWSRequest

MAX_CONNECT_SECONDS = 2.0
# How a connection ends that the other side closed while nobody used it.
_STALE = (ConnectionResetError, ConnectionAbortedError, BrokenPipeError, ssl.SSLEOFError, ssl.SSLZeroReturnError)
_SIGNERS = {"s3": S3SigV4Auth}


class Credentials(NamedTuple):
    """As botocore's signer reads them."""

    access_key: str
    secret_key: str
    token: str | None


class NoCredentialsError(Exception):
    """The environment holds no credentials of AWS."""


class NoAnswerError(Exception):
    """AWS could not be asked, or did not answer; `timed_out` says whether it may be working on the request still."""

    def __init__(self, cause: BaseException, *, timed_out: bool) -> None:
        super().__init__(type(cause).__name__)
        self.timed_out = timed_out


class TooLargeError(Exception):
    """The answer has more bytes than the caller would take."""


@dataclass(frozen=True)
class Reply:
    status: int
    headers: http.client.HTTPMessage
    body: bytes


@dataclass(frozen=True)
class _Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    max_bytes: int | None


class Aws:
    """Where AWS is and who we are, as the environment says it."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or "us-east-1"

    def credentials(self) -> Credentials:
        """Read anew for each request: whoever runs the function may renew them while it lives."""
        for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            if not self._environment.get(variable):
                raise NoCredentialsError(f"{variable} is not set")
        return Credentials(
            self._environment["AWS_ACCESS_KEY_ID"],
            self._environment["AWS_SECRET_ACCESS_KEY"],
            self._environment.get("AWS_SESSION_TOKEN") or None,
        )

    def endpoint_url(self, variable: str) -> str | None:
        """Another place than AWS's own, in the variables that AWS's tools share."""
        found = self._environment.get(f"AWS_ENDPOINT_URL_{variable}") or self._environment.get("AWS_ENDPOINT_URL")
        return found.rstrip("/") if found else None

    @property
    def domain(self) -> str:
        return "amazonaws.com.cn" if self.region.startswith("cn-") else "amazonaws.com"

    @cached_property
    def tls(self) -> ssl.SSLContext:
        # On first use: loading the certificate authorities takes longer than the rest of the function's start.
        return ssl.create_default_context(cafile=self._environment.get("AWS_CA_BUNDLE") or None)


class Service:
    """One of AWS's services. Connections wait here between requests; threads may ask at the same time."""

    def __init__(self, aws: Aws, *, name: str, url: str, answer_seconds: float) -> None:
        self._aws, self._name, self._url = aws, name, url
        self._base_path = urllib.parse.urlsplit(url).path
        self._answer_seconds = answer_seconds
        self._idle: list[http.client.HTTPConnection] = []

    def ask(
        self, method: str, path: str, headers: dict[str, str], body: bytes = b"", *, max_bytes: int | None = None
    ) -> Reply:
        """The answer, whatever its status. A connection that went stale in the meantime is made anew, once.

        For requests that may be repeated: one that met a closing connection may have been worked on.
        """
        request = _Request(method, path, self._signed(method, path, headers, body), body, max_bytes)
        try:
            if self._idle:
                try:
                    return self._exchange(self._idle.pop(), request)
                except _STALE:
                    # Those beside it slept as long.
                    self.close()
            return self._exchange(self._connect(), request)
        except TimeoutError as error:
            raise NoAnswerError(error, timed_out=True) from error
        except (OSError, http.client.HTTPException) as error:
            raise NoAnswerError(error, timed_out=False) from error

    def presign(self, method: str, path: str, headers: dict[str, str], expires_seconds: int) -> str:
        """A URL that lets whoever holds it send this one request, with these headers, until it expires."""
        request = AWSRequest(method=method, url=self._url + path, headers=headers)
        S3SigV4QueryAuth(self._aws.credentials(), self._name, self._aws.region, expires_seconds).add_auth(request)
        return str(request.url)

    def close(self) -> None:
        """Gives up the connections that wait; the next request makes a new one."""
        while self._idle:
            self._idle.pop().close()

    def _signed(self, method: str, path: str, headers: dict[str, str], body: bytes) -> dict[str, str]:
        request = AWSRequest(method=method, url=self._url + path, data=body, headers=headers)
        signer = _SIGNERS.get(self._name, SigV4Auth)
        signer(self._aws.credentials(), self._name, self._aws.region).add_auth(request)
        return dict(request.headers.items())

    def _connect(self) -> http.client.HTTPConnection:
        parts = urllib.parse.urlsplit(self._url)
        limit = min(MAX_CONNECT_SECONDS, self._answer_seconds)
        connection = (
            http.client.HTTPSConnection(parts.hostname or "", parts.port, timeout=limit, context=self._aws.tls)
            if parts.scheme == "https"
            else http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=limit)
        )
        try:
            connection.connect()
        except TimeoutError as error:
            # Nobody works on a request that was never sent.
            raise NoAnswerError(error, timed_out=False) from error
        sock: socket.socket = connection.sock
        sock.settimeout(self._answer_seconds)
        return connection

    def _exchange(self, connection: http.client.HTTPConnection, request: _Request) -> Reply:
        kept = False
        try:
            connection.request(request.method, self._base_path + request.path, request.body, request.headers)
            response = connection.getresponse()
            content = _content(response, request.max_bytes)
            kept = response.isclosed() and connection.sock is not None
            return Reply(response.status, response.headers, content)
        finally:
            if kept:
                self._idle.append(connection)
            else:
                connection.close()


def _content(response: http.client.HTTPResponse, max_bytes: int | None) -> bytes:
    if max_bytes is None:
        return response.read()
    if (response.length or 0) > max_bytes:
        raise TooLargeError
    content = response.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise TooLargeError
    return content


def runtime(aws: Aws, answer_seconds: float) -> Service:
    """SageMaker's runtime, which invokes endpoints."""
    own = f"https://runtime.sagemaker.{aws.region}.{aws.domain}"
    url = aws.endpoint_url("SAGEMAKER_RUNTIME") or own
    return Service(aws, name="sagemaker", url=url, answer_seconds=answer_seconds)


def bucket(aws: Aws, name: str, answer_seconds: float) -> Service:
    """One bucket of S3; paths are keys."""
    elsewhere = aws.endpoint_url("S3")
    url = f"{elsewhere}/{name}" if elsewhere else f"https://{name}.s3.{aws.region}.{aws.domain}"
    return Service(aws, name="s3", url=url, answer_seconds=answer_seconds)
