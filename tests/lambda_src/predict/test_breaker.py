"""An endpoint that is down is left alone for a while, and then tried by one call."""

from lambda_src.predict.breaker import FAILURES, OPEN_SECONDS, Breaker


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def opened() -> tuple[Breaker, Clock]:
    clock = Clock()
    breaker = Breaker(clock)
    for _ in range(FAILURES):
        assert breaker.seconds_to_wait() == 0
        breaker.failed()
    return breaker, clock


def test_failures_in_a_row_keep_calls_away() -> None:
    breaker, clock = opened()
    assert breaker.seconds_to_wait() == OPEN_SECONDS
    clock.now += 4
    assert breaker.seconds_to_wait() == OPEN_SECONDS - 4


def test_a_success_between_failures_starts_the_count_anew() -> None:
    breaker = Breaker(Clock())
    for _ in range(3):
        for _ in range(FAILURES - 1):
            breaker.failed()
        breaker.succeeded()
    assert breaker.seconds_to_wait() == 0


def test_after_the_wait_one_call_tries_and_the_others_wait_for_it() -> None:
    breaker, clock = opened()
    clock.now += OPEN_SECONDS
    assert breaker.seconds_to_wait() == 0
    assert breaker.seconds_to_wait() == OPEN_SECONDS


def test_a_try_that_fails_starts_the_wait_anew_and_one_that_succeeds_ends_it() -> None:
    breaker, clock = opened()
    clock.now += OPEN_SECONDS
    breaker.seconds_to_wait()
    breaker.failed()
    assert breaker.seconds_to_wait() == OPEN_SECONDS
    clock.now += OPEN_SECONDS
    breaker.seconds_to_wait()
    breaker.succeeded()
    assert breaker.seconds_to_wait() == 0
