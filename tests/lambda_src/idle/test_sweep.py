"""What is idle, what is told of it and when, and what is stopped."""

from datetime import timedelta

import pytest

from lambda_src.idle.account import Notebook, Volume
from lambda_src.idle.settings import Settings
from lambda_src.idle.sweep import Sweep
from tests.lambda_src.idle.stub import ENVIRONMENT, NOW, StubAccount, ago, box

NOTEBOOK = "whippet-notebook"


def swept(account, now=NOW, **environment):
    return Sweep(Settings.from_environment({**ENVIRONMENT, **environment}), account).run(now)


def test_a_box_that_has_done_nothing_for_an_hour_is_stopped():
    account = StubAccount(boxes_=[box(ago(hours=5))], worked=ago(minutes=61))
    outcome = swept(account)
    assert account.stopped == outcome.stopped == ["i-1"]
    assert outcome.news == [
        "The box i-1 (t3.xlarge) has done no work for 61 minutes and was stopped; its volumes and what is on them stay."
    ]


@pytest.mark.parametrize("worked", [ago(minutes=59), None], ids=["worked", "no reading yet"])
def test_a_box_that_works_or_has_no_reading_yet_runs_on(worked):
    account = StubAccount(boxes_=[box(ago(hours=5))], worked=worked)
    assert swept(account).news == account.stopped == []


def test_a_sweep_that_only_reports_stops_nothing_and_says_how():
    account = StubAccount(boxes_=[box(ago(hours=5))], worked=ago(minutes=70))
    (said,) = swept(account, SWEEP="report").news
    assert said.endswith("Stop it: aws ec2 stop-instances --instance-ids i-1")
    assert account.stopped == []


def test_what_is_only_reported_is_told_once_and_then_once_a_day():
    account = StubAccount(boxes_=[box(ago(hours=5))], worked=NOW)
    told = [
        minutes
        for minutes in range(0, 3 * 1440, 15)
        if swept(account, NOW + timedelta(minutes=minutes), SWEEP="report").news
    ]
    assert told == [60, 60 + 1440, 60 + 2880]


def test_a_notebook_is_idle_by_its_age():
    young, old = Notebook(NOTEBOOK, "ml.t3.medium", ago(hours=11)), Notebook("old", "ml.t3.medium", ago(hours=13))
    account = StubAccount(notebooks_=[young, old])
    assert swept(account).news == [
        "The notebook old (ml.t3.medium) was started 13 hours ago and was stopped; its files stay."
    ]
    assert account.stopped == ["old"]


def test_an_endpoint_without_requests_is_reported_and_left_alone():
    account = StubAccount(endpoint_made=ago(days=8))
    (said,) = swept(account).news
    assert said.startswith(
        "The endpoint whippet-test-realtime has had no request for 7 days and bills for every instance"
    )
    assert account.stopped == []


@pytest.mark.parametrize(
    "account",
    [
        StubAccount(endpoint_made=ago(days=8), asked=1),
        StubAccount(endpoint_made=ago(days=6)),
        StubAccount(endpoint_made=None),
    ],
    ids=["asked", "young", "not in service"],
)
def test_an_endpoint_that_is_used_or_young_or_not_there_is_not_news(account):
    assert swept(account).news == []


def test_a_stage_without_an_endpoint_that_waits_asks_for_none():
    assert swept(StubAccount(endpoint_made=ago(days=8)), ENDPOINT_NAME="").news == []


def test_volumes_of_a_box_stopped_for_a_week_are_news():
    account = StubAccount(
        boxes_=[box(ago(days=7), running=False, volumes=["vol-1"])],
        volumes_=[Volume("vol-1", 100, ago(days=30), True), Volume("vol-2", 8, ago(days=7), False)],
    )
    first, second = swept(account).news
    assert first.startswith("The volume vol-1 (100 GiB) of a box that has been stopped 7 days ago still bills.")
    assert second.startswith("The volume vol-2 (8 GiB) that hangs on nothing, made 7 days ago still bills.")
    assert account.stopped == []


def test_one_kind_that_cannot_be_read_keeps_no_other_from_being_stopped():
    account = StubAccount(boxes_=[box(ago(hours=5))], worked=ago(hours=2), broken=True)
    outcome = swept(account)
    assert account.stopped == ["i-1"]
    assert outcome.faults == ["the notebook: PermissionError: not today"]
