"""The application without a network: a fake engine whose every inference a test controls, and a client in process."""

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from serving.app import App
from serving.artifact import Artifact
from serving.engine import EngineError, First
from serving.engine_room import EngineRoom, Pace
from serving.health import Health
from serving.http import Message
from serving.predictor import Predictor
from serving.preprocess import Limits
from serving.server import probe
from serving.settings import Settings
from serving.workers import Workers
from tests.serving.pictures import jpeg
from tests.serving.test_preprocess import RECIPE

PICTURE = jpeg()
ARTIFACT = Artifact(Path("model.onnx"), "fake-1", ("a", "b", "c"), RECIPE, "image", "logits", 1.0)
EMPTY = np.zeros((1, 3, 64, 64), np.float32)


@dataclass
class FakeEngine:
    """Answers when the gate is open, fails when told to."""

    gate: threading.Event = field(default_factory=threading.Event)
    entered: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    broken: bool = False
    sizes: list[int] = field(default_factory=list)
    on_all_cores: int = 0

    def warm_up(self, batch: np.ndarray) -> tuple[First, First]:
        return First.of(self.infer, batch), First.of(self.infer_on_all_cores, batch)

    def infer(self, batch: np.ndarray) -> np.ndarray:
        self.sizes.append(len(batch))
        self.entered.release()
        self.gate.wait(30)
        if self.broken:
            raise EngineError("out of memory")
        return (
            np.array([[1.0, 3.0, 2.0]] * len(batch), dtype=np.float32) + batch.max(axis=(1, 2, 3), initial=0)[:, None]
        )

    def infer_on_all_cores(self, batch: np.ndarray) -> np.ndarray:
        self.on_all_cores += 1
        return self.infer(batch)

    def close(self) -> None:
        self.gate.set()


@dataclass
class House:
    """An application and what is behind it."""

    app: App
    engine: FakeEngine
    decoders: Workers
    room: EngineRoom

    def close(self) -> bool:
        return self.decoders.close(10) and self.room.close(10)


@contextmanager
def house(cores: int = 1, pace: Pace | None = None, **settings: float) -> Iterator[House]:
    engine, chosen = FakeEngine(), replace(Settings(queue_length=1), **settings)
    decoders, room = Workers(2), EngineRoom(engine, list(range(cores)), pace or Pace(0, 1), pinned=False)
    limits = Limits(chosen.max_pixels)
    predictor = Predictor(ARTIFACT, decoders, room, limits, chosen.max_images, chosen.queue_seconds)
    health = Health({"decoder": decoders, "engine": room}, partial(probe, room, EMPTY), chosen.wedged_seconds)
    ours = House(App(predictor, health, chosen, cores=cores, replaced=0), engine, decoders, room)
    try:
        yield ours
    finally:
        engine.gate.set()
        assert ours.close()


@dataclass
class Exchange:
    """One request in process, and what came back."""

    app: App
    body: bytes = PICTURE
    method: str = "POST"
    path: str = "/invocations"
    headers: dict[str, str] = field(default_factory=dict)
    stalls: bool = False
    sent: list[Message] = field(default_factory=list)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    _received: bool = False

    async def receive(self) -> Message:
        if self._received or self.stalls:
            await self.gone.wait()
            return {"type": "http.disconnect"}
        self._received = True
        return {"type": "http.request", "body": self.body, "more_body": False}

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    async def run(self) -> "Exchange":
        headers = [(name.encode(), value.encode()) for name, value in self.headers.items()]
        scope = {"type": "http", "method": self.method, "path": self.path, "headers": headers}
        await self.app(scope, self.receive, self.send)
        return self

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def document(self) -> dict[str, Any]:
        return dict(json.loads(self.sent[1]["body"]))

    @property
    def code(self) -> str:
        return str(self.document["error"]["code"])


def run(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(scenario())


async def entered(engine: FakeEngine) -> None:
    """Wait until a worker is inside the engine."""
    assert await asyncio.to_thread(engine.entered.acquire, timeout=10)
