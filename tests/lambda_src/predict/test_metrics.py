"""A log line of a prediction is metrics too, in CloudWatch's embedded format."""

import json

import pytest

from lambda_src.predict.metrics import with_metrics
from lambda_src.predict.refusals import STATUS_OF_CODE

RECORD = {
    "request_id": "r",
    "route": "POST /predict",
    "outcome": "ok",
    "total_ms": 12.5,
    "invoke_ms": 9.0,
    "image_bytes": 7,
}
UNITS = {"Count", "Milliseconds", "Bytes"}


def line(**changes):
    return with_metrics({**RECORD, **changes}, "whippet-dev-realtime", lambda: 1_700_000_000_000)


def metrics(record):
    """Metric -> its dimensions, unit and value, as CloudWatch reads the line."""
    said = record["_aws"]
    assert said["Timestamp"] == 1_700_000_000_000
    found = {}
    for directive in said["CloudWatchMetrics"]:
        assert directive["Namespace"] == "Whippet/Predictions"
        (names,) = directive["Dimensions"]
        for metric in directive["Metrics"]:
            assert metric["Unit"] in UNITS
            found[metric["Name"]] = ({name: record[name] for name in names}, metric["Unit"], record[metric["Name"]])
    return found


def test_times_bytes_and_outcomes_are_metrics():
    endpoint = {"endpoint": "whippet-dev-realtime"}
    assert metrics(json.loads(json.dumps(line()))) == {
        "total_ms": (endpoint, "Milliseconds", 12.5),
        "invoke_ms": (endpoint, "Milliseconds", 9.0),
        "image_bytes": (endpoint, "Bytes", 7),
        "requests": ({**endpoint, "outcome": "ok"}, "Count", 1),
    }


def test_what_was_not_measured_is_no_metric():
    assert "fetch_ms" not in metrics(line())
    assert "fetch_ms" in metrics(line(fetch_ms=3.0))


@pytest.mark.parametrize("route", ["GET /", "GET /healthz", "POST /uploads", None])
def test_only_predictions_are_counted(route):
    assert "_aws" not in line(route=route)


def test_outcomes_are_few():
    assert len(STATUS_OF_CODE) <= 20
