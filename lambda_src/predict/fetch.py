"""Fetches an image from a public https URL chosen by a stranger, and from nowhere else.

The name is resolved once, every address is checked, the connection goes to a checked address with the certificate
checked for the name, and each redirect starts over. Time, bytes on the wire and bytes of the body are bounded.
"""

import http.client
import io
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import cached_property
from typing import TYPE_CHECKING, cast

from .addresses import Resolver, is_public, resolve
from .images import SNIFF_BYTES, content_type_of
from .links import HTTPS_PORT, Link, follow
from .refusals import Refusal

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MAX_REDIRECTS = 3
MAX_ADDRESSES_TRIED = 4
# Room for headers and chunk framing beside the body. Without a bound on the wire, a chunk of length -1 makes
# http.client read until the other side stops.
MAX_FRAMING_BYTES = 256 * 1024

Connector = Callable[[str, int, float], socket.socket]


def connect(address: str, port: int, timeout_seconds: float) -> socket.socket:
    """Connects to a numeric address, so that no name is resolved a second time."""
    return socket.create_connection((address, port), timeout_seconds)


class Fetcher:
    """Fetches images within one set of limits; resolver, connector and TLS are arguments for the sake of tests."""

    def __init__(
        self,
        *,
        timeout_seconds: float,
        max_bytes: int,
        allowed_hosts: Sequence[str] = (),
        resolver: Resolver = resolve,
        connector: Connector = connect,
        make_tls: Callable[[], ssl.SSLContext] = ssl.create_default_context,
    ) -> None:
        self._timeout_seconds = timeout_seconds
        self._max_bytes = max_bytes
        self._allowed_hosts = allowed_hosts
        self._resolver = resolver
        self._connector = connector
        self._make_tls = make_tls

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        # On first use: loading the certificate authorities takes longer than the rest of the function's start.
        return self._make_tls()

    def fetch(self, link: Link) -> bytes:
        """Returns the bytes behind the link, which begin as an image does."""
        deadline = _Deadline(self._timeout_seconds)
        for _ in range(MAX_REDIRECTS + 1):
            outcome = self._ask_or_refuse(link, deadline)
            if isinstance(outcome, bytes):
                return outcome
            link = outcome
        raise _unreachable(link, f"redirected more than {MAX_REDIRECTS} times")

    def _ask_or_refuse(self, link: Link, deadline: "_Deadline") -> bytes | Link:
        try:
            return self._ask(link, deadline)
        except TimeoutError:
            raise _unreachable(link, f"did not deliver the image within {self._timeout_seconds:g} s") from None
        except ssl.SSLCertVerificationError:
            raise _unreachable(link, "has no valid certificate for its name") from None
        except ssl.SSLError:
            raise _unreachable(link, "does not speak TLS as it should") from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = "could not be reached or broke off its answer"
            raise _unreachable(link, reason, detail=type(error).__name__) from None

    def _ask(self, link: Link, deadline: "_Deadline") -> bytes | Link:
        """One request: the image, or the link which a redirect names."""
        addresses = self._checked_addresses(link, deadline)
        with closing(self._open(addresses, link, deadline)) as sock:
            sock.settimeout(deadline.remaining_seconds())
            sock.sendall(_request(link))
            source = _BoundedSource(sock, deadline, self._max_bytes + MAX_FRAMING_BYTES)
            # HTTPResponse asks of its socket nothing but makefile.
            response = http.client.HTTPResponse(cast(socket.socket, source), method="GET")
            with closing(response):
                response.begin()
                location = response.getheader("Location")
                if response.status in (301, 302, 303, 307, 308) and location:
                    return follow(link, location)
                return self._body(link, response)

    def _checked_addresses(self, link: Link, deadline: "_Deadline") -> list[str]:
        allowed = self._allowed_hosts
        if allowed and not any(_matches(link.host, pattern) for pattern in allowed):
            raise Refusal("bad_url", f"Images may not be fetched from {link.host}; allowed: {', '.join(allowed)}.")
        try:
            addresses = self._resolver(link.host, deadline.remaining_seconds())
        except TimeoutError:
            raise
        except OSError:
            addresses = []
        # One private address among public ones is a name that will point elsewhere a moment later: refuse them all.
        # The same sentence for an unknown name, or the function would tell which names exist inside a network.
        if not addresses or not all(is_public(address) for address in addresses):
            raise Refusal(
                "bad_url", f"The URL's host {link.host} has no public address; link an image on the internet."
            )
        return addresses[:MAX_ADDRESSES_TRIED]

    def _open(self, addresses: list[str], link: Link, deadline: "_Deadline") -> ssl.SSLSocket:
        failure: OSError = OSError("no address")
        for tried, address in enumerate(addresses):
            share_seconds = deadline.remaining_seconds() / (len(addresses) - tried)
            try:
                sock = self._connector(address, HTTPS_PORT, share_seconds)
            except OSError as error:
                failure = error
                continue
            sock.settimeout(deadline.remaining_seconds())
            return self._tls.wrap_socket(sock, server_hostname=link.host)
        raise failure

    def _body(self, link: Link, response: http.client.HTTPResponse) -> bytes:
        if response.status != http.HTTPStatus.OK:
            raise _unreachable(link, f"answered with status {response.status}")
        if response.getheader("Content-Encoding", "identity").strip().lower() != "identity":
            raise _unreachable(link, "sent a compressed answer, which was not asked for")
        announced_bytes = response.length
        if announced_bytes is not None and announced_bytes > self._max_bytes:
            raise _too_large(self._max_bytes)
        # A page or a video is refused on its first bytes, not after megabytes of it.
        head = response.read(SNIFF_BYTES)
        content_type_of(head)
        body = head + response.read(self._max_bytes - len(head) + 1)
        if len(body) > self._max_bytes:
            raise _too_large(self._max_bytes)
        if announced_bytes is not None and len(body) < announced_bytes:
            raise _unreachable(link, "broke off in the middle of the image")
        return body


class _Deadline:
    """One moment that all steps of a fetch share."""

    def __init__(self, timeout_seconds: float) -> None:
        self._moment = time.monotonic() + timeout_seconds

    def remaining_seconds(self) -> float:
        remaining = self._moment - time.monotonic()
        if remaining <= 0:
            raise TimeoutError
        return remaining


class _BoundedSource(io.RawIOBase):
    """A socket's incoming bytes until the deadline or the limit; a server that dribbles gains nothing by it."""

    def __init__(self, sock: ssl.SSLSocket, deadline: _Deadline, max_bytes: int) -> None:
        self._sock = sock
        self._deadline = deadline
        self._bytes_left = max_bytes

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        if self._bytes_left <= 0:
            raise OSError("more bytes on the wire than any allowed image needs")
        self._sock.settimeout(self._deadline.remaining_seconds())
        count = self._sock.recv_into(buffer)
        self._bytes_left -= count
        return count


def _request(link: Link) -> bytes:
    return (
        f"GET {link.target} HTTP/1.1\r\n"
        f"Host: {link.host}\r\n"
        "User-Agent: whippet/0.1 (image classifier)\r\n"
        "Accept: image/jpeg, image/png, image/webp, image/gif\r\n"
        "Accept-Encoding: identity\r\n"
        "Connection: close\r\n\r\n"
    ).encode("ascii")


def _matches(host: str, pattern: str) -> bool:
    return host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern


def _unreachable(link: Link, reason: str, *, detail: str | None = None) -> Refusal:
    return Refusal(
        "url_unreachable",
        f"The URL's host {link.host} {reason}; check the link or send the image itself.",
        detail=detail,
    )


def _too_large(max_bytes: int) -> Refusal:
    return Refusal("image_too_large", f"The image is larger than the {max_bytes:,} bytes allowed; scale it down.")
