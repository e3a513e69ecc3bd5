"""Who computes what, and on how many cores: all of them for one image when idle, one each side by side when busy.

One inference on all cores answers soonest; inferences on one core each answer most in a second. Which is better is
known when a core becomes free: few images in line and nothing running, all cores; else one each. Nothing ever waits
for a batch to form; what waits already may go together where the network was seen to gain by it.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import SimpleQueue

import numpy as np

from serving import cores
from serving.engine import Batch, Engine, First, NotFiniteError

# An image that takes longer alone gains next to nothing in a batch, and would keep others waiting.
BATCHABLE_SECONDS = 0.005
WORTH_A_BATCH = 0.9
TRIES, TRIES_SECONDS = 4, 0.03


@dataclass(frozen=True)
class Pace:
    """What the engine was seen to do when it warmed up."""

    speedup: float
    """How many times sooner all cores answer than one."""
    together: int
    """Images that gain by going together."""


@dataclass(eq=False)
class Turn:
    """One image in line. `done` gets its logits, or what went wrong, in the thread that computed it."""

    image: Batch
    done: Callable[["Turn", Batch | Exception], None]
    still_wanted: Callable[[], bool] = lambda: True
    started: float = 0.0
    ended: float = 0.0


@dataclass(frozen=True)
class Round:
    """What one thread is given to do."""

    turns: list[Turn]
    on_all_cores: bool


class EngineRoom:
    """One thread a core, and one line in front of them."""

    def __init__(self, engine: Engine, processors: Sequence[int], pace: Pace, *, pinned: bool) -> None:
        self._engine, self._pace = engine, pace
        self._line: deque[Turn] = deque()
        self._lock = threading.Lock()
        self._room_in_line = threading.Condition(self._lock)
        # Decoding ahead of the engine further than this would only take memory.
        self._places = 2 * len(processors) + pace.together
        self._idle = set(range(len(processors)))
        self._all_cores_taken = False
        self._busy_since: dict[int, float] = {}
        self._hands: list[SimpleQueue[Round | None]] = [SimpleQueue() for _ in processors]
        self._threads = [
            # daemons: a wedged engine must not keep the process from ending
            threading.Thread(target=self._work, args=(number, processor if pinned else None), daemon=True)
            for number, processor in enumerate(processors)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, turn: Turn, *, wait: bool = True) -> None:
        """Put an image at the end of the line; waits while the line is long enough to keep every core busy."""
        with self._lock:
            while wait and len(self._line) >= self._places:
                self._room_in_line.wait()
            self._line.append(turn)
            self._hand_out()

    def longest_run_seconds(self) -> float:
        """How long the slowest thread has been at its present inference; 0 when all are idle."""
        starts = list(self._busy_since.values())
        return time.monotonic() - min(starts) if starts else 0.0

    def waiting(self) -> int:
        return len(self._line)

    def close(self, timeout_seconds: float) -> bool:
        """Let the threads finish and end; False when one did not."""
        for hand in self._hands:
            hand.put(None)
        deadline = time.monotonic() + timeout_seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _hand_out(self) -> None:
        """Give work to idle threads, in the line's order. The caller holds the lock."""
        while self._idle and not self._all_cores_taken and self._line_is_wanted():
            alone = len(self._idle) == len(self._threads)
            if alone and len(self._line) < self._pace.speedup:
                # The first thread's core is the one that the session for all cores leaves to its caller.
                number, turns, self._all_cores_taken = 0, [self._line.popleft()], True
            else:
                number = max(self._idle)
                share = min(self._pace.together, -(-len(self._line) // len(self._idle)))
                turns = [self._line.popleft() for _ in range(share)]
            self._idle.discard(number)
            self._hands[number].put(Round(turns, self._all_cores_taken))
        self._room_in_line.notify_all()

    def _line_is_wanted(self) -> bool:
        """Whether somebody still waits for the first in line; drops those for whom nobody does."""
        while self._line and not self._line[0].still_wanted():
            self._line.popleft()
        return bool(self._line)

    def _work(self, number: int, processor: int | None) -> None:
        if processor is not None:
            cores.pin(processor)
        while (given := self._hands[number].get()) is not None:
            self._busy_since[number] = time.monotonic()
            results = self._compute(given)
            del self._busy_since[number]
            with self._lock:
                self._idle.add(number)
                if given.on_all_cores:
                    self._all_cores_taken = False
                self._hand_out()
            for turn, result in zip(given.turns, results, strict=True):
                turn.done(turn, result)
            del given, results

    def _compute(self, given: Round) -> Sequence[Batch | Exception]:
        started = time.perf_counter()
        images = [turn.image for turn in given.turns]
        try:
            batch = images[0] if len(images) == 1 else np.concatenate(images)
            logits = self._engine.infer_on_all_cores(batch) if given.on_all_cores else self._engine.infer(batch)
            results: Sequence[Batch | Exception] = [
                row if np.isfinite(row).all() else NotFiniteError() for row in logits
            ]
        except Exception as error:  # whatever it was, who waits for the answer has to hear of it
            results = [error] * len(given.turns)
        ended = time.perf_counter()
        for turn in given.turns:
            turn.started, turn.ended = started, ended
        return results


def pace_of(engine: Engine, image: Batch, first: tuple[First, First], processors: int, max_batch: int) -> Pace:
    """Try the engine: what all cores gain, and what a batch does. Its first answers count as tries."""
    alone = soonest(lambda: engine.infer(image), first[0].seconds)
    speedup = 0.0
    if processors > 1:
        together = soonest(lambda: engine.infer_on_all_cores(image), first[1].seconds)
        # Noise must not make more of the cores than they are, nor less than one.
        speedup = min(alone / together, processors - 0.1)
    gains = False
    if max_batch > 1 and alone < BATCHABLE_SECONDS:
        many = np.repeat(image, max_batch, axis=0)
        gains = soonest(lambda: engine.infer(many)) / max_batch < WORTH_A_BATCH * alone
    return Pace(round(speedup, 2), max_batch if gains else 1)


def soonest(work: Callable[[], object], first_seconds: float | None = None) -> float:
    """Seconds of the quickest of a few tries. What is slow differs little from try to try, and a start waits for it."""
    tries = [] if first_seconds is None else [first_seconds]
    while not tries or (len(tries) < TRIES and sum(tries) < TRIES_SECONDS):
        start = time.perf_counter()
        work()
        tries.append(time.perf_counter() - start)
    return min(tries)
