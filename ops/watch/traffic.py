"""What came through the endpoint in the last hour, by the metrics that SageMaker publishes."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

HOUR = timedelta(hours=1)
PERIOD_SECONDS = 300
MICROSECONDS = 1000.0
# Id of the query -> metric and statistic.
ASKED = {
    "requests": ("Invocations", "Sum"),
    "failed": ("Invocation5XXErrors", "Sum"),
    "refused": ("Invocation4XXErrors", "Sum"),
    "answers": ("ModelLatency", "SampleCount"),
    "spent": ("ModelLatency", "Sum"),
    "slowest": ("ModelLatency", "p99"),
}


@dataclass(frozen=True)
class Traffic:
    requests: int
    refused: int
    """4xx: what the caller did wrong."""
    failed: int
    """5xx: what we did wrong."""
    mean_ms: float | None
    """In the model's container; None without a request."""
    worst_p99_ms: float | None
    """The slowest hundredth in the worst five minutes."""


def traffic_of(cloudwatch: Any, endpoint: str, variants: list[str]) -> Traffic:  # noqa: ANN401 - boto3's client
    now = datetime.now(UTC)
    series = {
        key: [value for number in range(len(variants)) for value in found[f"{key}{number}"]]
        for found in [_readings(cloudwatch, endpoint, variants, now - HOUR, now)]
        for key in ASKED
    }
    answers, slowest = sum(series["answers"]), series["slowest"]
    return Traffic(
        requests=int(max(sum(series["requests"]), answers)),
        refused=int(sum(series["refused"])),
        failed=int(sum(series["failed"])),
        mean_ms=round(sum(series["spent"]) / answers / MICROSECONDS, 1) if answers else None,
        worst_p99_ms=round(max(slowest) / MICROSECONDS, 1) if slowest else None,
    )


def _readings(
    cloudwatch: Any,  # noqa: ANN401 - as above
    endpoint: str,
    variants: list[str],
    start: datetime,
    end: datetime,
) -> dict[str, list[float]]:
    queries = [
        _query(f"{key}{number}", *ASKED[key], {"EndpointName": endpoint, "VariantName": variant})
        for number, variant in enumerate(variants)
        for key in ASKED
    ]
    found: dict[str, list[float]] = {query["Id"]: [] for query in queries}
    pages = cloudwatch.get_paginator("get_metric_data").paginate(
        MetricDataQueries=queries, StartTime=start, EndTime=end
    )
    for page in pages:
        for result in page["MetricDataResults"]:
            found[result["Id"]] += result["Values"]
    return found


def _query(name: str, metric: str, statistic: str, dimensions: dict[str, str]) -> dict[str, Any]:
    of = {
        "Namespace": "AWS/SageMaker",
        "MetricName": metric,
        "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
    }
    return {"Id": name, "MetricStat": {"Metric": of, "Period": PERIOD_SECONDS, "Stat": statistic}}
