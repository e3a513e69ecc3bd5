"""CloudWatch's metrics in the log line, in its embedded format: published without a call, a wait or a permission."""

from collections.abc import Callable
from typing import Any

NAMESPACE = "Whippet/Predictions"
# Of each a metric for the endpoint; how often something came out is counted for each outcome.
_MEASURED = {
    "fetch_ms": "Milliseconds",
    "invoke_ms": "Milliseconds",
    "total_ms": "Milliseconds",
    "image_bytes": "Bytes",
}
_COUNTED = frozenset({"direct", "POST /predict"})


def with_metrics(record: dict[str, Any], endpoint_name: str, now_ms: Callable[[], int]) -> dict[str, Any]:
    """The record of a prediction, readable as metrics as well; any other stays as it is."""
    if record.get("route") not in _COUNTED:
        return record
    measured = [{"Name": name, "Unit": unit} for name, unit in _MEASURED.items() if name in record]
    directives = [
        {"Namespace": NAMESPACE, "Dimensions": [["endpoint"]], "Metrics": measured},
        {
            "Namespace": NAMESPACE,
            "Dimensions": [["endpoint", "outcome"]],
            "Metrics": [{"Name": "requests", "Unit": "Count"}],
        },
    ]
    return {
        **record,
        "endpoint": endpoint_name,
        "requests": 1,
        "_aws": {"Timestamp": now_ms(), "CloudWatchMetrics": directives},
    }
