"""Updates of endpoints that move traffic in steps, and alarms that take them back."""

import time

import pytest
from botocore.exceptions import ClientError

from tests.embedded import ALLOW_ALL, fresh, statement

pytestmark = pytest.mark.xdist_group(__name__)
PERCENT = "CAPACITY_PERCENT"


def blue_green(kind="ALL_AT_ONCE", percent=None, wait=0, keep=0, alarms=()):
    routing = {"Type": kind, "WaitIntervalInSeconds": wait}
    if percent is not None:
        size = {"CANARY": "CanarySize", "LINEAR": "LinearStepSize"}[kind]
        routing[size] = {"Type": PERCENT, "Value": percent}
    policy = {"TrafficRoutingConfiguration": routing, "TerminationWaitInSeconds": keep}
    return {"BlueGreenUpdatePolicy": policy, **watched(alarms)}


def rolling(percent, wait=0, alarms=()):
    size = {"Type": PERCENT, "Value": percent}
    return {"RollingUpdatePolicy": {"MaximumBatchSize": size, "WaitIntervalInSeconds": wait}, **watched(alarms)}


def watched(alarms):
    return {"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": name} for name in alarms]}} if alarms else {}


def alarm(embedded, state="OK"):
    name, client = fresh("alarm"), embedded.client("cloudwatch")
    client.put_metric_alarm(
        AlarmName=name,
        Namespace="Nowhere",
        MetricName="Nothing",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
        Statistic="Average",
        # No metric tells of it: its state is what a test says until the test says otherwise.
        TreatMissingData="ignore",
    )
    ring(embedded, name, state)
    return name


def ring(embedded, name, state="ALARM"):
    embedded.client("cloudwatch").set_alarm_state(AlarmName=name, StateValue=state, StateReason="a test")


@pytest.fixture
def old(embedded):
    """An endpoint with one instance of the model "old"."""
    return embedded.serving(name="old")


def update(embedded, endpoint, deployment, count=1, role=None):
    config = embedded.config(embedded.model(name="new", role=role), count=count)
    embedded.client("sagemaker").update_endpoint(
        EndpointName=endpoint, EndpointConfigName=config, DeploymentConfig=deployment
    )
    return config


def models(embedded, endpoint, requests=40):
    return [embedded.ask(endpoint)["model"] for _ in range(requests)]


def until(condition):
    for _ in range(200):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("not within 10 s")


def described(embedded, endpoint):
    return embedded.client("sagemaker").describe_endpoint(EndpointName=endpoint)


def test_canary_gives_the_new_model_its_share_while_it_is_watched(embedded, old):
    watch = alarm(embedded)
    config = update(embedded, old, blue_green("CANARY", 50, wait=300, alarms=[watch]))
    until(lambda: "new" in models(embedded, old, 4))
    seen = models(embedded, old, 60)
    pending = described(embedded, old)
    assert 10 <= seen.count("new") <= 50
    assert (pending["EndpointStatus"], pending["EndpointConfigName"] != config) == ("Updating", True)
    assert pending["PendingDeploymentSummary"]["EndpointConfigName"] == config
    ring(embedded, watch)
    assert embedded.settled(old)["EndpointConfigName"] != config


@pytest.mark.parametrize("make", [blue_green, rolling], ids=["canary", "rolling"])
def test_alarm_takes_the_update_back(embedded, old, make):
    watch = alarm(embedded)
    deployment = rolling(50, 30, [watch]) if make is rolling else blue_green("CANARY", 50, 30, alarms=[watch])
    config = update(embedded, old, deployment)
    until(lambda: "new" in models(embedded, old, 4))
    ring(embedded, watch)
    found = embedded.settled(old)
    assert (found["EndpointStatus"], found["EndpointConfigName"] != config) == ("InService", True)
    assert f"The alarm {watch} was in ALARM" in found["FailureReason"]
    assert found["ProductionVariants"][0]["CurrentInstanceCount"] == 1
    assert set(models(embedded, old, 10)) == {"old"}


def test_alarm_takes_back_what_has_all_of_the_traffic_already(embedded, old):
    watch = alarm(embedded)
    update(embedded, old, blue_green(keep=30, alarms=[watch]))
    until(lambda: set(models(embedded, old, 3)) == {"new"})
    ring(embedded, watch)
    assert "was in ALARM" in embedded.settled(old)["FailureReason"]
    assert set(models(embedded, old, 10)) == {"old"}


def test_rolling_update_replaces_batch_by_batch_and_keeps_the_count(embedded):
    endpoint = embedded.endpoint(embedded.config(embedded.model(name="old"), count=2))
    embedded.settled(endpoint)
    update(embedded, endpoint, rolling(50, wait=1), count=2)
    until(lambda: described(embedded, endpoint)["ProductionVariants"][0]["CurrentInstanceCount"] == 1)
    assert set(models(embedded, endpoint)) == {"old", "new"}
    found = embedded.settled(endpoint)
    assert found["ProductionVariants"][0]["CurrentInstanceCount"] == 2
    assert set(models(embedded, endpoint, 10)) == {"new"}


def test_role_must_be_allowed_to_see_the_alarm(embedded, old):
    watch = alarm(embedded)
    needs = [statement("s3:GetObject", "*")]
    role = embedded.role(*needs)
    update(embedded, old, blue_green(alarms=[watch]), role=role)
    assert f"cannot watch the alarm {watch}" in embedded.settled(old)["FailureReason"]
    arn = embedded.client("cloudwatch").describe_alarms(AlarmNames=[watch])["MetricAlarms"][0]["AlarmArn"]
    embedded.allow(role, statement("cloudwatch:DescribeAlarms", arn))
    config = update(embedded, old, blue_green(alarms=[watch]), role=role)
    assert embedded.settled(old)["EndpointConfigName"] == config


@pytest.mark.parametrize(
    ("deployment", "said"),
    [
        (blue_green("CANARY", 51), "outside 0 to 50 % for CANARY"),
        (blue_green("LINEAR", 9), "outside 10 to 50 % for LINEAR"),
        (rolling(4), "outside 5 to 50 % for ROLLING"),
        (blue_green("CANARY"), "needs CanarySize"),
        ({**blue_green(), **rolling(50)}, "not both"),
        (blue_green(alarms=["nobody"]), "alarms nobody of AutoRollbackConfiguration do not exist"),
    ],
)
def test_what_the_api_refuses_is_refused(embedded, old, deployment, said):
    with pytest.raises(ClientError, match=said):
        update(embedded, old, deployment)
    assert described(embedded, old)["EndpointStatus"] == "InService"


def test_rolling_update_of_several_variants_is_refused(embedded, old):
    config = embedded.config(embedded.model(), embedded.model(role=embedded.role(ALLOW_ALL)))
    with pytest.raises(ClientError, match="several variants"):
        embedded.client("sagemaker").update_endpoint(
            EndpointName=old, EndpointConfigName=config, DeploymentConfig=rolling(50)
        )
