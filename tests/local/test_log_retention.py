"""A log group's events go when it has kept them for as long as it should."""

import importlib
import time

import pytest

from local import joints, joints_cloudwatch
from tests.embedded import fresh

DAY = 86400


@pytest.fixture
def group():
    """Keeps its events for three days; one stream, with events of now, two and four days ago."""
    name, now = fresh("group"), time.time()
    with joints.scope("000000000000", "us-east-1"):
        logs = importlib.import_module("ministack.services.cloudwatch_logs")
        logs._create_log_group({"logGroupName": name})
        logs._create_log_stream({"logGroupName": name, "logStreamName": "stream"})
        events = [{"timestamp": int((now - age * DAY) * 1000), "message": str(age)} for age in (4, 2, 0)]
        logs._log_groups[name]["streams"]["stream"].update(
            events=events, firstEventTimestamp=events[0]["timestamp"], lastEventTimestamp=events[2]["timestamp"]
        )
        yield logs._log_groups[name]


def ages(group):
    return [event["message"] for event in group["streams"]["stream"]["events"]]


def test_old_events_go_and_young_ones_stay(group):
    group["retentionInDays"] = 3
    joints_cloudwatch.expire_log_events(time.time())
    assert ages(group) == ["2", "0"]
    stream = group["streams"]["stream"]
    assert stream["firstEventTimestamp"] == stream["events"][0]["timestamp"]
    joints_cloudwatch.expire_log_events(time.time() + 9 * DAY)
    assert ages(group) == []


def test_group_without_retention_keeps_everything(group):
    joints_cloudwatch.expire_log_events(time.time() + 9 * DAY)
    assert ages(group) == ["4", "2", "0"]
