"""One instance of an endpoint: a process that sees a container's environment, its model directory and a port."""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from local.images import Image
from local.isolation import CannotIsolate, Network, network
from local.network.interfaces import Plugged
from local.sagemaker.container_log import ContainerLog

PING_SECONDS = 2.0
PING_EVERY_SECONDS = 0.1
STOP_SECONDS = 30.0
# What a process needs of the machine to start at all; the container's own environment comes on top.
MACHINE = ("PATH", "LANG", "LC_ALL", "TZ")
LOG_LIMIT_BYTES = 8 * 1024 * 1024
# AWS's own, which is free in a network of its own.
ISOLATED_PORT = 8080


class LaunchFailed(Exception):
    """Why an instance did not get into service, in the words of a FailureReason."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Instance:
    """A process and the connections to it. `folder` holds its model directory and its log."""

    name: str
    variant: str
    image: Image
    folder: Path
    environment: Mapping[str, str]
    python: str
    # Where its log goes besides its file.
    delivery: ContainerLog | None = None
    # Whether it may reach nothing; then its network is its own, where the machine can.
    isolated: bool = False
    network: Network | None = None
    # Its interfaces in a customer's VPC, which go with it.
    plugged: Plugged | None = None
    port: int = 0
    process: "subprocess.Popen[bytes] | None" = None
    outstanding: int = 0
    _idle: list[http.client.HTTPConnection] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def log(self) -> Path:
        return self.folder / "log.txt"

    @property
    def pid(self) -> int:
        return self.process.pid if self.process else 0

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        try:
            self.network = network(self.isolated)
        except CannotIsolate as error:
            raise LaunchFailed(f"The container of variant {self.variant} cannot be isolated: {error}.") from error
        self.port = _free_port() if self.network is None else ISOLATED_PORT
        model = self.folder / "ml" / "model"
        arguments = self.image.arguments(python=self.python, model_dir=str(model), port=str(self.port))
        scratch = self.folder / "tmp"
        scratch.mkdir(exist_ok=True)
        environment = {name: os.environ[name] for name in MACHINE if name in os.environ}
        # What a library keeps of its own, a telemetry's identity or a cache, goes with the instance as in a container.
        own = {"HOME": str(scratch), "TMPDIR": str(scratch), "XDG_CACHE_HOME": str(scratch / ".cache")}
        environment |= {**own, "PYTHONUNBUFFERED": "1", **self.environment}
        environment |= {"SAGEMAKER_BIND_TO_PORT": str(self.port), "SAGEMAKER_BASE_DIR": str(self.folder / "ml")}
        if self.log.exists() and self.log.stat().st_size > LOG_LIMIT_BYTES:
            self.log.unlink()
        try:
            with self.log.open("ab") as log:
                self.process = (self.network.popen if self.network else subprocess.Popen)(
                    arguments,
                    cwd=self.image.folder,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
        except OSError as error:
            raise LaunchFailed(f"The container of variant {self.variant} cannot start: {error}.") from error
        if self.delivery is not None:
            self.delivery.start()
        facts = {"variant": self.variant, "name": self.name, "pid": self.pid, "port": self.port, "log": str(self.log)}
        (self.folder / "instance.json").write_text(json.dumps(facts))

    def wait_healthy(self, limit_seconds: float) -> None:
        """Until /ping answers 200; a process that ends first, or stays silent, is a failed health check."""
        until = time.monotonic() + limit_seconds
        while time.monotonic() < until:
            if not self.alive():
                code = self.process.returncode if self.process else None
                raise LaunchFailed(self._unhealthy(f"its process ended with exit status {code}"))
            if self.ping():
                return
            time.sleep(PING_EVERY_SECONDS)
        raise LaunchFailed(self._unhealthy(f"no 200 within {limit_seconds:g} s"))

    def _unhealthy(self, why: str) -> str:
        last = self.log.read_bytes()[-2000:].decode(errors="replace").strip().splitlines()[-1:]
        said = f" Its last words: {last[0][:300]}" if last else ""
        kept = self.folder.parent / f"{self.variant}-failed.log"
        return (
            f"The primary container for production variant {self.variant} did not pass the ping health check ({why}). "
            f"Please check {kept}.{said}"
        )

    def ping(self) -> bool:
        try:
            return self.request("GET", "/ping", {}, b"", PING_SECONDS).status == 200  # noqa: PLR2004 - HTTP's OK
        except (OSError, http.client.HTTPException):
            return False

    def request(self, method: str, path: str, headers: Mapping[str, str], body: bytes, limit_seconds: float) -> Answer:
        """One request, on a kept connection if there is one; that may have been closed, then once more on a new one."""
        with self._lock:
            connection = self._idle.pop() if self._idle else None
            self.outstanding += 1
        try:
            if connection is not None:
                try:
                    return self._exchange(connection, method, path, headers, body, limit_seconds)
                except (ConnectionError, http.client.RemoteDisconnected, http.client.CannotSendRequest):
                    connection.close()
            return self._exchange(self._connection(limit_seconds), method, path, headers, body, limit_seconds)
        finally:
            with self._lock:
                self.outstanding -= 1

    def _connection(self, limit_seconds: float) -> http.client.HTTPConnection:
        if self.network is None:
            return http.client.HTTPConnection("127.0.0.1", self.port, timeout=limit_seconds)
        return _Inside(self.network, self.port, limit_seconds)

    def _exchange(  # noqa: PLR0917 - the request, and where it goes
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        limit_seconds: float,
    ) -> Answer:
        try:
            connection.timeout = limit_seconds
            if connection.sock is not None:
                connection.sock.settimeout(limit_seconds)
            connection.request(method, path, body=body, headers=dict(headers))
            response = connection.getresponse()
            answer = Answer(response.status, dict(response.headers.items()), response.read())
        except BaseException:
            connection.close()
            raise
        if response.will_close:
            connection.close()
        else:
            with self._lock:
                self._idle.append(connection)
        return answer

    def stop(self, grace_seconds: float = STOP_SECONDS) -> None:
        """SIGTERM, then SIGKILL; its directory goes with it."""
        if self.process is not None and self.alive():
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(grace_seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        with self._lock:
            while self._idle:
                self._idle.pop().close()
        if self.delivery is not None:
            self.delivery.stop()
        if self.network is not None:
            self.network.close()
        if self.plugged is not None:
            self.plugged.unplug()
        shutil.rmtree(self.folder, ignore_errors=True)

    def drain(self, limit_seconds: float) -> None:
        """Wait for the requests under way; new ones go elsewhere by now."""
        until = time.monotonic() + limit_seconds
        while self.outstanding and time.monotonic() < until:
            time.sleep(0.02)


class _Inside(http.client.HTTPConnection):
    """To a port of a network that this process is not in."""

    def __init__(self, network: Network, port: int, limit_seconds: float) -> None:
        super().__init__("127.0.0.1", port, timeout=limit_seconds)
        self._network = network

    def connect(self) -> None:
        self.sock = self._network.connect(self.port, self.timeout)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
