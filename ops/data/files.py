"""Bytes of pictures as they are sent: those that somebody looked at, or a sentence."""

import base64
import hashlib
from dataclasses import dataclass
from functools import cached_property

from ops.data.dataset import Picture
from ops.errors import OperatorError


def content_of(picture: Picture) -> bytes:
    try:
        content = picture.file.read_bytes()
    except OSError as error:
        raise _unreadable(picture, error) from None
    if hashlib.sha256(content).hexdigest() != picture.sha256:
        raise _changed(picture)
    return content


@dataclass(frozen=True)
class Parts:
    """A file cut into parts of one size, the last one aside."""

    picture: Picture
    size: int
    digests: tuple[bytes, ...]

    @property
    def checksum(self) -> str:
        """As S3 makes one for an object in parts: over the parts' own, and with their number."""
        return f"{_base64(hashlib.sha256(b''.join(self.digests)).digest())}-{len(self.digests)}"

    @cached_property
    def checksums(self) -> dict[int, str]:
        return {number: _base64(digest) for number, digest in enumerate(self.digests, start=1)}

    def hexdigest(self, number: int) -> str:
        return self.digests[number - 1].hex()

    def bytes_of(self, number: int) -> int:
        return min(self.size, self.picture.size - (number - 1) * self.size)

    def read(self, number: int) -> bytes:
        try:
            with self.picture.file.open("rb") as opened:
                opened.seek((number - 1) * self.size)
                content = opened.read(self.bytes_of(number))
        except OSError as error:
            raise _unreadable(self.picture, error) from None
        if hashlib.sha256(content).digest() != self.digests[number - 1]:
            raise _changed(self.picture)
        return content


def parts_of(picture: Picture, size: int) -> Parts:
    whole, digests = hashlib.sha256(), []
    try:
        with picture.file.open("rb") as opened:
            while content := opened.read(size):
                whole.update(content)
                digests.append(hashlib.sha256(content).digest())
    except OSError as error:
        raise _unreadable(picture, error) from None
    if whole.hexdigest() != picture.sha256:
        raise _changed(picture)
    return Parts(picture, size, tuple(digests))


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


def _changed(picture: Picture) -> OperatorError:
    return OperatorError(f"{picture.file} has changed since it was checked: run the same command again, it goes on.")


def _unreadable(picture: Picture, error: OSError) -> OperatorError:
    if isinstance(error, FileNotFoundError):
        return OperatorError(f"{picture.file} has gone since it was checked: run the same command again, it goes on.")
    return OperatorError(f"{picture.file} cannot be read ({error.strerror}): mend that and run the same command again.")
