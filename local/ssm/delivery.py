"""A command on its way to its instances: so many at a time, until too many have failed."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from local.records import Document
from local.ssm.command import CANCELLED, FAILED, LEFT_OUT, UNDELIVERED
from local.ssm.request import RateControls

LOOK_EVERY_SECONDS = 0.2


@dataclass
class Delivery:
    """`run` does it on one instance and says how it ended; `tell` keeps how one stands that does not begin."""

    instances: list[str]
    controls: RateControls
    is_online: Callable[[str], bool]
    run: Callable[[str, threading.Event], Document]
    tell: Callable[[str, Document], None]
    _cancelled: dict[str, threading.Event] = field(default_factory=dict)
    _errors: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._cancelled = {one: threading.Event() for one in self.instances}

    def begin(self) -> None:
        threading.Thread(target=self._deliver, daemon=True, name="run-command").start()

    def cancel(self, identity: str) -> None:
        self._cancelled[identity].set()

    def _deliver(self) -> None:
        with ThreadPoolExecutor(min(self.controls.at_once, len(self.instances))) as pool:
            list(pool.map(self._to, self.instances))

    def _to(self, identity: str) -> None:
        with self._lock:
            over = self._errors > self.controls.errors
        why_not = LEFT_OUT if over else self._waited_for(identity)
        if why_not is not None:
            self.tell(identity, why_not)
            return
        ended = self.run(identity, self._cancelled[identity])
        with self._lock:
            self._errors += ended["StatusDetails"] in FAILED

    def _waited_for(self, identity: str) -> Document | None:
        """Until its agent is online; what became of it where it never is, or somebody cancels the command."""
        until, cancelled = time.monotonic() + self.controls.delivery_seconds, self._cancelled[identity]
        while not cancelled.is_set() and not self.is_online(identity):
            if time.monotonic() >= until:
                return UNDELIVERED
            cancelled.wait(LOOK_EVERY_SECONDS)
        return CANCELLED if cancelled.is_set() else None
