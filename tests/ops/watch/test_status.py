"""A stage's state: what is wrong stands apart, and what AWS withholds is said to be unknown."""

import dataclasses
import json
from argparse import Namespace
from datetime import UTC, datetime

import pytest
from rich.console import Console

from ops.errors import OperatorError
from ops.stage import Stage
from ops.watch import state, status
from ops.watch.endpoint import Endpoint, Fleet, endpoint_of
from ops.watch.reading import Unknown
from ops.watch.spending import Spending, spending_of
from ops.watch.state import Alarm, Run, Status
from ops.watch.status_lines import show
from ops.watch.traffic import Traffic, traffic_of
from tests.ops.stubbed import scripted

AT = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
FLEET = Fleet("primary", "ml.m5.large", 1, 1, 1.0, (1, 2))
WELL = Status(
    stage="dev",
    account="111122223333",
    region="us-east-1",
    stacks={"whippet-dev-data": "CREATE_COMPLETE", "whippet-dev-serving": "UPDATE_COMPLETE"},
    endpoint=Endpoint("e", "InService", "7", [FLEET], []),
    traffic=Traffic(120, 1, 0, 8.5, 31.0),
    waiting={"refused by intake": 0},
    alarms=[Alarm("a", "OK", "")],
    last_run=Run("run", "Succeeded", AT, ""),
    working=[],
    spending=Spending(12.3, 150.0, 31.0),
    ills=[],
)


def said(found):
    console = Console(width=200, record=True, file=None, quiet=False, highlight=False, soft_wrap=True)
    with console.capture() as captured:
        show(found, console)
    return captured.get()


def test_all_of_it_in_a_dozen_lines():
    assert said(WELL) == (
        "Stage dev, account 111122223333, us-east-1\n"
        "  stacks      CREATE_COMPLETE: data\n"
        "              UPDATE_COMPLETE: serving\n"
        "  endpoint    e InService, model version 7\n"
        "              primary: 1 x ml.m5.large, scaling between 1 and 2\n"
        "  last hour   120 requests, 1 refused (4xx), 0 failed (5xx)\n"
        "              8.5 ms in the model on average, 31.0 ms the slowest hundredth at its worst\n"
        "  waiting     0 refused by intake\n"
        "  alarms      0 of 1 ring\n"
        "  pipeline    run Succeeded, started 2026-11-21 09:30 UTC\n"
        "  jobs        none of yours run\n"
        "  this month  12.30 of 150.00 USD, 31.00 by its end as AWS expects\n"
    )


def test_what_aws_withholds_is_said_and_no_cost_is_not_zero():
    shown = said(
        dataclasses.replace(WELL, spending=None, alarms=Unknown("These credentials may not call DescribeAlarms: no"))
    )
    assert "alarms      not known: These credentials may not call DescribeAlarms: no" in shown
    assert "this month  no budget to hold it against" in shown


def test_two_variants_tell_their_shares():
    fleets = [
        dataclasses.replace(FLEET, weight=0.9),
        dataclasses.replace(FLEET, variant="b", weight=0.1, current=1, desired=2),
    ]
    shown = said(dataclasses.replace(WELL, endpoint=Endpoint("e", "InService", "7", fleets, [])))
    assert "primary: 1 x ml.m5.large, scaling between 1 and 2, 90 % of the requests" in shown
    assert "b: 1 of 2 x ml.m5.large, scaling between 1 and 2, 10 % of the requests" in shown


@pytest.mark.parametrize(
    ("ill", "sentence"),
    [
        ({"stacks": {"whippet-dev-api": "UPDATE_ROLLBACK_FAILED"}}, "Stack whippet-dev-api is UPDATE_ROLLBACK_FAILED"),
        ({"endpoint": Endpoint("e", "Failed", "7", [], ["The endpoint e is Failed: no capacity"])}, "no capacity"),
        ({"alarms": [Alarm("slow", "ALARM", "above 2 s")]}, "Alarm slow rings: above 2 s"),
        ({"waiting": {"refused by intake": 2}}, "Intake refused 2 of what arrived"),
        (
            {"last_run": Run("r", "Failed", AT, "Train: out of memory")},
            "The pipeline's last run r failed. Train: out of memory",
        ),
    ],
)
def test_each_ill_is_a_sentence(ill, sentence):
    parts = {name: getattr(WELL, name) for name in ("stacks", "endpoint", "waiting", "alarms", "last_run")} | ill
    (found,) = state._ills(**parts)
    assert sentence in found
    assert state._ills(**{name: getattr(WELL, name) for name in parts}) == []


@pytest.mark.parametrize(("ills", "check", "code"), [([], True, 0), (["ill"], True, 4), (["ill"], False, 0)])
def test_check_is_for_programs(monkeypatch, capsys, ills, check, code):
    monkeypatch.setattr(Stage, "open", lambda *_: None)
    monkeypatch.setattr(status, "state_of", lambda _stage: dataclasses.replace(WELL, ills=ills))
    assert status.run(Namespace(stage="dev", stages=None, check=check, json=True)) == code
    assert json.loads(capsys.readouterr().out)["ills"] == ills


def test_check_does_not_take_what_is_not_known_for_well(monkeypatch, capsys):
    monkeypatch.setattr(Stage, "open", lambda *_: None)
    unknown = dataclasses.replace(WELL, alarms=Unknown("no permission"))
    monkeypatch.setattr(status, "state_of", lambda _stage: unknown)
    assert status.run(Namespace(stage="dev", stages=None, check=True, json=True)) == 3
    assert status.run(Namespace(stage="dev", stages=None, check=False, json=True)) == 0
    assert capsys.readouterr().err == ""


def test_nothing_deployed_is_a_sentence(monkeypatch):
    stage, script = scripted(monkeypatch)
    script.says("cloudformation", "describe_stacks", {"Stacks": []})
    with pytest.raises(OperatorError, match="There is nothing of stage dev in account 111122223333, region us-east-1"):
        state.state_of(stage)


def endpoint(monkeypatch, *, status="InService", serves="c1", current=1, **more):
    stage, script = scripted(monkeypatch, {"serving": {"EndpointName": "e", "ModelVersion": "7"}})
    arn = "arn:aws:sagemaker:us-east-1:111122223333:endpoint/e"
    dates = {"CreationTime": AT, "LastModifiedTime": AT}
    fleet = {"VariantName": "primary", "CurrentInstanceCount": current, "DesiredInstanceCount": 2, "CurrentWeight": 1.0}
    described = {
        "EndpointName": "e",
        "EndpointArn": arn,
        "EndpointConfigName": serves,
        "EndpointStatus": status,
        "ProductionVariants": [fleet],
    }
    script.says("sagemaker", "describe_endpoint", described | dates | more)
    variants = [{"VariantName": "primary", "InstanceType": "ml.m5.large"}]
    config_arn = arn.replace("endpoint/", "endpoint-config/")
    config = {
        "EndpointConfigName": serves,
        "EndpointConfigArn": config_arn,
        "CreationTime": AT,
        "ProductionVariants": variants,
    }
    script.says("sagemaker", "describe_endpoint_config", config)
    script.says(
        "application-autoscaling",
        "describe_scalable_targets",
        {"ScalableTargets": []},
        {"ServiceNamespace": "sagemaker"},
    )
    monkeypatch.setattr(Stage, "resources", lambda *_: ["arn:aws:sagemaker:us-east-1:1:endpoint-config/c1"])
    return endpoint_of(stage)


def test_an_endpoint_in_service_is_well(monkeypatch):
    found = endpoint(monkeypatch, current=2)
    assert (found.ills, found.fleets) == ([], [Fleet("primary", "ml.m5.large", 2, 2, 1.0, None)])


def test_an_update_that_sagemaker_took_back_is_an_ill(monkeypatch):
    """The endpoint is InService then, on the former configuration, and the stack knows nothing of it."""
    (ill,) = endpoint(monkeypatch, current=2, serves="c0").ills
    assert "serves c0, which is not what its stack says: SageMaker took the last update back" in ill


def test_a_fleet_that_is_short_is_an_ill_but_not_while_it_is_being_made(monkeypatch):
    (ill,) = endpoint(monkeypatch).ills
    assert "Variant primary has 1 of 2 instances" in ill
    assert endpoint(monkeypatch, status="Updating").ills == []


def test_a_failed_endpoint_says_why(monkeypatch):
    (ill, _) = endpoint(monkeypatch, status="Failed", FailureReason="no capacity").ills
    assert ill == "The endpoint e is Failed: no capacity"


def test_microseconds_are_milliseconds_and_periods_add_up(monkeypatch):
    _, script = scripted(monkeypatch)
    values = {
        "requests": [10, 20],
        "failed": [1],
        "refused": [],
        "answers": [10, 20],
        "spent": [100_000, 200_000],
        "slowest": [12_000, 31_000],
    }
    results = [
        {"Id": f"{name}0", "Values": [float(one) for one in found], "Timestamps": [AT] * len(found)}
        for name, found in values.items()
    ]
    script.says("cloudwatch", "get_metric_data", {"MetricDataResults": results})
    assert traffic_of(script.client("cloudwatch"), "e", ["primary"]) == Traffic(30, 0, 1, 10.0, 31.0)


def test_no_request_has_no_latency(monkeypatch):
    _, script = scripted(monkeypatch)
    script.says("cloudwatch", "get_metric_data", {"MetricDataResults": []})
    assert traffic_of(script.client("cloudwatch"), "e", ["primary"]) == Traffic(0, 0, 0, None, None)


def test_the_month_is_what_the_budget_counts(monkeypatch):
    stage, script = scripted(monkeypatch)
    monkeypatch.setattr(Stage, "resources", lambda *_: ["b"])
    budget = {
        "BudgetName": "b",
        "TimeUnit": "MONTHLY",
        "BudgetType": "COST",
        "BudgetLimit": {"Amount": "150", "Unit": "USD"},
        "CalculatedSpend": {"ActualSpend": {"Amount": "12.3", "Unit": "USD"}},
    }
    script.says("budgets", "describe_budget", {"Budget": budget}, {"AccountId": "111122223333", "BudgetName": "b"})
    assert spending_of(stage) == Spending(12.3, 150.0, None)


def test_without_a_budget_there_is_no_number(monkeypatch):
    stage, _ = scripted(monkeypatch)
    monkeypatch.setattr(Stage, "resources", lambda *_: [])
    assert spending_of(stage) is None
