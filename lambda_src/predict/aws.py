"""Calls to AWS: signed by botocore's own signer, sent over connections that are kept alive.

Less than a client of botocore, which reads the models of its services at start; docs/adr/0012-signed-connection.md
says what that costs and what is done without.
"""

import socket
import ssl
import urllib.parse
from collections.abc import Mapping
from functools import cached_property
from typing import NamedTuple

from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest

from .connection import Connection, Reply
from .signing import BucketSigner, Signer

HTTP_PORT, HTTPS_PORT = 80, 443
MAX_CONNECT_SECONDS = 2.0
# How a connection ends that the other side closed while nobody used it.
_STALE = (ConnectionResetError, ConnectionAbortedError, BrokenPipeError, ssl.SSLEOFError, ssl.SSLZeroReturnError)
_SIGNERS = {"s3": BucketSigner}


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


class Aws:
    """Where AWS is and who we are, as the environment says it."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or "us-east-1"

    def credentials(self) -> Credentials:
        """Read anew for each request: whoever runs the function may renew them while it lives."""
        access_key, secret_key = map(self._needed, ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"))
        return Credentials(access_key, secret_key, self._environment.get("AWS_SESSION_TOKEN") or None)

    def _needed(self, variable: str) -> str:
        found = self._environment.get(variable)
        if not found:
            raise NoCredentialsError(f"{variable} is not set")
        return found

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
        self._place = urllib.parse.urlsplit(url)
        self._answer_seconds = answer_seconds
        self._idle: list[Connection] = []

    def ask(
        self, method: str, path: str, headers: dict[str, str], body: bytes = b"", *, max_bytes: int | None = None
    ) -> Reply:
        """The answer, whatever its status. A connection that went stale in the meantime is made anew, once."""
        signed = self._signed(method, path, headers, body)

        def exchange(connection: Connection) -> Reply:
            try:
                return connection.exchange(method, self._place.path + path, signed, body, max_bytes)
            finally:
                if connection.can_go_on:
                    self._idle.append(connection)
                else:
                    connection.close()

        try:
            if (waiting := self._take()) is not None:
                try:
                    return exchange(waiting)
                except _STALE:
                    # Those beside it slept as long.
                    self.close()
            return exchange(self._connect())
        except TimeoutError as error:
            raise NoAnswerError(error, timed_out=True) from error
        except OSError as error:
            raise NoAnswerError(error, timed_out=False) from error

    def presign(self, method: str, path: str, headers: dict[str, str], expires_seconds: int) -> str:
        """A URL that lets whoever holds it send this one request, with these headers, until it expires."""
        request = AWSRequest(method=method, url=self._url + path, headers=headers)
        S3SigV4QueryAuth(self._aws.credentials(), self._name, self._aws.region, expires_seconds).add_auth(request)
        return str(request.url)

    def close(self) -> None:
        """Gives up the connections that wait; the next request makes a new one."""
        while (waiting := self._take()) is not None:
            waiting.close()

    def _take(self) -> Connection | None:
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _signed(self, method: str, path: str, headers: dict[str, str], body: bytes) -> dict[str, str]:
        request = AWSRequest(method=method, url=self._url + path, data=body)
        # Its own kind of headers belongs to the email package, and takes ten times as long.
        request.headers = signed = {"Host": self._place.netloc, **headers}
        signer = _SIGNERS.get(self._name, Signer)
        signer(self._aws.credentials(), self._name, self._aws.region).add_auth(request)
        return {**signed, "Accept-Encoding": "identity"}

    def _connect(self) -> Connection:
        host, encrypted = self._place.hostname or "", self._place.scheme == "https"
        port = self._place.port or (HTTPS_PORT if encrypted else HTTP_PORT)
        try:
            sock = socket.create_connection((host, port), min(MAX_CONNECT_SECONDS, self._answer_seconds))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if encrypted:
                sock = self._aws.tls.wrap_socket(sock, server_hostname=host)
        except TimeoutError as error:
            # Nobody works on a request that was never sent.
            raise NoAnswerError(error, timed_out=False) from error
        sock.settimeout(self._answer_seconds)
        return Connection(sock)


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
