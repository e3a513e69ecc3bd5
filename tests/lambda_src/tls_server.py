"""A TLS server on loopback which lets a test write the bytes of each answer itself, well-formed or not."""

import contextlib
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator

Script = Callable[[ssl.SSLSocket], None]


class TlsServer:
    """Runs one script for each connection and keeps what was asked, by the name the client gave in its handshake."""

    def __init__(self, context: ssl.SSLContext, address: tuple[str, int]) -> None:
        self._context = context
        self._listener = socket.create_server(address)
        self.port: int = self._listener.getsockname()[1]
        self.requests: list[bytes] = []
        self.names: list[str | None] = []
        self.script: Script = answer(b"")
        self._workers: list[threading.Thread] = []
        self._context.sni_callback = lambda _sock, name, _context: self.names.append(name)

    def serve(self) -> None:
        while True:
            try:
                raw, _ = self._listener.accept()
            except OSError:
                return
            worker = threading.Thread(target=self._converse, args=(raw,), daemon=True)
            self._workers.append(worker)
            worker.start()

    def _converse(self, raw: socket.socket) -> None:
        raw.settimeout(5)
        # The client hangs up in the middle in many of the tests; that is what they are about.
        with raw, contextlib.suppress(OSError), self._context.wrap_socket(raw, server_side=True) as sock:
            self.requests.append(_read_request(sock))
            self.script(sock)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.finish()

    def finish(self) -> None:
        """Waits until every script that runs has come to its end."""
        for worker in self._workers:
            worker.join(timeout=5)


def _read_request(sock: ssl.SSLSocket) -> bytes:
    request = b""
    while b"\r\n\r\n" not in request:
        request += sock.recv(65536) or b"\r\n\r\n"
    head, _, body = request.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head.lower())
    while length and len(body) < int(length.group(1)):
        body += sock.recv(65536)
    return head + b"\r\n\r\n" + body


@contextlib.contextmanager
def running_server(context: ssl.SSLContext, address: tuple[str, int] = ("127.0.0.1", 0)) -> Iterator[TlsServer]:
    server = TlsServer(context, address)
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    yield server
    server.close()
    thread.join(timeout=5)


def answer(body: bytes, *headers: str, status: str = "200 OK", length: bool = True) -> Script:
    """A script which sends one whole answer."""
    lines = [f"HTTP/1.1 {status}", *headers]
    if length:
        lines.append(f"Content-Length: {len(body)}")
    return raw("\r\n".join([*lines, "", ""]).encode() + body)


def redirect(location: str, status: str = "302 Found") -> Script:
    return answer(b"", f"Location: {location}", status=status)


def raw(data: bytes) -> Script:
    """A script which sends these very bytes."""

    def send(sock: ssl.SSLSocket) -> None:
        sock.sendall(data)

    return send


def in_turn(*scripts: Script) -> Script:
    """One script after another, each for one connection."""
    remaining = iter(scripts)

    def run_next(sock: ssl.SSLSocket) -> None:
        next(remaining)(sock)

    return run_next
