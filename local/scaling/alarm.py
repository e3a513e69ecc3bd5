"""When a CloudWatch alarm is in alarm: M of N periods beyond a threshold, and what a period without data means."""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass

ALARM, OK, INSUFFICIENT_DATA = "ALARM", "OK", "INSUFFICIENT_DATA"
COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}


@dataclass(frozen=True)
class Threshold:
    """What an alarm watches for; `missing` is its TreatMissingData."""

    comparison: str
    value: float
    evaluation_periods: int
    datapoints_to_alarm: int
    period_seconds: int = 60
    missing: str = "missing"

    def state(self, periods: Sequence[float | None], before: str = INSUFFICIENT_DATA) -> str:
        """Of the last `evaluation_periods` values, one a period and oldest first; None where no data came."""
        last = periods[-self.evaluation_periods :]
        known = [value for value in last if value is not None]
        unknown = self.evaluation_periods - len(known)
        if not known and self.missing in ("missing", "ignore"):
            return before if self.missing == "ignore" else INSUFFICIENT_DATA
        breaching = sum(COMPARISONS[self.comparison](value, self.value) for value in known)
        if self.missing == "breaching":
            breaching, unknown = breaching + unknown, 0
        elif self.missing == "notBreaching":
            unknown = 0
        if breaching >= self.datapoints_to_alarm:
            return ALARM
        # What is unknown might have made it an alarm: then the alarm stays as it was.
        undecided = breaching + unknown >= self.datapoints_to_alarm
        return before if undecided and before != INSUFFICIENT_DATA else OK
