"""What serves behind one endpoint: variants by weight, each a set of instances, watched and replaced when they die."""

import contextlib
import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import ClassVar

from local.sagemaker.instance import Instance, LaunchFailed
from local.sagemaker.metrics import Invocation

WATCH_EVERY_SECONDS = 1.0
RELAUNCH_AFTER_SECONDS = 1.0
RELAUNCH_AT_MOST_EVERY_SECONDS = 30.0
DRAIN_SECONDS = 60.0
LAUNCHES_AT_ONCE = 2

logger = logging.getLogger("embedded-aws.sagemaker")
# Starts one instance of a variant, healthy when it returns.
Launch = Callable[[], Instance]


@dataclass
class VariantFleet:
    """One production variant: how to launch an instance, those that serve, and how requests are spread."""

    body_limit_bytes: ClassVar[int] = 25 * 1024 * 1024
    name: str
    launch: Launch
    weight: float
    least_outstanding: bool = False
    instances: list[Instance] = field(default_factory=list)
    wanted: int = 0
    failures: int = 0
    retry_at: float = 0.0
    lock: threading.RLock = field(default_factory=threading.RLock)

    def stand_up(self, count: int) -> None:
        """The first of it, or LaunchFailed."""
        self.resize(count)

    def resize(self, count: int) -> None:
        """To `count` healthy instances; a failure leaves those that served before."""
        with self.lock:
            self.wanted = count
            missing = count - len(self.instances)
        if missing > 0:
            self._add(missing)
        with self.lock:
            surplus, self.instances = self.instances[count:], self.instances[:count]
        retire(surplus)

    def _add(self, missing: int) -> None:
        started: list[Instance] = []
        with ThreadPoolExecutor(LAUNCHES_AT_ONCE) as pool:
            futures = [pool.submit(self.launch) for _ in range(missing)]
        errors = [future.exception() for future in futures]
        started = [future.result() for future, error in zip(futures, errors, strict=True) if error is None]
        first = next((error for error in errors if error is not None), None)
        if first is not None:
            retire(started)
            with self.lock:
                self.wanted = len(self.instances)
            raise first
        with self.lock:
            self.instances += started

    def pick(self, tried: set[str]) -> Instance | None:
        with self.lock:
            able = [instance for instance in self.instances if instance.name not in tried and instance.alive()]
        if not able:
            return None
        if self.least_outstanding:
            return min(able, key=lambda instance: instance.outstanding)
        return random.choice(able)  # noqa: S311 - spreads load, guards nothing

    @contextlib.contextmanager
    def lease(self, tried: set[str], seen: Invocation) -> Iterator[Instance | None]:
        """An instance for one request; what there is to tell of that goes into `seen`."""
        yield self.pick(tried)

    def close(self, drain_seconds: float = DRAIN_SECONDS) -> list[Instance]:
        """No instance is had from here on; the answer is what was running."""
        with self.lock:
            leaving, self.instances, self.wanted = self.instances, [], 0
        return leaving

    def tend(self) -> None:
        """What is due, every second."""
        self.replace_dead()

    def replace_dead(self) -> None:
        """Bury what died and launch in its place, ever more slowly while launches fail."""
        with self.lock:
            dead = [instance for instance in self.instances if not instance.alive()]
            self.instances = [instance for instance in self.instances if instance.alive()]
            missing = self.wanted - len(self.instances)
        for instance in dead:
            code = instance.process.returncode if instance.process else None
            logger.warning("Instance %s of variant %s ended with exit status %s.", instance.name, self.name, code)
        retire(dead)
        if missing <= 0 or time.monotonic() < self.retry_at:
            return
        wanted = self.wanted
        try:
            self._add(missing)
            self.failures = 0
        except LaunchFailed as error:
            self.wanted = wanted
            self.failures += 1
            pause = min(RELAUNCH_AFTER_SECONDS * 2**self.failures, RELAUNCH_AT_MOST_EVERY_SECONDS)
            self.retry_at = time.monotonic() + pause
            logger.warning("Variant %s could not replace %d instance(s): %s", self.name, missing, error)


@dataclass
class Fleet:
    """The variants of one deployment of an endpoint, and the thread that watches them."""

    variants: dict[str, VariantFleet]
    _stopped: threading.Event = field(default_factory=threading.Event)
    changing: threading.Lock = field(default_factory=threading.Lock)

    def watch(self) -> None:
        threading.Thread(target=self._watch, daemon=True, name="endpoint-watch").start()

    def _watch(self) -> None:
        while not self._stopped.wait(WATCH_EVERY_SECONDS):
            if self.changing.acquire(blocking=False):
                try:
                    for variant in self.variants.values():
                        if not self._stopped.is_set():
                            variant.tend()
                finally:
                    self.changing.release()

    def instances(self) -> Iterator[Instance]:
        for variant in self.variants.values():
            yield from list(variant.instances)

    def choose(self, target: str | None) -> VariantFleet | None:
        """The named variant, else one by weight; None when no variant may get traffic."""
        if target is not None:
            return self.variants.get(target)
        weighted = [variant for variant in self.variants.values() if variant.weight > 0]
        if not weighted:
            return None
        return random.choices(weighted, [variant.weight for variant in weighted])[0]  # noqa: S311 - spreads load

    def stop(self, drain_seconds: float = DRAIN_SECONDS) -> None:
        self._stopped.set()
        with self.changing:
            for variant in self.variants.values():
                retire(variant.close(drain_seconds), drain_seconds)


def retire(instances: list[Instance], drain_seconds: float = DRAIN_SECONDS) -> None:
    """Drained, then stopped; all at the same time."""
    if not instances:
        return

    def one(instance: Instance) -> None:
        with contextlib.suppress(OSError):
            instance.drain(drain_seconds)
            instance.stop()

    with ThreadPoolExecutor(len(instances)) as pool:
        list(pool.map(one, instances))
