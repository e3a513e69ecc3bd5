"""The worker process's life: load, warm up, serve, drain."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn

from serving.app import App
from serving.connection import Connection
from serving.cores import engine_processors
from serving.engine import Batch, EngineError, First, OnnxEngine
from serving.engine_room import EngineRoom, Turn, pace_of
from serving.errors import StartError
from serving.health import Health
from serving.memory import return_large_buffers
from serving.predictor import Predictor
from serving.preparing import Prepared, first_inference_failed, known_picture
from serving.preprocess import Limits
from serving.settings import Settings
from serving.workers import Workers

log = logging.getLogger("serving")

# longer than the idle time of the load balancers in front, so that they close first and never write into a closed one
KEEP_ALIVE_SECONDS = 75
LAST_JOB_SECONDS = 1.0
NEWCOMERS_SECONDS = 0.05
BEAT_SECONDS = 0.25
WEDGED = 3
"""Exit status of a worker that gave up on a thread that is stuck."""


class Server(uvicorn.Server):
    """Uvicorn's, but a process that has drained after a signal ends with status 0 instead of by that signal."""

    def __init__(self, config: uvicorn.Config, beat: Callable[[], None] = lambda: None) -> None:
        super().__init__(config)
        self._beat = beat
        self._beating: asyncio.Task[None] | None = None

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
        # First of all: whoever reads the log may act on it at once.
        self._beat()
        self._beating = asyncio.create_task(self._keep_beating())
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

    async def _keep_beating(self) -> None:
        """Show whoever started this process that its event loop turns."""
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            self._beat()

    async def _close_newcomers(self, known: set[Any]) -> None:
        """Uvicorn tells the connections of this moment to end. One that was being accepted joins them just afterwards,
        and would idle until the time for draining is over."""
        while True:
            for connection in set(self.server_state.connections) - known:
                known.add(connection)
                connection.shutdown()
            await asyncio.sleep(NEWCOMERS_SECONDS)


def serve(
    prepared: Prepared,
    settings: Settings,
    listening: socket.socket,
    *,
    replaced: int,
    may_serve: Callable[[], bool],
    beat: Callable[[], None],
) -> int:
    """Serve until a signal comes; nobody can connect before the engine has answered as the original network does, whose
    answer is there once `may_serve` returns."""
    return_large_buffers()
    processors, pinned = engine_processors(), settings.pinned == "yes"
    if settings.cores:
        processors = (processors * settings.cores)[: settings.cores]
        pinned = pinned and len(set(processors)) == len(processors)
    artifact, picture = prepared.artifact, known_picture(prepared.artifact.preprocessing)
    try:
        engine, firsts = warmed_up(prepared, picture, processors, pinned=pinned)
    except StartError:
        if may_serve():
            raise
        return 1  # the original has the same fault, which was told
    if not may_serve():
        return 1
    prepared.check(firsts)
    with first_inferences(artifact.network):
        pace = pace_of(engine, picture, firsts, len(processors), settings.max_batch)
    limits = Limits(settings.max_pixels)
    decoders = Workers(settings.decoders or max(2, len(processors)))
    room = EngineRoom(engine, processors, pace, pinned=pinned)
    predictor = Predictor(artifact, decoders, room, limits, settings.max_images, settings.queue_seconds)
    health = Health({"engine": room, "decoder": decoders}, partial(probe, room, picture), settings.wedged_seconds)
    facts = {"model_version": artifact.version, "labels": len(artifact.labels), **asdict(settings)}
    pinned_to = processors if pinned else None
    log.info("loaded", extra={"facts": facts | asdict(pace) | {"processors": len(processors), "pinned_to": pinned_to}})

    def watched_beat() -> None:
        if health.is_lost():
            end_at_once(f"{health.fault()}; the process ends, so that another can take its place")
        beat()

    app = App(predictor, health, settings, cores=len(processors), replaced=replaced)
    Server(uvicorn_config(app, settings), watched_beat).run(sockets=[listening])
    if not (decoders.close(LAST_JOB_SECONDS) and room.close(LAST_JOB_SECONDS)):
        log.error("abandoned", extra={"facts": {"reason": "a request was still in the engine when the time was over"}})
        return 1
    engine.close()
    return 0


def warmed_up(
    prepared: Prepared, picture: Batch, processors: Sequence[int], *, pinned: bool
) -> tuple[OnnxEngine, tuple[First, First]]:
    engine = prepared.engine(processors, pinned=pinned)
    with first_inferences(prepared.artifact.network):
        return engine, engine.warm_up(picture)


@contextlib.contextmanager
def first_inferences(network: Path) -> Iterator[None]:
    """One that fails ends the start."""
    try:
        yield
    except EngineError as error:
        raise StartError(first_inference_failed(network, str(error))) from error


def probe(room: EngineRoom, picture: Batch, health: Health) -> None:
    """Have the engine answer for a picture, and tell its health."""

    def done(_turn: Turn, result: object) -> None:
        if isinstance(result, Exception):
            health.engine_failed()
        else:
            health.engine_answered()

    # The event loop asks, which must not wait.
    room.submit(Turn(picture, done), wait=False)


def end_with(lifeline: int) -> None:
    """End this process as soon as the other end of a pipe is closed: nothing is left behind that nobody watches."""

    def wait() -> None:
        os.read(lifeline, 1)
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def end_at_once(reason: str) -> None:
    """An orderly end would wait for the thread that is stuck."""
    log.critical("wedged", extra={"facts": {"reason": reason}})
    logging.shutdown()
    sys.stdout.flush()
    os._exit(WEDGED)


def uvicorn_config(app: App, settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        lifespan="off",
        loop="asyncio",
        http=type("LimitedConnection", (Connection,), {"max_connections": settings.max_connections}),
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=int(settings.drain_seconds),
    )
