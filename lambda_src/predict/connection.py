"""One request after another over a connection that is kept: as much of HTTP/1.1 (RFC 9112) as calls to AWS need.

http.client hands the few headers of each answer to the email package, and sends head and body apart: half of what a
round trip on a kept connection takes (docs/adr/0012-signed-connection.md).
"""

import re
import socket
from collections.abc import Mapping
from typing import NamedTuple

RECEIVED_BYTES = MAX_HEAD_BYTES = 65_536
MAX_INTERIM_ANSWERS = 8
# Above the 25 MB that an image may have, and the answers of a model.
MAX_BODY_BYTES = 32_000_000
_STATUS_LINE = re.compile(r"HTTP/1\.([01]) ([1-5]\d\d)(?: |$)", re.ASCII)
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;|$)")
_LENGTH = re.compile(r"\d{1,18}", re.ASCII)
_INTERIM, _SWITCHING = "1", "101"
_WITHOUT_BODY = frozenset({204, 304})


class BadAnswerError(OSError):
    """What came is no answer in HTTP/1.1, or not the whole of one."""


class TooLargeError(Exception):
    """The answer has more bytes than the caller would take."""


class Reply(NamedTuple):
    status: int
    headers: Mapping[str, str]
    """By their names in lower case."""
    body: bytes


class Connection:
    """`can_go_on` says whether the last answer was read to its end and another request may follow."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._incoming = _Incoming(sock)
        self.can_go_on = True

    def exchange(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, max_bytes: int | None
    ) -> Reply:
        """The answer to a request; ConnectionResetError where the other side has hung up instead."""
        self.can_go_on = False
        # Together, so that the other side wakes up once, and for all of it.
        self._socket.sendall(_head(method, target, headers, len(body)) + body)
        minor_version, status, fields = self._begin()
        content, to_its_end = self._content(status, fields, max_bytes)
        options = fields.get("connection", "").lower().split(",")
        closes = minor_version != "1" or "close" in map(str.strip, options)
        # What comes unasked would be taken for the next answer.
        self.can_go_on = to_its_end and not closes and not self._incoming.at_hand()
        return Reply(status, fields, content)

    def close(self) -> None:
        self._socket.close()

    def _begin(self) -> tuple[str, int, dict[str, str]]:
        """Version, status and headers; what is said in the meantime (1xx) is passed over."""
        for _ in range(MAX_INTERIM_ANSWERS):
            if not self._incoming.has_more():
                raise ConnectionResetError("hung up")
            first, *lines = self._incoming.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
            said = _STATUS_LINE.match(first)
            if said is None or said[2] == _SWITCHING:
                raise BadAnswerError("no status line")
            if not said[2].startswith(_INTERIM):
                return said[1], int(said[2]), _fields(lines)
        raise BadAnswerError("no end of interim answers")

    def _content(self, status: int, fields: dict[str, str], max_bytes: int | None) -> tuple[bytes, bool]:
        """The body, and whether the connection is then where the next answer begins."""
        if status in _WITHOUT_BODY:
            return b"", True
        coding, length = fields.get("transfer-encoding"), fields.get("content-length")
        if coding is not None:
            if coding.lower() != "chunked":
                raise BadAnswerError("unknown transfer coding")
            # With both, one of the two is somebody else's: RFC 9112 has the connection end there.
            return self._chunks(max_bytes), length is None
        if length is not None:
            if not _LENGTH.fullmatch(length):
                raise BadAnswerError("no length")
            return self._incoming.exactly(_within(int(length), max_bytes)), True
        whole = bytearray()
        while self._incoming.has_more():
            whole += self._incoming.at_hand()
            _within(len(whole), max_bytes)
        return bytes(whole), False

    def _chunks(self, max_bytes: int | None) -> bytes:
        whole = bytearray()
        while True:
            size = _CHUNK.match(self._incoming.until(b"\r\n"))
            if size is None:
                raise BadAnswerError("no chunk")
            count = int(size[1], 16)
            if not count:
                # What comes after the chunks, headers of no use by then.
                passed_over = 0
                while line := self._incoming.until(b"\r\n"):
                    passed_over += len(line)
                    if passed_over > MAX_HEAD_BYTES:
                        raise BadAnswerError("no end of trailers")
                return bytes(whole)
            _within(len(whole) + count, max_bytes)
            whole += self._incoming.exactly(count)
            if self._incoming.until(b"\r\n"):
                raise BadAnswerError("no end of a chunk")


class _Incoming:
    """What has come over a socket and was not taken yet."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._came = b""

    def has_more(self) -> bool:
        """Waits for it; False where the other side has hung up."""
        if not self._came:
            self._came = self._socket.recv(RECEIVED_BYTES)
        return bool(self._came)

    def at_hand(self) -> bytes:
        taken, self._came = self._came, b""
        return taken

    def until(self, end: bytes) -> bytes:
        """All before the end, which is taken as well."""
        searched = 0
        while (place := self._came.find(end, searched)) < 0:
            if len(self._came) > MAX_HEAD_BYTES:
                raise BadAnswerError("no end of a line or head")
            searched = max(0, len(self._came) - len(end))
            self._came += self._received()
        taken, self._came = self._came[:place], self._came[place + len(end) :]
        return taken

    def exactly(self, count: int) -> bytes:
        if len(self._came) >= count:
            taken, self._came = self._came[:count], self._came[count:]
            return taken
        parts = [self.at_hand()]
        missing = count - len(parts[0])
        while missing:
            parts.append(self._received(missing))
            missing -= len(parts[-1])
        return b"".join(parts)

    def _received(self, most: int = RECEIVED_BYTES) -> bytes:
        came = self._socket.recv(min(most, RECEIVED_BYTES))
        if not came:
            raise BadAnswerError("broken off")
        return came


def _fields(lines: list[str]) -> dict[str, str]:
    fields: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not _HEADER_NAME.fullmatch(name):
            raise BadAnswerError("no header")
        key, said = name.lower(), value.strip(" \t")
        fields[key] = f"{fields[key]}, {said}" if key in fields else said
    return fields


def _head(method: str, target: str, headers: Mapping[str, str], length: int) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    if length or method != "GET":
        lines.append(f"Content-Length: {length}")
    if not all(line.isprintable() for line in lines):
        raise ValueError("a control character in a request's head")
    return "\r\n".join([*lines, "", ""]).encode("ascii")


def _within(count: int, max_bytes: int | None) -> int:
    if max_bytes is not None and count > max_bytes:
        raise TooLargeError
    if count > MAX_BODY_BYTES:
        raise BadAnswerError("more than any answer has")
    return count
