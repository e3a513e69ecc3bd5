"""One request on its way: read its pictures, decode each, have the engine answer, gather the rows.

The threads that decode hand each picture to the engine themselves, and the engine's threads hand the rows back; the
event loop hears once of the end.
"""

import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial

import numpy as np

from serving.artifact import Artifact
from serving.engine import Batch, NotFiniteError
from serving.engine_room import EngineRoom, Turn
from serving.errors import RequestError
from serving.preprocess import Limits, decode, normalise
from serving.request import Picture, Wishes, read_pictures
from serving.workers import Workers

Row = Batch | RequestError


@dataclass
class Timing:
    """Milliseconds of each step, summed over a request's pictures, for the log."""

    queue: float = 0.0
    decode: float = 0.0
    infer: float = 0.0
    encode: float = 0.0

    def rounded(self) -> dict[str, float]:
        return {step: round(value, 2) for step, value in vars(self).items()}


@dataclass(frozen=True)
class Predictor:
    """What pictures need to become rows of logits."""

    artifact: Artifact
    decoders: Workers
    engine_room: EngineRoom
    limits: Limits
    max_images: int
    queue_seconds: float

    def start(self, body: bytes, wishes: Wishes) -> "Work":
        return Work(self, body, wishes)

    def pixels(self, picture: Picture) -> Batch:
        """One picture as the network takes it."""
        recipe = self.artifact.preprocessing
        if picture.tensor is not None:
            wanted = (3, recipe.height, recipe.width)
            if picture.tensor.shape != wanted:
                message = f"An array of floats must have the network's shape {wanted}, not {picture.tensor.shape}."
                raise RequestError(422, "array_shape", message)
            return np.ascontiguousarray(picture.tensor[None])
        return normalise(decode(picture.content, recipe, self.limits), recipe)


class Work:
    """A request's rows, once all are there. `rows` is a future that ends in them or in what went wrong."""

    def __init__(self, predictor: Predictor, body: bytes, wishes: Wishes) -> None:
        self._predictor, self._body, self._wishes = predictor, body, wishes
        self.rows: Future[list[Row]] = Future()
        self.timing, self.several = Timing(), False
        self._submitted, self._monotonic = time.perf_counter(), time.monotonic()
        self._lock = threading.Lock()
        self._found: list[Row | None] = []
        self._missing = 0
        self._begun = self._ended = False
        predictor.decoders.submit(self._open)

    def _wanted(self) -> bool:
        """Whether it is worth going on; what has waited too long ends here."""
        if self._ended or self.rows.cancelled():
            return False
        if not self._begun and time.monotonic() - self._monotonic > self._predictor.queue_seconds:
            limit = self._predictor.queue_seconds
            message = f"No turn within {limit:g} s, since others were first; try again in a moment."
            self._end(RequestError(429, "waited_too_long", message))
            return False
        return True

    def _open(self) -> None:
        if not self._wanted():
            return
        try:
            pictures = read_pictures(self._wishes.content_type, self._body, self._predictor.max_images)
        except Exception as error:  # whoever waits for the answer hears of a defect as well
            self._end(error)
            return
        self._body, self.several = b"", pictures.several
        self._found, self._missing = [None] * len(pictures.items), len(pictures.items)
        if len(pictures.items) == 1:
            self._decode(0, pictures.items[0])
        else:
            for number, picture in enumerate(pictures.items):
                self._predictor.decoders.submit(partial(self._decode, number, picture))

    def _decode(self, number: int, picture: Picture | RequestError) -> None:
        if not self._wanted():
            return
        started = time.perf_counter()
        try:
            if isinstance(picture, RequestError):
                raise picture
            image = self._predictor.pixels(picture)
        except RequestError as error:
            self._put(number, error if self._wishes.by_line else named(error, number, len(self._found)))
            return
        except Exception as error:  # as above
            self._end(error)
            return
        finally:
            ended = time.perf_counter()
            with self._lock:
                self.timing.queue += (started - self._submitted) * 1000
                self.timing.decode += (ended - started) * 1000
        done = partial(self._inferred, number, ended, picture.tensor is not None)
        self._predictor.engine_room.submit(Turn(image, done, self._wanted))

    def _inferred(
        self, number: int, decoded: float, given_as_floats: bool, turn: Turn, result: Batch | Exception
    ) -> None:
        with self._lock:
            self._begun = True
            self.timing.queue += (turn.started - decoded) * 1000
            self.timing.infer += (turn.ended - turn.started) * 1000
        if isinstance(result, NotFiniteError) and given_as_floats:
            message = (
                "The network answers this array with numbers that are not finite; normalise it as model.json says."
            )
            self._put(number, RequestError(422, "array_unusable", message))
        elif isinstance(result, Exception):
            self._end(result)
        else:
            self._put(number, result)

    def _put(self, number: int, row: Row) -> None:
        if isinstance(row, RequestError) and not self._wishes.by_line:
            self._end(row)
            return
        with self._lock:
            self._found[number] = row
            self._missing -= 1
            if self._missing:
                return
        self._end([row for row in self._found if row is not None])

    def _end(self, end: Exception | list[Row]) -> None:
        with self._lock:
            if self._ended:
                return
            self._ended = True
        if not self.rows.set_running_or_notify_cancel():
            return
        if isinstance(end, Exception):
            self.rows.set_exception(end)
        else:
            self.rows.set_result(end)


def named(error: RequestError, number: int, count: int) -> RequestError:
    """Which of several pictures it was."""
    return error if count == 1 else RequestError(error.status, error.code, f"Image {number + 1}: {error.message}")
