"""An HTTP API admits its burst, then its rate."""

from local.throttle import Throttles, TokenBucket

LIMITS = {"ThrottlingRateLimit": 10, "ThrottlingBurstLimit": 2}


def test_burst_is_admitted_and_no_more():
    bucket = TokenBucket(10, 2, clock=lambda: 0.0)
    assert [bucket.take() for _ in range(3)] == [True, True, False]


def test_rate_brings_tokens_back():
    now = [0.0]
    bucket = TokenBucket(10, 2, clock=lambda: now[0])
    bucket.take(), bucket.take()
    now[0] = 0.1
    assert [bucket.take(), bucket.take()] == [True, False]


def test_stage_without_limits_admits_all():
    assert all(Throttles().admits("api", "stage", "GET /", {}) for _ in range(100))


def test_routes_share_the_stages_limit():
    throttles, stage = Throttles(), {"defaultRouteSettings": LIMITS}
    assert [throttles.admits("api", "s", key, stage) for key in ("a", "b", "c")] == [True, True, False]


def test_route_with_limits_of_its_own_does_not_share():
    throttles = Throttles()
    stage = {"defaultRouteSettings": LIMITS, "routeSettings": {"c": LIMITS}}
    assert [throttles.admits("api", "s", key, stage) for key in ("a", "b", "c")] == [True, True, True]
