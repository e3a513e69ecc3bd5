"""What bills and does nothing, and how the looks at it find what is ours and whether it worked.

What is ours is known by the stacks' outputs and, where a launch or a hand made it, by the tags `project` and `stage`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from ops.prices import HOURS_A_MONTH, Prices
from ops.stage import Stage

DAY_SECONDS = 86_400
GIB = 1024**3
# Storage that costs less than this is not worth a line.
LEAST_USD_A_MONTH = 0.01
STOP_BY = "--stop, or "


@dataclass(frozen=True)
class Idler:
    what: str
    name: str
    idle_for: str
    sign: str
    """By what it was judged: which metric or state, and over how long."""
    usd_an_hour: float | None
    """None is unpriced."""
    remedy: str
    stop: Callable[[], object] | None = None
    """Where stopping loses nothing."""

    def document(self) -> dict[str, object]:
        return {
            "what": self.what,
            "name": self.name,
            "idle_for": self.idle_for,
            "judged_by": self.sign,
            "usd_an_hour": self.usd_an_hour,
            "remedy": self.remedy,
            "can_be_stopped": self.stop is not None,
        }


@dataclass
class Ground:
    """A stage at one moment."""

    stage: Stage
    now: datetime

    @property
    def region(self) -> str:
        return self.stage.account.region

    @property
    def prices(self) -> Prices:
        return self.stage.prices

    @cached_property
    def tags(self) -> dict[str, str]:
        return {"project": self.stage.config.stage.project, "stage": self.stage.name}

    @cached_property
    def filters(self) -> list[dict[str, Any]]:
        """The tags, as EC2 is asked for them."""
        return [{"Name": f"tag:{key}", "Values": [value]} for key, value in self.tags.items()]

    @cached_property
    def boxes(self) -> list[dict[str, Any]]:
        """As EC2 describes them, whatever their state."""
        pages = self.stage.client("ec2").get_paginator("describe_instances").paginate(Filters=self.filters)
        return [one for one in pages.search("Reservations[].Instances[]") if one]

    def readings(
        self, metric: str, dimensions: dict[str, str], statistic: str, start: datetime, period_seconds: int
    ) -> dict[datetime, float]:
        """`metric` as NAMESPACE:NAME."""
        namespace, _, name = metric.partition(":")
        found = self.stage.client("cloudwatch").get_metric_statistics(
            Namespace=namespace,
            MetricName=name,
            Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
            StartTime=start,
            EndTime=self.now,
            Period=period_seconds,
            Statistics=[statistic],
        )
        return {point["Timestamp"]: point[statistic] for point in found["Datapoints"]}

    def count(self, metric: str, dimensions: dict[str, str], span: timedelta) -> float:
        return sum(self.readings(metric, dimensions, "Sum", self.now - span, DAY_SECONDS).values())


def stored(gib_month: float | None, size_bytes: float) -> float | None:
    """What keeping so many bytes costs an hour."""
    return times(gib_month, size_bytes / GIB / HOURS_A_MONTH)


def is_worth_telling(usd_an_hour: float | None) -> bool:
    """What has no price is told, however small it may be."""
    return usd_an_hour is None or usd_an_hour * HOURS_A_MONTH >= LEAST_USD_A_MONTH


def times(price: float | None, count: float) -> float | None:
    return None if price is None else price * count


def whole(costs: Iterable[float | None]) -> float | None:
    """A sum with an unknown part is unknown."""
    found = list(costs)
    known = [cost for cost in found if cost is not None]
    return sum(known) if len(known) == len(found) else None
