"""What stands at https://localhost:8443 on a notebook instance: what Jupyter says of its kernels and terminals.

On AWS that is Jupyter itself, without a token. Here another program of this machine could come by, so that only what an
idle check asks is told, and only to who calls the door by a name of this machine.
"""

import http
import json
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from local.sagemaker.jupyter import LOOPBACK, Jupyter

# As they are while no Jupyter runs.
NOTHING_RUNS: dict[str, list[object]] = {"/api/kernels": [], "/api/sessions": [], "/api/terminals": []}
WRITTEN = ("localhost:8443", "127.0.0.1:8443")


class Door:
    """At the port that it had before if that is free: files on the instance name it."""

    def __init__(self, certificate: Path, key: Path, jupyter: Callable[[], Jupyter | None], port: int) -> None:
        handler = _handler(jupyter)
        try:
            self._server = ThreadingHTTPServer((LOOPBACK, port), handler)
        except OSError:
            self._server = ThreadingHTTPServer((LOOPBACK, 0), handler)
        self._server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        # The handshake is the handler's, in a thread of its own: who stays silent keeps nobody out.
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def addresses(self) -> dict[str, str]:
        """As scripts write it, and where it is."""
        return {written: f"{written.partition(':')[0]}:{self.port}" for written in WRITTEN}

    def open(self) -> None:
        threading.Thread(target=self._server.serve_forever, daemon=True, name=f"notebook-{self.port}").start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _handler(jupyter: Callable[[], Jupyter | None]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        server_version, sys_version = "Jupyter", ""
        timeout = 30

        def do_GET(self) -> None:
            path = self.path.split("?", 1)[0].rstrip("/")
            # A page in a browser may call here by a name that it has pointed at this machine.
            if self.headers.get("Host", "").rpartition(":")[0] not in ("localhost", LOOPBACK):
                return self.send_error(http.HTTPStatus.FORBIDDEN)
            if path not in NOTHING_RUNS:
                return self.send_error(http.HTTPStatus.NOT_FOUND)
            runs = jupyter()
            try:
                status, body = (200, json.dumps(NOTHING_RUNS[path]).encode()) if runs is None else runs.ask(path)
            except OSError:
                return self.send_error(http.HTTPStatus.BAD_GATEWAY)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            return None

        def log_message(self, format: str, *args: object) -> None:
            """An idle check every five minutes is no news."""

    return Handler
