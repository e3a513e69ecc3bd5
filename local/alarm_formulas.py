"""Alarms on formulas over several metrics, which MiniStack's CloudFormation refuses."""

from collections.abc import Callable, Sequence
from typing import Any

from local import joints, joints_cloudwatch
from local.joints_cloudwatch import Alarm
from local.json_service import AwsError
from local.metric_math import Formula, FormulaError
from local.records import Scope

Queries = Sequence[dict[str, Any]]


def complete_cloudformation() -> None:
    joints.wrap("services.cloudformation.provisioners:_cw_metric_alarm_record", _record)


def values(place: Scope, queries: Queries, starts: Sequence[float], period: float) -> list[float | None]:
    """What an alarm with these Metrics looks at, for each period that begins at one of `starts`."""
    series = {
        query["Id"]: joints_cloudwatch.statistics(place, _plain(query["MetricStat"]), starts, period)
        for query in queries
        if "MetricStat" in query
    }
    (returned,) = [query for query in queries if query["ReturnData"]]
    if "MetricStat" in returned:
        return series[returned["Id"]]
    formula = Formula(returned["Expression"])
    return [formula.value({name: readings[i] for name, readings in series.items()}) for i in range(len(starts))]


def _plain(stat: dict[str, Any]) -> Alarm:
    """As an alarm on this metric alone would say it."""
    return {**stat["Metric"], "Statistic": stat["Stat"], "Unit": stat.get("Unit")}


def _record(original: Callable[..., Alarm], name: str, properties: dict[str, Any]) -> Alarm:
    """An alarm's record from a template, formulas and all."""
    given = properties.get("Metrics")
    if not given:
        return original(name, properties)
    queries = [_typed(query) for query in given]
    _check(queries)
    first = next(query["MetricStat"] for query in queries if "MetricStat" in query)
    plain = {key: value for key, value in properties.items() if key != "Metrics"}
    borrowed = {"MetricName": first["Metric"]["MetricName"], "Namespace": first["Metric"]["Namespace"]}
    record = original(name, {**plain, **borrowed, "Period": first["Period"]})
    return {**record, "Metrics": queries, "MetricName": None, "Namespace": None, "Statistic": None, "Unit": None}


def _check(queries: Queries) -> None:
    periods = {query["MetricStat"]["Period"] for query in queries if "MetricStat" in query}
    if len([query for query in queries if query["ReturnData"]]) != 1 or len(periods) != 1:
        raise AwsError("ValidationError", "An alarm's Metrics return exactly one time series, all of one period.")
    metrics = {query["Id"] for query in queries if "MetricStat" in query}
    for query in queries:
        if "Expression" in query:
            try:
                formula = Formula(query["Expression"])
            except FormulaError as error:
                raise AwsError("ValidationError", str(error)) from error
            if not formula.names <= metrics:
                raise AwsError("ValidationError", f"{query['Expression']!r} names what is no metric of this alarm's.")


def _typed(query: dict[str, Any]) -> dict[str, Any]:
    """CloudFormation's texts as numbers and booleans."""
    kept = {**query, "ReturnData": str(query.get("ReturnData", True)).lower() == "true"}
    if "MetricStat" in query:
        kept["MetricStat"] = {**query["MetricStat"], "Period": int(query["MetricStat"]["Period"])}
    return kept
