"""Log lines in CloudWatch's embedded metric format are metrics in the embedded AWS, and only such lines."""

import json
import time

import pytest

from local.embedded_metrics import FormatError, Reading, read
from tests.embedded import fresh

NOW = 1_800_000_000.0
LATEST_SECONDS = 30


def line(now=NOW, directive=None, **members):
    said = {"Namespace": "Sample", "Dimensions": [["room"]], "Metrics": [{"Name": "ms", "Unit": "Milliseconds"}]}
    metadata = {"Timestamp": int(now * 1000), "CloudWatchMetrics": [{**said, **(directive or {})}]}
    return {"_aws": metadata, "room": "kitchen", "ms": 12.5, "other": {"kept": "in the log"}, **members}


def readings(document, now=NOW):
    return read(json.dumps(document), now)


def test_each_metric_is_read_in_each_set_of_dimensions():
    several = [{"Name": "ms"}, {"Name": "bytes", "Unit": "Bytes", "StorageResolution": 1}]
    found = readings(line(directive={"Dimensions": [["room"], []], "Metrics": several}, bytes=[1, 2, 2]))
    room = {"room": "kitchen"}
    assert found == [
        Reading("Sample", "ms", "None", room, (12.5,), NOW),
        Reading("Sample", "bytes", "Bytes", room, (1.0, 2.0, 2.0), NOW),
        Reading("Sample", "ms", "None", {}, (12.5,), NOW),
        Reading("Sample", "bytes", "Bytes", {}, (1.0, 2.0, 2.0), NOW),
    ]


def test_a_character_that_is_none_does_no_harm():
    """JSON may name half of a surrogate pair."""
    (found,) = read(json.dumps(line(room="\ud800"), ensure_ascii=False), NOW)
    assert found.dimensions == {"room": "\ud800"}


@pytest.mark.parametrize(
    "message",
    ["", "START", '"_aws"', '["_aws"]', '{"_aws": 7}', '{"_aws": {}}', "[" * 100_000, json.dumps(line()) + "x"],
)
def test_any_other_line_is_a_line(message):
    assert read(message, NOW) == []


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        (line(now=NOW - 15 * 86_400), "more than two weeks ago"),
        (line(now=NOW + 3 * 3_600), "two hours ahead"),
        (line() | {"_aws": {"CloudWatchMetrics": []}}, "Timestamp is None"),
        (line() | {"_aws": {"CloudWatchMetrics": [], "Timestamp": "now"}}, "Timestamp is 'now'"),
        (line() | {"_aws": {"CloudWatchMetrics": [], "Timestamp": 10**400}}, "two hours ahead"),
        (line() | {"_aws": {"CloudWatchMetrics": {}, "Timestamp": int(NOW * 1000)}}, "CloudWatchMetrics is no list"),
        (line() | {"_aws": {"CloudWatchMetrics": [7], "Timestamp": int(NOW * 1000)}}, "CloudWatchMetrics is no object"),
        (line(directive={"Namespace": ""}), "Namespace is ''"),
        (line(directive={"Namespace": "AWS/SageMaker"}), "does not begin with AWS/"),
        (line(directive={"Namespace": ":a"}), "Namespace is ':a'"),
        (line(directive={"Dimensions": None}), "Dimensions is no list"),
        (line(directive={"Dimensions": ["room"]}), "a set of Dimensions is no list"),
        (line(directive={"Dimensions": [[str(number) for number in range(31)]]}), "31 names, at most 30"),
        (line(directive={"Dimensions": [["missing"]]}), "dimension missing has no text"),
        (line(room=7), "dimension room has no text"),
        (line(room=""), "Value"),
        (line(directive={"Metrics": None}), "Metrics is no list"),
        (line(directive={"Metrics": ["ms"]}), "Metrics is no object"),
        (line(directive={"Metrics": [{"Name": "ms"}] * 101}), "101 members, at most 100"),
        (line(directive={"Metrics": [{"Name": "missing"}]}), "metric missing has no number"),
        (line(directive={"Metrics": [{"Name": "ms", "Unit": "Moments"}]}), "Unit is 'Moments'"),
        (line(directive={"Metrics": [{"Name": "ms", "Unit": 7}]}), "Unit"),
        (line(directive={"Metrics": [{"Name": "ms", "StorageResolution": 0}]}), "StorageResolution"),
        (line(ms="12"), "metric ms has no number"),
        (line(ms=True), "metric ms has no number"),
        (line(ms=10**400), "metric ms has no number"),
        (line(ms=float("nan")), "metric ms has no number"),
        (line(ms=float("inf")), "metric ms has no number"),
        (line(ms=[]), "metric ms has 0 values"),
        (line(ms=[1] * 101), "metric ms has 101 values"),
        (line(other="x" * 1_000_000), "more than 1,000,000 bytes"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_document_that_breaks_the_format_is_told_in_a_sentence(document, sentence):
    with pytest.raises(FormatError, match=sentence):
        readings(document)


@pytest.fixture
def stream(embedded):
    logs, names = embedded.client("logs"), {"logGroupName": fresh("group"), "logStreamName": "one"}
    logs.create_log_group(logGroupName=names["logGroupName"])
    logs.create_log_stream(**names)
    return names


def write(embedded, stream, *messages):
    now = int(time.time() * 1000)
    embedded.client("logs").put_log_events(
        **stream, logEvents=[{"timestamp": now, "message": message} for message in messages]
    )


def total(embedded, namespace, metric, dimensions, unit=None):
    found = embedded.client("cloudwatch").get_metric_statistics(
        Namespace=namespace,
        MetricName=metric,
        Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
        StartTime=time.time() - 3600,
        EndTime=time.time() + 60,
        Period=3600,
        Statistics=["Sum", "SampleCount"],
        **({"Unit": unit} if unit else {}),
    )["Datapoints"]
    return sum(point["Sum"] for point in found), sum(point["SampleCount"] for point in found)


def test_what_is_written_to_a_log_is_found_among_the_metrics(embedded, stream):
    namespace = fresh("namespace")
    document = line(now=time.time(), directive={"Namespace": namespace}, ms=[5, 5, 7.5])
    write(embedded, stream, "a plain line", json.dumps(document), json.dumps(document | {"ms": 1}))
    assert total(embedded, namespace, "ms", {"room": "kitchen"}, "Milliseconds") == (18.5, 4)


def test_a_line_that_breaks_the_format_is_counted_with_its_group_and_harms_no_other(embedded, stream):
    namespace = fresh("namespace")
    good = line(now=time.time(), directive={"Namespace": namespace})
    write(embedded, stream, json.dumps(good | {"room": 7}), json.dumps(good))
    assert total(embedded, namespace, "ms", {"room": "kitchen"}) == (12.5, 1)
    assert total(embedded, "AWS/Logs", "EMFValidationErrors", {"LogGroupName": stream["logGroupName"]}) == (1, 1)


def test_an_alarm_watches_what_a_line_says(embedded, stream):
    namespace, cloudwatch = fresh("namespace"), embedded.client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName=namespace,
        Namespace=namespace,
        MetricName="ms",
        Unit="Milliseconds",
        Dimensions=[{"Name": "room", "Value": "kitchen"}],
        Statistic="Maximum",
        Period=60,
        EvaluationPeriods=2,
        DatapointsToAlarm=1,
        Threshold=10,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="notBreaching",
    )
    # In the minute that is just over, which is one of those that are judged.
    at = time.time() // 60 * 60 - 30
    write(embedded, stream, json.dumps(line(now=at, directive={"Namespace": namespace})))
    cloudwatch.put_metric_data(Namespace=fresh("other"), MetricData=[{"MetricName": "any", "Value": 1}])
    deadline = time.monotonic() + LATEST_SECONDS
    while cloudwatch.describe_alarms(AlarmNames=[namespace])["MetricAlarms"][0]["StateValue"] != "ALARM":
        assert time.monotonic() < deadline
        time.sleep(0.1)
