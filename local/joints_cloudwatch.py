"""The places where this package reaches into MiniStack's CloudWatch and CloudWatch Logs; `local.joints` checks them."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from local.joints import _module, scope
from local.records import Scope

SIGNATURES: dict[str, tuple[str, ...]] = {
    "services.cloudformation.provisioners:_cw_metric_alarm_record": ("name", "props"),
    "services.cloudwatch:_evaluate_alarm": ("alarm",),
    "services.cloudwatch:_dispatch_alarm_actions": ("alarm", "old_state", "new_state", "reason"),
    "services.cloudwatch:_evaluate_parent_alarms": ("child", "seen"),
    "services.cloudwatch:_record_history": (
        "alarm_name",
        "old_state",
        "new_state",
        "reason",
        "alarm_type",
        "reason_data",
    ),
    "services.cloudwatch:_calc_stats": ("points",),
    "services.cloudwatch:_stat_value": ("stats", "stat_name", "points"),
    "services.cloudwatch:_metric_bucket": ("key",),
    "services.cloudwatch:_dims_key": ("dims",),
    "services.cloudwatch:cloudformation_put_metric_alarm": ("alarm",),
    "services.cloudwatch:cloudformation_delete_metric_alarm": ("name", "refuse_dependents"),
    "services.cloudwatch_logs:_append_log_events": ("stream", "events"),
}
ATTRIBUTES = (
    "services.cloudwatch:_alarms",
    "services.cloudwatch:_metrics",
    "services.cloudwatch:time",
    "services.cloudwatch_logs:_log_groups",
    "services.cloudwatch_logs:_log_events_lock",
)
# An alarm as CloudWatch keeps it; a change of it is a change of the alarm.
Alarm = dict[str, Any]


def live_by(now: Callable[[], float]) -> None:
    """Have CloudWatch take the time from `now`."""
    cloudwatch = _module("services.cloudwatch")
    machine = cloudwatch.time

    class Time:
        time = staticmethod(now)

        def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - the module's own attributes
            return getattr(machine, name)

    cloudwatch.time = Time()


def alarms() -> list[tuple[Scope, Alarm]]:
    """Of every account and region."""
    return [
        (Scope(account, region), alarm)
        for (account, region, _), alarm in list(_module("services.cloudwatch")._alarms._data.items())
    ]


def alarm(place: Scope, name: str) -> Alarm | None:
    found: Alarm | None = _module("services.cloudwatch")._alarms.get_scoped(place.account, place.region, name)
    return found


def statistics(place: Scope, alarm: Alarm, starts: Iterable[float], period: float) -> list[float | None]:
    """The statistic that an alarm looks at, for each period that begins at one of `starts`; None without data."""
    cloudwatch = _module("services.cloudwatch")
    dimensions = {one["Name"]: one["Value"] for one in alarm.get("Dimensions") or []}
    name = alarm.get("ExtendedStatistic") or alarm.get("Statistic") or "Average"
    with scope(place.account, place.region):
        key = (alarm["Namespace"], alarm["MetricName"], cloudwatch._dims_key(dimensions))
        points = list(cloudwatch._metrics.get(key) or [])
    wanted: dict[float, list[dict[str, Any]]] = {start: [] for start in starts}
    for point in points:
        start = point["Timestamp"] // period * period
        # An alarm that names a unit sees no reading in another.
        if start in wanted and alarm.get("Unit") in (None, point.get("Unit") or "None"):
            wanted[start].append(point)
    return [
        float(cloudwatch._stat_value(cloudwatch._calc_stats(found), name, found)) if found else None
        for found in wanted.values()
    ]


def change_alarm(place: Scope, alarm: Alarm, state: str, reason: str, at: float) -> None:
    """With all that CloudWatch does on a change: history, notifications, composite alarms."""
    cloudwatch = _module("services.cloudwatch")
    before = alarm["StateValue"]
    alarm.update(StateValue=state, StateReason=reason, StateUpdatedTimestamp=int(at))
    with scope(place.account, place.region):
        cloudwatch._record_history(alarm["AlarmName"], before, state, reason)
        cloudwatch._dispatch_alarm_actions(alarm, before, state, reason)
        cloudwatch._evaluate_parent_alarms(alarm)


def put_alarm(place: Scope, alarm: Alarm) -> None:
    with scope(place.account, place.region):
        _module("services.cloudwatch").cloudformation_put_metric_alarm(alarm)


def delete_alarm(place: Scope, name: str) -> None:
    with scope(place.account, place.region):
        _module("services.cloudwatch").cloudformation_delete_metric_alarm(name)


def publish(  # noqa: PLR0917 - a point
    place: Scope,
    namespace: str,
    metric: str,
    unit: str,
    dimensions: Mapping[str, str],
    at: float,
    values: Mapping[float, int],
    keep_seconds: float | None = None,
) -> None:
    """Each value as often as it was seen. With `keep_seconds`, older points of the metric go."""
    cloudwatch = _module("services.cloudwatch")
    with scope(place.account, place.region):
        key = (namespace, metric, cloudwatch._dims_key(dict(dimensions)))
        points = cloudwatch._metric_bucket(key)
        for value, count in values.items():
            points.append(
                {
                    "Timestamp": at,
                    "Unit": unit,
                    "Dimensions": dict(dimensions),
                    "Value": float(value),
                    "Count": float(count),
                }
            )
        # Points come in the order of their time, or nearly.
        if keep_seconds is not None and points and points[0]["Timestamp"] < at - keep_seconds:
            points[:] = [point for point in points if point["Timestamp"] >= at - keep_seconds]


def group_of(stream: dict[str, Any]) -> str | None:
    """The log group that has this very stream."""
    groups = list(_module("services.cloudwatch_logs")._log_groups._data.items())
    return next((str(key[-1]) for key, one in groups if any(stream is its for its in one["streams"].values())), None)


def expire_log_events(now: float) -> None:
    """Those that are older than their group keeps them. Streams stay, empty as they may be."""
    logs = _module("services.cloudwatch_logs")
    for group in list(logs._log_groups._data.values()):
        days = group.get("retentionInDays")
        if days is None:
            continue
        oldest = (now - days * 86400) * 1000
        for stream in list(group["streams"].values()):
            with logs._log_events_lock:
                kept = [event for event in stream["events"] if event["timestamp"] >= oldest]
                if len(kept) < len(stream["events"]):
                    stream["events"] = kept
                    stream["firstEventTimestamp"] = kept[0]["timestamp"] if kept else None
                    stream["lastEventTimestamp"] = kept[-1]["timestamp"] if kept else None
