"""An internet of one's own: a name server over UDP, a web server over TLS, an endpoint, and the packaged function.

`python -m tests.lambda_src.predict.own_internet FOLDER namespace|seams`, FOLDER holding the unpacked function, prints what
the function made of each of CASES. In a network namespace nothing of the function is replaced: 93.184.216.34 is this
machine there, and the system's resolver asks the name server. Where nobody may make one, the function's resolver asks the
same name server, and its connections are led to the same web server.
"""

import contextlib
import dataclasses
import gzip
import io
import json
import os
import random
import socket
import ssl
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.hostile import png_header
from tests.lambda_src.certificates import make_authority
from tests.lambda_src.predict.aws_server import KEYS, aws_server
from tests.lambda_src.predict.samples import ENVIRONMENT, JPEG, PREDICTIONS
from tests.lambda_src.tls_server import Script, TlsServer, answer, raw, redirect, running_server

PUBLIC, METADATA = "93.184.216.34", "169.254.169.254"
DOMAIN = "example.com"
FETCH_SECONDS = 1.5
# Said by every server that is refused; none of it may come back to whoever sent the link.
SECRET = b"what lies behind the link"
SVG = b"<svg xmlns='http://www.w3.org/2000/svg'><!-- " + SECRET + b" --></svg>"
PAGE = b"<!doctype html><title>" + SECRET + b"</title>"


def dribble(first: bytes, then: bytes) -> Script:
    """A byte every 20 milliseconds, for ever as far as any caller cares."""

    def send(sock: ssl.SSLSocket) -> None:
        sock.sendall(first)
        for _ in range(500):
            sock.sendall(then)
            time.sleep(0.02)

    return send


def announce(length: int) -> Script:
    """Says how much will come; who waits for it has waited in vain."""

    def send(sock: ssl.SSLSocket) -> None:
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length + JPEG)
        time.sleep(10)

    return send


@dataclass(frozen=True)
class Case:
    """A name, what its addresses are (one list a question, the last again and again), and what its web server says."""

    code: str
    script: Script = dataclasses.field(default_factory=lambda: answer(JPEG))
    addresses: tuple[tuple[str, ...], ...] = ((PUBLIC,),)
    connections: int = 1
    questions: int = 1


CASES = {
    "dog": Case("ok"),
    "svg": Case("image_format_unknown", answer(SVG, "Content-Type: image/png")),
    "page": Case("image_format_unknown", answer(PAGE, "Content-Type: image/jpeg")),
    "giant-png": Case("image_too_large", answer(png_header(60_000, 60_000) + SECRET)),
    "gzip-bomb": Case(
        "url_unreachable",
        answer(gzip.compress(JPEG + bytes(20_000_000)), "Content-Encoding: gzip", "X-Say: " + str(SECRET)),
    ),
    "gzip-file": Case("image_format_unknown", answer(gzip.compress(JPEG + SECRET))),
    "100-mb": Case("image_too_large", announce(100_000_000)),
    "100-mb-unsaid": Case("image_too_large", raw(b"HTTP/1.1 200 OK\r\n\r\n" + JPEG + SECRET + bytes(6_000_000))),
    "dribbling-body": Case("url_unreachable", dribble(b"HTTP/1.1 200 OK\r\n\r\n" + JPEG, b"x")),
    "dribbling-head": Case("url_unreachable", dribble(b"HTTP/1.1 200 OK\r\nX-Long: ", b"x")),
    "error-page": Case("url_unreachable", answer(PAGE, status="403 Forbidden")),
    "rebinding": Case("ok", addresses=((PUBLIC,), ("127.0.0.1",))),
    "rebinding-between": Case(
        "bad_url", redirect(f"https://rebinding-between.{DOMAIN}/again"), ((PUBLIC,), (METADATA,)), questions=2
    ),
    "to-metadata": Case("bad_url", redirect(f"https://{METADATA}/latest/meta-data/iam/security-credentials/")),
    "to-metadata-name": Case("bad_url", redirect(f"https://metadata.{DOMAIN}/latest/meta-data/")),
    "to-plain-http": Case("bad_url", redirect(f"http://dog.{DOMAIN}/dog.jpg")),
    "to-file": Case("bad_url", redirect("file:///proc/self/environ")),
    "to-loopback": Case("bad_url", redirect("https://127.0.0.1:9001/2018-06-01/runtime/invocation/next")),
    # Asked for by the redirect above, too.
    "metadata": Case("bad_url", addresses=((METADATA,),), connections=0, questions=2),
    "loopback": Case("bad_url", addresses=(("127.0.0.1",),), connections=0),
    "mixed": Case("bad_url", addresses=((PUBLIC, "10.0.0.5"),), connections=0),
    "unknown": Case("bad_url", addresses=((),), connections=0),
}


class NameServer:
    """Answers questions for an IPv4 address over UDP; there are no others."""

    def __init__(self, port: int) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", port))
        self.place: tuple[str, int] = self._socket.getsockname()
        self.asked: list[str] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            question, caller = self._socket.recvfrom(512)
            self._socket.sendto(self._answer(question), caller)

    def _answer(self, question: bytes) -> bytes:
        labels, place = [], 12
        while question[place]:
            labels.append(question[place + 1 : place + 1 + question[place]].decode())
            place += 1 + question[place]
        (kind,) = struct.unpack_from(">H", question, place + 1)
        case = CASES.get(labels[0]) if ".".join(labels[1:]) == DOMAIN else None
        addresses: tuple[str, ...] = ()
        if kind == 1 and case:
            addresses = case.addresses[min(self.asked.count(labels[0]), len(case.addresses) - 1)]
            self.asked.append(labels[0])
        flags = 0x8180 if case and case.addresses[0] else 0x8183
        head = struct.pack(">HHHHH", flags, 1, len(addresses), 0, 0)
        records = b"".join(b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 0, 4) + socket.inet_aton(a) for a in addresses)
        return question[:2] + head + question[12 : place + 5] + records


def ask(place: tuple[str, int]) -> Callable[[str, float], list[str]]:
    """A resolver that asks this name server and no other, in place of the system's."""

    def resolve(host: str, timeout_seconds: float) -> list[str]:
        number = struct.pack(">H", random.randrange(65_536))
        name = b"".join(bytes([len(label)]) + label.encode() for label in host.split(".")) + b"\x00"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(timeout_seconds)
            asking.sendto(number + struct.pack(">HHHHH", 0x0100, 1, 0, 0, 0) + name + struct.pack(">HH", 1, 1), place)
            said = asking.recv(512)
        assert said[:2] == number
        (count,) = struct.unpack_from(">H", said, 6)
        # Each record behind the question is 16 bytes long, of which the last four are the address.
        records = said[12 + len(name) + 4 :]
        return [socket.inet_ntoa(records[16 * one + 12 : 16 * one + 16]) for one in range(count)]

    return resolve


class Web:
    """The web server of every name: who is asked is who the handshake names."""

    def __init__(self, server: TlsServer, context: ssl.SSLContext, contexts: dict[str, ssl.SSLContext]) -> None:
        self.connected: list[str] = []
        server.script = self._converse
        self._contexts = contexts
        self._case = threading.local()
        context.sni_callback = self._turn

    def _turn(self, sock: ssl.SSLObject, host: str | None, _context: ssl.SSLContext) -> None:
        name = str(host).removesuffix(f".{DOMAIN}")
        self.connected.append(name)
        # A handshake and what follows happen in one thread.
        self._case.name = name
        sock.context = self._contexts[name]

    def _converse(self, sock: ssl.SSLSocket) -> None:
        CASES[self._case.name].script(sock)


class Context:
    aws_request_id = "request-1"


def outcomes(handle: Callable[..., dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Side by side, as in environments of their own: some of them use up all the time that they get."""

    def one(name: str) -> tuple[str, dict[str, Any]]:
        began = time.monotonic()
        found = handle({"url": f"https://{name}.{DOMAIN}/dog.jpg?signature=hush"}, Context())
        return name, {"status": found["statusCode"], "body": found["body"], "seconds": time.monotonic() - began}

    with ThreadPoolExecutor(4) as threads:
        return dict(threads.map(one, CASES))


@contextlib.contextmanager
def metadata_service(address: str) -> Iterator[list[object]]:
    """Counts who comes; nobody may."""
    visitors: list[object] = []

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                visitors.append(listener.accept()[1])

    with socket.create_server((address, 443 if address == METADATA else 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield visitors


def main() -> None:
    folder, is_namespace = Path(sys.argv[1]), sys.argv[2] == "namespace"
    authority = make_authority(folder)
    contexts = {name: authority.server_context(f"{name}.{DOMAIN}") for name in CASES}
    first = authority.server_context(DOMAIN)
    names = NameServer(53 if is_namespace else 0)
    with (
        aws_server() as endpoint,
        running_server(first, (PUBLIC, 443) if is_namespace else ("127.0.0.1", 0)) as server,
        metadata_service(METADATA if is_namespace else "127.0.0.1") as visitors,
    ):
        web = Web(server, first, contexts)
        endpoint.body = json.dumps({"predictions": PREDICTIONS, "model_version": "7"}).encode()
        changes = {"FETCH_TIMEOUT_SECONDS": str(FETCH_SECONDS), "AWS_ENDPOINT_URL": endpoint.url}
        os.environ.update({**ENVIRONMENT, **KEYS, **changes, "SSL_CERT_FILE": str(folder / "authority.pem")})
        (folder / "authority.pem").write_text(authority.pem())
        sys.path.insert(0, str(folder))
        from predict import handler  # type: ignore[import-not-found]  # noqa: PLC0415 - the unpacked function

        connected_to: list[str] = []
        if not is_namespace:
            fetcher = handler._SERVICE._predictor._fetcher

            def connect(address: str, port: int, timeout_seconds: float) -> socket.socket:
                connected_to.append(f"{address}:{port}")
                return socket.create_connection(("127.0.0.1", server.port), timeout_seconds)

            fetcher._resolver, fetcher._connector = ask(names.place), connect
        said, sys.stdout = sys.stdout, io.StringIO()
        try:
            found = outcomes(handler.handle)
            log = sys.stdout.getvalue().splitlines()
        finally:
            sys.stdout = said
        for name, one in found.items():
            one |= {"questions": names.asked.count(name), "connections": web.connected.count(name)}
        report = {"cases": found, "log": log, "visitors": len(visitors), "connected_to": sorted(set(connected_to))}
        sys.stdout.write(json.dumps({**report, "endpoint_asked": len(endpoint.asked)}))
        sys.stdout.flush()
        # Servers that still dribble are not waited for.
        os._exit(0)


if __name__ == "__main__":
    main()
