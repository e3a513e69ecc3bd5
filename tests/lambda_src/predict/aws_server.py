"""A stand-in for a service of AWS on loopback: keeps connections alive, notes requests, answers what a test wrote."""

import contextlib
import http.client
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import botocore.session
from botocore.config import Config

from lambda_src.predict.aws import Aws, Service, bucket, runtime

KEYS = {
    "AWS_REGION": "eu-west-1",
    "AWS_ACCESS_KEY_ID": "AKIAFIRST",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_SESSION_TOKEN": "token",
}


@dataclass
class Asked:
    method: str
    path: str
    headers: http.client.HTTPMessage
    body: bytes
    connection: int
    """Which connection it came over, as the caller's port."""


@dataclass
class AwsServer:
    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"{}"
    closes: bool = False
    """Whether it closes each connection behind its answer, without a word of it beforehand."""
    meanwhile: Callable[[], None] = lambda: None
    """Called when a request has come, before it is answered."""

    made: list[Service] = field(default_factory=list)

    def service(self, answer_seconds: float = 2, **environment: str) -> Service:
        """The function's own way to SageMaker's runtime, which here is this server."""
        return self._made(runtime(self._aws(environment), answer_seconds))

    def bucket(self, name: str) -> Service:
        return self._made(bucket(self._aws({}), name, 2))

    def client(self, name: str = "sagemaker-runtime", **config: object) -> Any:
        """botocore's client of this server."""
        session = botocore.session.Session()
        session.set_credentials("AKIAFIRST", "secret", "token")
        options = Config(retries={"total_max_attempts": 1}, **config)
        made = session.create_client(name, region_name="eu-west-1", endpoint_url=self.url, config=options)
        self.made.append(made)
        return made

    def _aws(self, environment: dict[str, str]) -> Aws:
        return Aws({**KEYS, "AWS_ENDPOINT_URL": self.url, **environment})

    def _made(self, service: Service) -> Service:
        self.made.append(service)
        return service

    def refuse(self, code: str, status: int, **members: object) -> None:
        """As SageMaker words an error, with what it puts behind the colon."""
        self.status = status
        self.headers = {"x-amzn-errortype": f"{code}:http://internal.amazon.com/coral/"}
        self.body = json.dumps(members).encode()

    def ports(self) -> list[int]:
        return [asked.connection for asked in self.asked]


@contextlib.contextmanager
def aws_server() -> Iterator[AwsServer]:
    service = AwsServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Two small writes, headers and body, would otherwise wait for each other.
        disable_nagle_algorithm = True

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            service.asked.append(Asked(self.command, self.path, self.headers, body, self.client_address[1]))
            service.meanwhile()
            self.send_response(service.status)
            for name, value in service.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(service.body)))
            self.end_headers()
            self.wfile.write(service.body)
            self.close_connection = service.closes

        do_GET = do_POST = do_PUT = answer

        def log_message(self, *_: object) -> None:
            """Keeps the test's output free of access logs."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """Callers that hang up are what some of the tests are about."""

    server = Server(("127.0.0.1", 0), Handler)
    service.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield service
    finally:
        for made in service.made:
            made.close()
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)
