"""What one policy asks for: target tracking and steps, from a capacity and what the metric says."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from local.scaling.alarm import Threshold

# Rounding must not buy an instance: 3 x 0.1 / 0.3 is a hair above 1.
HAIR = 1e-9


@dataclass(frozen=True)
class TargetTracking:
    """Capacity in proportion to a metric that falls as capacity grows: invocations per instance, a utilisation.

    The alarms are those of real endpoints: above the target for 3 periods, below 90 % of it for 15 minutes. A
    high-resolution metric has periods of ten seconds.
    """

    target: float
    scale_out_cooldown: float = 300
    scale_in_cooldown: float = 300
    disable_scale_in: bool = False
    period_seconds: int = 60

    @property
    def high(self) -> Threshold:
        return Threshold("GreaterThanThreshold", self.target, 3, 3, self.period_seconds)

    @property
    def low(self) -> Threshold:
        periods = 15 * 60 // self.period_seconds
        return Threshold("LessThanThreshold", 0.9 * self.target, periods, periods, self.period_seconds)

    def out(self, capacity: int, points: Sequence[float]) -> int:
        """By the newest point. Of nothing, one is as good a start as any: then the metric counts for the whole."""
        return self._wanted(capacity, points[-1])

    def into(self, capacity: int, points: Sequence[float]) -> int:
        """By the busiest of the points that raised the alarm: what would be too few for any of them is not left."""
        return self._wanted(capacity, max(points))

    def _wanted(self, capacity: int, value: float) -> int:
        return math.ceil(max(capacity, 1) * value / self.target - HAIR)


@dataclass(frozen=True)
class Step:
    """An adjustment for a metric so far from the alarm's threshold; None is no bound."""

    adjustment: int
    lower: float | None = None
    upper: float | None = None

    def holds(self, distance: float, above: bool) -> bool:
        low = -math.inf if self.lower is None else self.lower
        high = math.inf if self.upper is None else self.upper
        # The bound that is nearer to the threshold belongs to the step.
        return low <= distance < high if above else low < distance <= high


@dataclass(frozen=True)
class StepScaling:
    """Steps by how far the metric is beyond its alarm's threshold."""

    steps: tuple[Step, ...]
    adjustment_type: str = "ChangeInCapacity"
    cooldown: float = 300
    minimum_magnitude: int = 0

    def wanted(self, capacity: int, distance: float, above: bool) -> int | None:
        """None where no step is for this distance."""
        found = next((step for step in self.steps if step.holds(distance, above)), None)
        if found is None:
            return None
        if self.adjustment_type == "ExactCapacity":
            return found.adjustment
        if self.adjustment_type == "PercentChangeInCapacity":
            return max(0, capacity + self._percent(capacity, found.adjustment))
        return max(0, capacity + found.adjustment)

    def _percent(self, capacity: int, percent: int) -> int:
        """Toward zero, but a share of less than one is one; then at least the minimum magnitude."""
        share = capacity * percent / 100
        sign = -1 if share < 0 else 1
        return sign * max(math.floor(abs(share)), 1 if share else 0, self.minimum_magnitude if share else 0)
