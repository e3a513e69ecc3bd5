"""HTTP API throttling: a token bucket a stage or route, as its settings ask. MiniStack keeps these and admits all."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

TOO_MANY = (429, {"Content-Type": "application/json"}, b'{"message":"Too Many Requests"}')


@dataclass
class TokenBucket:
    """`rate` tokens a second come in, up to `burst`."""

    rate: float
    burst: float
    clock: Callable[[], float] = time.monotonic
    tokens: float = field(init=False)
    at: float = field(init=False)

    def __post_init__(self) -> None:
        self.tokens, self.at = self.burst, self.clock()

    def take(self) -> bool:
        now = self.clock()
        self.tokens = min(self.burst, self.tokens + (now - self.at) * self.rate)
        self.at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


class Throttles:
    """The buckets in use, by API, stage and what they are for. A changed setting starts a new one."""

    def __init__(self) -> None:
        self._buckets: dict[tuple[str, str, str], TokenBucket] = {}

    def admits(self, api_id: str, stage_name: str, route_key: str, stage: Mapping[str, Any]) -> bool:
        of_route = _limits((stage.get("routeSettings") or {}).get(route_key) or {})
        limits = of_route or _limits(stage.get("defaultRouteSettings") or {})
        if limits is None:
            return True
        # Without a setting of its own a route shares the stage's.
        key = (api_id, stage_name, route_key if of_route else "")
        bucket = self._buckets.get(key)
        if bucket is None or (bucket.rate, bucket.burst) != limits:
            bucket = self._buckets[key] = TokenBucket(*limits)
        return bucket.take()


def _limits(settings: Mapping[str, Any]) -> tuple[float, float] | None:
    """Rate and burst, however the settings were written: templates and the API differ in their first letter."""
    found = {name[:1].lower() + name[1:]: value for name, value in settings.items()}
    rate, burst = found.get("throttlingRateLimit"), found.get("throttlingBurstLimit")
    return None if rate is None or burst is None else (float(rate), float(burst))
