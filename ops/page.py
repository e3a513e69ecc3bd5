"""The page to try an image, on this machine alone: what it asks is signed with your credentials on the way.

A browser cannot sign for an API with `api.auth = "iam"`. Only the page's own requests are taken and only the API's own
routes are asked: a page of another site, or a name that was made to lead here, gets nothing.
"""

import argparse
import http.client
import json
import re
import sys
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ops.asking.target import LOOPBACK as HOST
from ops.asking.target import TIMEOUT_SECONDS, Target, target_of
from ops.errors import OperatorError
from ops.stage import Stage
from ops.weather import sentence_of

MAX_BODY_BYTES = 10_000_000  # what an HTTP API takes
ROUTES = {("GET", "/"), ("GET", "/healthz"), ("GET", "/openapi.json"), ("POST", "/predict")}
RESULT = re.compile(r"/results/[A-Za-z0-9_-]{1,64}")
QUERY = re.compile(r"(top_k=[0-9]{1,4})?")
# What comes back to the browser; the rest of an answer's headers concern the connection behind.
PASSED_BACK = (
    *("content-type", "content-security-policy", "cache-control", "location", "retry-after", "allow"),
    *("referrer-policy", "permissions-policy", "x-content-type-options"),
)
FORBIDDEN, NOT_FOUND, TOO_LARGE, LENGTH_REQUIRED, BAD_GATEWAY = 403, 404, 413, 411, 502


def run(arguments: argparse.Namespace) -> int:
    stage = Stage.open(arguments.stage, arguments.stages)
    with open_page(target_of(stage.account, stage.output("api", "Url")), arguments.port) as server:
        url = f"http://{HOST}:{server.server_port}/"
        sys.stdout.write(
            json.dumps({"page_url": url}) + "\n" if arguments.json else f"The page: {url}  (Ctrl-C closes it)\n"
        )
        sys.stdout.flush()
        server.serve_forever(poll_interval=0.1)
    return 0


def open_page(target: Target, port: int) -> ThreadingHTTPServer:
    class Handler(PageHandler):
        api = target

    try:
        server = ThreadingHTTPServer((HOST, port), Handler)
    except (OSError, OverflowError) as error:
        raise OperatorError(f"Port {port} on {HOST} cannot be taken ({error}): choose another with --port.") from None
    Handler.port = server.server_port
    return server


class PageHandler(BaseHTTPRequestHandler):
    api: Target
    port = 0
    timeout = TIMEOUT_SECONDS

    def do_GET(self) -> None:
        self._relay()

    def do_POST(self) -> None:
        self._relay()

    def _relay(self) -> None:
        refused = self._refusal()
        if refused:
            self._refuse(*refused)
            return
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        given = {"Content-Type": self.headers["Content-Type"]} if self.headers.get("Content-Type") else {}
        connection = self.api.connect()
        try:
            connection.request(
                self.command, self.path, body or None, self.api.sign(self.command, self.path, body, given)
            )
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self._refuse(BAD_GATEWAY, f"The API at {self.api.host} cannot be reached: {error}.")
            return
        except (BotoCoreError, ClientError) as error:
            # Credentials that ended while the page was open.
            self._refuse(BAD_GATEWAY, str(sentence_of(error)))
            return
        finally:
            connection.close()
        kept = {name: value for name, value in answer.getheaders() if name.lower() in PASSED_BACK}
        self._answer(answer.status, kept, content)

    def _refusal(self) -> tuple[int, str] | None:
        own = {f"{name}:{self.port}" for name in (HOST, "localhost")}
        if self.headers.get("Host") not in own:
            return FORBIDDEN, "This page is known by the name of this machine alone."
        if self.headers.get("Origin", f"http://{self.headers['Host']}") != f"http://{self.headers['Host']}":
            return FORBIDDEN, "A page of another site may not ask here."
        if self.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
            return FORBIDDEN, "A page of another site may not ask here."
        path, _, query = self.path.partition("?")
        known = (self.command, path) in ROUTES or (self.command == "GET" and RESULT.fullmatch(path))
        if not known or not QUERY.fullmatch(query):
            return NOT_FOUND, "There is nothing here; the page is at /."
        return self._wrong_length()

    def _wrong_length(self) -> tuple[int, str] | None:
        length = self.headers.get("Content-Length", "0" if self.command == "GET" else "")
        if not re.fullmatch(r"[0-9]{1,12}", length) or "Transfer-Encoding" in self.headers:
            return LENGTH_REQUIRED, "A request says how long it is."
        if int(length) > MAX_BODY_BYTES:
            return TOO_LARGE, f"The request is larger than the {MAX_BODY_BYTES:,} bytes that the API takes."
        return None

    def _refuse(self, status: int, message: str) -> None:
        content = json.dumps({"error": {"code": "page", "message": message}}).encode()
        # What was sent with it stays unread, so that the connection cannot be used again.
        self.close_connection = True
        self._answer(status, {"Content-Type": "application/json"}, content)

    def _answer(self, status: int, headers: Mapping[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: ANN401  (http.server's)
        """The API has an access log of its own."""
