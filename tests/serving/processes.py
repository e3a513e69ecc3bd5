"""A real server process, and a client that speaks plain HTTP to it."""

import contextlib
import http.client
import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent.parent
STARTER = ROOT / "training" / "starter"
MODEL = STARTER / "model.tar.gz"
PATIENCE_SECONDS = 30


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    text: str

    @property
    def document(self) -> Any:
        return json.loads(self.text) if self.text else None

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.text.splitlines()]


class ServerProcess:
    """`python -m serving` on a free port, its log lines parsed as they come."""

    def __init__(self, model: Path = MODEL, program: Sequence[str] = (), **environment: str) -> None:
        self.lines: list[dict[str, Any]] = []
        self._came = threading.Condition()
        self.process = subprocess.Popen(
            [sys.executable, *(program or ("-m", "serving", "--model", str(model), "--port", "0"))],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1", **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        ready = self.wait_for("ready")
        self.port: int = ready["port"]
        self.worker_pid: int = ready["pid"]

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._came:
                self.lines.append(json.loads(line))
                self._came.notify_all()

    def wait_for(self, event: str, **facts: object) -> dict[str, Any]:
        """The first log line of that event with those facts."""

        def found() -> dict[str, Any] | None:
            return next((line for line in self.lines if line.items() >= {"event": event, **facts}.items()), None)

        with self._came:
            line = self._came.wait_for(found, PATIENCE_SECONDS)
        assert line, f"no {event} {facts} among {self.lines}"
        return line

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
        """One request on a connection of its own; header names with _ for -."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            # A refusal may come before all of the body has gone; what was said is there to be read all the same.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.request(method, path, body=body or None, headers=named)
            return read_answer(connection)
        finally:
            connection.close()

    def invoke(self, body: bytes, content_type: str = "application/x-image", **headers: str) -> Answer:
        return self.ask("POST", "/invocations", body, Content_Type=content_type, **headers)

    def resident_bytes(self) -> int:
        pages = int(Path(f"/proc/{self.worker_pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def stop(self) -> int:
        """SIGTERM, and the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        status = self.process.wait(PATIENCE_SECONDS)
        self._reader.join(PATIENCE_SECONDS)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status


def read_answer(connection: http.client.HTTPConnection) -> Answer:
    response = connection.getresponse()
    raw = response.read()
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, headers, raw.decode())


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def plain(file: bytes) -> Image.Image:
    """A picture's pixels without its metadata."""
    with Image.open(io.BytesIO(file)) as image:
        return image.convert("RGB")


def wait_until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
