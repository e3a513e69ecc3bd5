"""Who computes what, on how many cores, and with whom: with an engine that the test controls."""

import threading
import time

import numpy as np
import pytest

from serving.engine import Batch, EngineError, NotFiniteError
from serving.engine_room import BATCHABLE_SECONDS, EngineRoom, Pace, Turn, pace_of
from tests.serving.asgi import EMPTY, FakeEngine
from tests.serving.processes import wait_until


class Results:
    """What came of each turn, by the number that its image is filled with."""

    def __init__(self) -> None:
        self.rows: dict[int, object] = {}
        self.order: list[int] = []

    def turn(self, number: int, *, wanted: bool = True) -> Turn:
        def done(_turn: Turn, result: Batch | Exception) -> None:
            self.order.append(number)
            self.rows[number] = result

        return Turn(EMPTY + np.float32(number), done, lambda: wanted)


def room_of(cores: int, pace: Pace) -> tuple[FakeEngine, EngineRoom, Results]:
    engine = FakeEngine()
    return engine, EngineRoom(engine, list(range(cores)), pace, pinned=False), Results()


def finish(engine: FakeEngine, room: EngineRoom, results: Results, count: int) -> None:
    engine.gate.set()
    wait_until(lambda: len(results.order) == count)
    assert room.close(10)


def test_one_image_in_an_idle_room_gets_all_cores() -> None:
    engine, room, results = room_of(2, Pace(1.9, 1))
    room.submit(results.turn(1))
    finish(engine, room, results, 1)
    assert (engine.on_all_cores, engine.sizes) == (1, [1])


def test_nobody_starts_beside_an_image_that_has_all_cores() -> None:
    engine, room, results = room_of(2, Pace(1.9, 1))
    for number in range(3):
        room.submit(results.turn(number))
    assert engine.entered.acquire(timeout=10)
    assert not engine.entered.acquire(timeout=0.05)
    finish(engine, room, results, 3)


def test_images_that_waited_go_side_by_side_on_one_core_each() -> None:
    engine, room, results = room_of(2, Pace(1.9, 1))
    for number in range(3):
        room.submit(results.turn(number))
    finish(engine, room, results, 3)
    assert engine.on_all_cores == 1
    assert results.order[0] == 0


def test_short_line_on_many_cores_still_goes_one_by_one_on_all_of_them() -> None:
    engine, room, results = room_of(8, Pace(5.0, 1))
    for number in range(4):
        room.submit(results.turn(number))
    finish(engine, room, results, 4)
    assert (engine.on_all_cores, results.order) == (4, [0, 1, 2, 3])


def test_cores_that_gain_nothing_together_are_never_joined() -> None:
    engine, room, results = room_of(2, Pace(0.97, 1))
    room.submit(results.turn(1))
    finish(engine, room, results, 1)
    assert engine.on_all_cores == 0


def test_free_core_takes_a_newcomer_while_others_compute() -> None:
    engine, room, results = room_of(2, Pace(0, 1))
    room.submit(results.turn(1))
    room.submit(results.turn(2))
    assert engine.entered.acquire(timeout=10)
    assert engine.entered.acquire(timeout=10)
    finish(engine, room, results, 2)


def test_what_waits_already_goes_together_where_that_gains() -> None:
    engine, room, results = room_of(1, Pace(0, 4))
    for number in range(6):
        room.submit(results.turn(number))
    finish(engine, room, results, 6)
    assert engine.sizes == [1, 4, 1]
    assert results.order == list(range(6))


def test_each_of_a_batch_gets_its_own_row() -> None:
    engine, room, results = room_of(1, Pace(0, 4))
    for number in range(4):
        room.submit(results.turn(number))
    finish(engine, room, results, 4)
    assert {number: row[0] - 1 for number, row in results.rows.items()} == {0: 0, 1: 1, 2: 2, 3: 3}  # type: ignore[index]


def test_a_batch_leaves_work_for_the_other_cores() -> None:
    engine, room, results = room_of(2, Pace(0, 8))
    engine.gate.clear()
    for number in range(8):
        room.submit(results.turn(number))
    finish(engine, room, results, 8)
    assert max(engine.sizes) <= 6


def test_turn_that_nobody_waits_for_is_never_computed() -> None:
    engine, room, results = room_of(1, Pace(0, 1))
    room.submit(results.turn(0))
    room.submit(results.turn(1, wanted=False))
    room.submit(results.turn(2))
    finish(engine, room, results, 2)
    assert results.order == [0, 2]


def test_decoders_wait_rather_than_fill_memory() -> None:
    engine, room, results = room_of(1, Pace(0, 1))
    sent: list[int] = []

    def send() -> None:
        for number in range(10):
            room.submit(results.turn(number))
            sent.append(number)

    sender = threading.Thread(target=send)
    sender.start()
    wait_until(lambda: len(sent) == 4)  # one computed, three in line: two a core and a batch of one
    time.sleep(0.05)
    assert len(sent) == 4
    finish(engine, room, results, 10)
    sender.join(10)


def test_failure_reaches_everybody_in_the_batch() -> None:
    engine, room, results = room_of(1, Pace(0, 2))
    engine.broken = True
    for number in range(3):
        room.submit(results.turn(number))
    finish(engine, room, results, 3)
    assert all(isinstance(row, EngineError) for row in results.rows.values())


def test_a_row_that_is_not_finite_spares_the_others() -> None:
    engine, room, results = room_of(1, Pace(0, 2))
    room.submit(results.turn(0))
    room.submit(Turn(EMPTY + np.inf, results.turn(1).done))
    room.submit(results.turn(2))
    finish(engine, room, results, 3)
    assert [isinstance(results.rows[number], NotFiniteError) for number in range(3)] == [False, True, False]


class Timed(FakeEngine):
    """Takes a while for the batch, and another for each image of it."""

    def __init__(self, once: float, each: float) -> None:
        super().__init__()
        self.once, self.each = once, each

    def infer(self, batch: np.ndarray) -> np.ndarray:
        time.sleep(self.once + self.each * len(batch))
        return np.zeros((len(batch), 3), np.float32)


@pytest.mark.parametrize(
    ("once", "each", "together"),
    [(0.003, 0.0001, 8), (0.0, 0.003, 1), (2 * BATCHABLE_SECONDS, 0.0, 1)],
    ids=["gains", "gains nothing", "slow"],
)
def test_images_go_together_only_where_a_quick_network_gains_by_it(once: float, each: float, together: int) -> None:
    engine = Timed(once, each)
    assert pace_of(engine, EMPTY, engine.warm_up(EMPTY), processors=1, max_batch=8).together == together


def test_noise_makes_no_more_of_the_cores_than_they_are() -> None:
    engine = Timed(0.01, 0.0)
    engine.infer_on_all_cores = lambda batch: np.zeros((len(batch), 3))  # type: ignore[method-assign]
    assert pace_of(engine, EMPTY, engine.warm_up(EMPTY), processors=2, max_batch=1).speedup < 2


def test_slow_network_is_tried_no_more_than_it_warmed_up() -> None:
    """A start waits for every try."""
    engine = Timed(0.05, 0.0)
    first = engine.warm_up(EMPTY)
    tries = []
    engine.infer = tries.append  # type: ignore[assignment]
    assert 0.5 < pace_of(engine, EMPTY, first, processors=2, max_batch=8).speedup < 2
    assert tries == []
