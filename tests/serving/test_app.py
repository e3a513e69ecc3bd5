"""Overload, deadlines, clients that leave, engines that fail: with an engine that the test controls."""

import asyncio
import threading

import pytest

from serving import health, refusals
from serving.workers import Workers
from tests.serving.asgi import PICTURE, Exchange, entered, house, run
from tests.serving.processes import wait_until


def test_request_beyond_the_queue_is_answered_429_without_reading_it() -> None:
    with house() as ours:

        async def scenario() -> None:
            waiting = [asyncio.create_task(Exchange(ours.app).run()) for _ in range(2)]
            await entered(ours.engine)
            unread = await Exchange(ours.app, stalls=True).run()
            assert (unread.status, unread.code) == (429, "queue_full")
            assert (b"retry-after", b"1") in unread.sent[0]["headers"]
            ours.engine.gate.set()
            assert [(await task).status for task in waiting] == [200, 200]

        run(scenario)


def test_bodies_that_would_take_too_much_memory_are_refused_unread() -> None:
    with house(queue_length=9, max_pending_bytes=len(PICTURE) + 100) as ours:

        async def scenario() -> None:
            busy = asyncio.create_task(Exchange(ours.app, headers={"content-length": str(len(PICTURE))}).run())
            await entered(ours.engine)
            unread = await Exchange(ours.app, stalls=True, headers={"content-length": "101"}).run()
            assert (unread.status, unread.code) == (429, "queue_full")
            small = asyncio.create_task(Exchange(ours.app, headers={"content-length": "100"}, stalls=True).run())
            await asyncio.sleep(0)
            small.cancel()
            ours.engine.gate.set()
            assert (await busy).status == 200
            assert (await Exchange(ours.app, headers={"content-length": str(len(PICTURE))}).run()).status == 200

        run(scenario)


def test_body_that_was_not_announced_counts_as_it_comes() -> None:
    with house(queue_length=9, max_pending_bytes=10) as ours:

        async def scenario() -> None:
            refused = await Exchange(ours.app).run()
            assert (refused.status, refused.code) == (429, "queue_full")

        run(scenario)


def test_request_that_waited_too_long_is_answered_429_instead_of_computed() -> None:
    with house(queue_seconds=0.1) as ours:

        async def scenario() -> None:
            first = asyncio.create_task(Exchange(ours.app).run())
            await entered(ours.engine)
            late = asyncio.create_task(Exchange(ours.app).run())
            await asyncio.sleep(0.2)
            ours.engine.gate.set()
            assert (await first).status == 200
            assert ((await late).status, (await late).code) == (429, "waited_too_long")

        run(scenario)
        assert ours.close()
        assert ours.engine.sizes == [1]


def test_refusals_for_want_of_room_are_told_together(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusals, "EVERY_SECONDS", 0.05)
    with house(queue_length=0, max_pending_bytes=10) as ours, caplog.at_level("INFO", "serving"):

        async def scenario() -> None:
            for _ in range(5):
                assert (await Exchange(ours.app).run()).status == 429
            await asyncio.sleep(0.1)

        run(scenario)
    assert [(record.message, record.facts) for record in caplog.records] == [  # type: ignore[attr-defined]
        ("refused", {"code": "queue_full", "requests": 5})
    ]


def test_silent_engine_is_tried_when_ping_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "SILENCE_SECONDS", 0.0)
    with house(wedged_seconds=0.1) as ours:

        async def scenario() -> None:
            ping = await Exchange(ours.app, method="GET", path="/ping").run()
            assert ping.status == 200
            await entered(ours.engine)
            await asyncio.sleep(0.15)
            assert (await Exchange(ours.app, method="GET", path="/ping").run()).status == 503

        run(scenario)


def test_ping_is_answered_while_every_worker_is_busy() -> None:
    with house() as ours:

        async def scenario() -> None:
            busy = asyncio.create_task(Exchange(ours.app).run())
            await entered(ours.engine)
            ping = await asyncio.wait_for(Exchange(ours.app, method="GET", path="/ping").run(), 1)
            assert ping.status == 200
            ours.engine.gate.set()
            await busy

        run(scenario)


def test_request_past_its_deadline_is_answered_503() -> None:
    with house(request_seconds=0.2) as ours:

        async def scenario() -> None:
            late = await Exchange(ours.app).run()
            assert (late.status, late.code) == (503, "timed_out")

        run(scenario)


def test_request_that_timed_out_in_the_queue_never_reaches_the_engine() -> None:
    with house(request_seconds=0.2) as ours:

        async def scenario() -> None:
            await asyncio.gather(Exchange(ours.app).run(), Exchange(ours.app).run())

        run(scenario)
        ours.engine.gate.set()
        assert ours.close()
        assert ours.engine.sizes == [1]


def test_work_of_a_client_that_left_is_dropped() -> None:
    with house() as ours:

        async def scenario() -> None:
            busy = asyncio.create_task(Exchange(ours.app).run())
            await entered(ours.engine)
            leaving = Exchange(ours.app)
            task = asyncio.create_task(leaving.run())
            await asyncio.sleep(0.05)
            leaving.gone.set()
            await task
            assert leaving.sent == []
            ours.engine.gate.set()
            await busy

        run(scenario)
        assert ours.close()
        assert ours.engine.sizes == [1]


def test_place_of_a_client_that_left_is_free_again() -> None:
    with house(queue_length=0) as ours:

        async def scenario() -> None:
            leaving = Exchange(ours.app, stalls=True)
            task = asyncio.create_task(leaving.run())
            await asyncio.sleep(0)
            leaving.gone.set()
            await task
            ours.engine.gate.set()
            assert (await Exchange(ours.app).run()).status == 200

        run(scenario)


def test_body_that_does_not_arrive_is_answered_400() -> None:
    with house(body_seconds=0.1) as ours:

        async def scenario() -> None:
            slow = await Exchange(ours.app, stalls=True).run()
            assert (slow.status, slow.code) == (400, "body_timeout")

        run(scenario)


def test_failing_engine_is_answered_503_and_turns_ping_red() -> None:
    with house() as ours:
        ours.engine.gate.set()
        ours.engine.broken = True

        async def scenario() -> None:
            assert (await Exchange(ours.app).run()).code == "engine_failed"
            ping = await Exchange(ours.app, method="GET", path="/ping").run()
            assert (ping.status, ping.code) == (503, "unhealthy")

        run(scenario)


def test_ping_turns_green_once_the_engine_answers_again() -> None:
    with house() as ours:
        ours.engine.gate.set()
        ours.engine.broken = True
        statuses: list[int] = []

        async def scenario() -> None:
            await Exchange(ours.app).run()
            ours.engine.broken = False
            while not statuses or statuses[-1] != 200:
                statuses.append((await Exchange(ours.app, method="GET", path="/ping").run()).status)
                await asyncio.sleep(0.01)

        run(lambda: asyncio.wait_for(scenario(), 10))
        assert statuses[0] == 503


def test_wedged_engine_turns_ping_red() -> None:
    with house(request_seconds=0.2, wedged_seconds=0.1) as ours:

        async def scenario() -> None:
            await Exchange(ours.app).run()
            await asyncio.sleep(0.05)
            assert (await Exchange(ours.app, method="GET", path="/ping").run()).status == 503

        run(scenario)


def test_defect_is_answered_500_without_its_trace(caplog: pytest.LogCaptureFixture) -> None:
    with house() as ours:
        ours.engine.infer = lambda _batch: 1 / 0  # type: ignore[assignment, method-assign, return-value]

        async def scenario() -> None:
            answer = await Exchange(ours.app).run()
            assert answer.status == 500
            assert "ZeroDivision" not in str(answer.document)

        run(scenario)
    assert "ZeroDivisionError" in caplog.text


def test_answers_are_logged_without_the_picture(caplog: pytest.LogCaptureFixture) -> None:
    with house() as ours, caplog.at_level("INFO", "serving"):
        ours.engine.gate.set()

        async def scenario() -> None:
            await Exchange(ours.app).run()

        run(scenario)
    (record,) = caplog.records
    assert set(record.facts) == {"request_id", "status", "body_bytes", "images", "ms", "total_ms"}  # type: ignore[attr-defined]


def test_workers_take_jobs_in_order() -> None:
    workers, order = Workers(1), list[int]()
    for number in range(20):
        workers.submit(lambda number=number: order.append(number))
    assert workers.close(10)
    assert order == list(range(20))


def test_a_worker_that_hangs_is_reported_when_closing() -> None:
    workers, gate = Workers(1), threading.Event()
    workers.submit(lambda: gate.wait(10))
    wait_until(lambda: workers.longest_run_seconds() > 0)
    assert not workers.close(0.05)
    gate.set()
