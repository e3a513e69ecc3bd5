"""The objects of one bucket: put, fetched, and promised to others by a signed URL."""

import http.client
import urllib.parse
from typing import Protocol

from .aws import NoAnswerError, NoCredentialsError
from .connection import Reply, TooLargeError
from .refusals import Refusal

# Without leave to list the bucket, S3 says of an object that is not there that it may not be read.
_NOT_THERE = frozenset({403, 404})
_RETRY_SECONDS = 2


class Bucket(Protocol):
    """A bucket of S3, as `aws.bucket` makes one."""

    def ask(
        self, method: str, path: str, headers: dict[str, str], body: bytes = b"", *, max_bytes: int | None = None
    ) -> Reply: ...

    def presign(self, method: str, path: str, headers: dict[str, str], expires_seconds: int) -> str: ...


class Objects:
    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def put(self, key: str, body: bytes, content_type: str) -> None:
        reply = self._ask("PUT", key, {"Content-Type": content_type}, body)
        if reply.status != http.HTTPStatus.OK:
            raise _failed(reply)

    def get(self, key: str, max_bytes: int | None = None) -> bytes | None:
        """The object, or None where there is none; Refusal where it is larger than allowed."""
        try:
            reply = self._ask("GET", key, {}, max_bytes=max_bytes)
        except TooLargeError:
            raise Refusal(
                "image_too_large", f"The image is larger than the {max_bytes:,} bytes allowed; scale it down."
            ) from None
        if reply.status in _NOT_THERE:
            return None
        if reply.status != http.HTTPStatus.OK:
            raise _failed(reply)
        return reply.body

    def promise(self, key: str, headers: dict[str, str], expires_seconds: int) -> str:
        """A URL to which whoever holds it may put this one object, with these very headers."""
        try:
            return self._bucket.presign("PUT", _path(key), headers, expires_seconds)
        except NoCredentialsError as error:
            raise _unreachable(str(error)) from error

    def _ask(
        self, method: str, key: str, headers: dict[str, str], body: bytes = b"", *, max_bytes: int | None = None
    ) -> Reply:
        try:
            return self._bucket.ask(method, _path(key), headers, body, max_bytes=max_bytes)
        except (NoAnswerError, NoCredentialsError) as error:
            raise _unreachable(str(error)) from error


def _path(key: str) -> str:
    return "/" + urllib.parse.quote(key, safe="/~")


def _failed(reply: Reply) -> Refusal:
    return _unreachable(f"S3 answered {reply.status}")


def _unreachable(detail: str) -> Refusal:
    return Refusal(
        "storage_unavailable",
        "Images cannot be kept or fetched just now; try again in a moment.",
        retry_after_seconds=_RETRY_SECONDS,
        detail=detail,
    )
