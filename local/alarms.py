"""CloudWatch's alarms, judged as CloudWatch does: by their own dimensions, period by period, every minute.

MiniStack judges an alarm by all points of a metric's name, whatever they are of, and only when a new one comes in.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from local import alarm_formulas, joints, joints_cloudwatch
from local.clock import Clock
from local.joints_cloudwatch import Alarm
from local.records import Scope
from local.scaling.alarm import ALARM, COMPARISONS, INSUFFICIENT_DATA, Threshold

ACTIONS = {"ALARM": "AlarmActions", "OK": "OKActions", "INSUFFICIENT_DATA": "InsufficientDataActions"}


@dataclass
class Alarms:
    """Every alarm of this embedded AWS, and who is told when one changes."""

    clock: Clock
    # (place, an action's ARN, the alarm): what MiniStack notifies is SNS topics; the rest is for this package.
    on_action: Callable[[Scope, str, Alarm], None] = lambda place, action, alarm: None
    _judged: dict[str, float] = field(default_factory=dict)

    def install(self) -> None:
        joints_cloudwatch.live_by(self.clock.now)
        joints.wrap("services.cloudwatch:_evaluate_alarm", self._evaluate_instead)
        joints.wrap("services.cloudwatch:_dispatch_alarm_actions", self._dispatch_too)

    def judge(self) -> None:
        """Each whose next period is complete."""
        for place, alarm in joints_cloudwatch.alarms():
            period = float(alarm.get("Period") or 60)
            end = self.clock.now() // period * period
            if self._judged.get(alarm["AlarmArn"], 0.0) < end:
                self._judged[alarm["AlarmArn"]] = end
                self._evaluate(place, alarm)

    def values(self, place: Scope, alarm: Alarm) -> list[float | None]:
        """Of the alarm's complete periods, oldest first."""
        period, count = float(alarm.get("Period") or 60), int(alarm["EvaluationPeriods"])
        end = self.clock.now() // period * period
        starts = [end - period * (count - index) for index in range(count)]
        if alarm.get("Metrics"):
            return alarm_formulas.values(place, alarm["Metrics"], starts, period)
        return joints_cloudwatch.statistics(place, alarm, starts, period)

    def _evaluate_instead(self, original: Callable[..., None], alarm: Alarm) -> None:
        self._evaluate(Scope(joints.account(), joints.current_region()), alarm)

    def _dispatch_too(
        self, original: Callable[..., None], alarm: Alarm, old_state: str, new_state: str, *rest: str
    ) -> None:
        original(alarm, old_state, new_state, *rest)
        if alarm.get("ActionsEnabled", True):
            for action in alarm.get(ACTIONS.get(new_state, "")) or []:
                self.on_action(Scope(joints.account(), joints.current_region()), action, alarm)

    def _evaluate(self, place: Scope, alarm: Alarm) -> None:
        if not (alarm.get("MetricName") or alarm.get("Metrics")) or alarm.get("ComparisonOperator") not in COMPARISONS:
            return
        threshold, values = _threshold(alarm), self.values(place, alarm)
        state = threshold.state(values, alarm["StateValue"])
        if state != alarm["StateValue"]:
            joints_cloudwatch.change_alarm(place, alarm, state, _reason(state, threshold, values), self.clock.now())


def _threshold(alarm: Alarm) -> Threshold:
    periods = int(alarm["EvaluationPeriods"])
    return Threshold(
        alarm["ComparisonOperator"],
        float(alarm["Threshold"]),
        periods,
        int(alarm.get("DatapointsToAlarm") or periods),
        int(alarm.get("Period") or 60),
        alarm.get("TreatMissingData") or "missing",
    )


def _reason(state: str, threshold: Threshold, values: list[float | None]) -> str:
    known = [value for value in values if value is not None]
    if state == INSUFFICIENT_DATA:
        return f"Insufficient Data: {len(values)} datapoints were unknown."
    beyond = [value for value in known if COMPARISONS[threshold.comparison](value, threshold.value)]
    said = {"Greater": "greater than", "Less": "less than"}[threshold.comparison.split("Than", 1)[0]]
    equal = " or equal to" if "OrEqualTo" in threshold.comparison else ""
    listed = ", ".join(f"{value:g}" for value in (beyond if state == ALARM else known))
    negation = "were" if state == ALARM else "were not all"
    return (
        f"Threshold Crossed: {len(beyond) if state == ALARM else len(known)} out of the last {len(values)} datapoints "
        f"[{listed}] {negation} {said}{equal} the threshold ({threshold.value:g})."
    )
