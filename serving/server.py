"""One process's life: bind, warm up, serve, drain."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import uvicorn

from serving.app import App
from serving.artifact import Artifact
from serving.engine import Engine, EngineError
from serving.errors import StartError
from serving.predictor import Predictor
from serving.settings import Settings
from serving.workers import Workers

log = logging.getLogger("serving")

# longer than the idle time of the load balancers in front, so that they close first and never write into a closed one
KEEP_ALIVE_SECONDS = 75
LAST_JOB_SECONDS = 1.0
NEWCOMERS_SECONDS = 0.05


class Server(uvicorn.Server):
    """Uvicorn's, but a process that has drained after a signal ends with status 0 instead of by that signal."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        previous = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listening in sockets or []:
            host, port = listening.getsockname()[:2]
            log.info("ready", extra={"facts": {"host": host, "port": port, "pid": os.getpid()}})

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        start = time.monotonic()
        log.info("draining", extra={"facts": {"connections": len(self.server_state.connections)}})
        newcomers = asyncio.create_task(self._close_newcomers(set(self.server_state.connections)))
        await super().shutdown(sockets)
        newcomers.cancel()
        log.info("drained", extra={"facts": {"seconds": round(time.monotonic() - start, 2)}})

    async def _close_newcomers(self, known: set[Any]) -> None:
        """Uvicorn tells the connections of this moment to end. One that was being accepted joins them just afterwards,
        and would idle until the time for draining is over."""
        while True:
            for connection in set(self.server_state.connections) - known:
                known.add(connection)
                connection.shutdown()
            await asyncio.sleep(NEWCOMERS_SECONDS)


def serve(artifact: Artifact, settings: Settings, host: str) -> int:
    """Serve until a signal comes; the port opens only once the engine has answered."""
    listening = bind(host, settings.port)
    engine = Engine(artifact, settings.engine_threads)
    predictor = Predictor(artifact, engine, settings.max_pixels)
    try:
        predictor.warm_up()
    except EngineError as error:
        raise StartError(f"{artifact.network}: the first inference failed: {error}") from error
    workers = Workers(settings.workers)
    app = App(predictor, workers, settings)
    facts = {"model_version": artifact.version, "labels": len(artifact.labels), **asdict(settings)}
    log.info("loaded", extra={"facts": facts})
    Server(uvicorn_config(app, settings)).run(sockets=[listening])
    if not workers.close(LAST_JOB_SECONDS):
        log.error("abandoned", extra={"facts": {"reason": "a request was still in the engine when the time was over"}})
        logging.shutdown()
        os._exit(1)  # an orderly end would wait for that thread
    engine.close()
    return 0


def bind(host: str, port: int) -> socket.socket:
    """Take the port before anything slow happens; nobody can connect until the server listens."""
    # naming the protocol lets asyncio switch Nagle's algorithm off, which costs a kept-alive client 40 ms an answer
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise StartError(
            f"--host {host} --port {port}: cannot listen there ({error.strerror}); choose another"
        ) from error
    return listening


def uvicorn_config(app: App, settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        lifespan="off",
        loop="asyncio",
        http="h11",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=int(settings.drain_seconds),
    )
