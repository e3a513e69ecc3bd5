"""Scaling at work, on a clock that runs 300 times as fast: a minute of CloudWatch is a fifth of a second here."""

import json
import time
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from tests.embedded import RATE, fresh

pytestmark = pytest.mark.xdist_group("scaling")

DIMENSION = "sagemaker:variant:DesiredInstanceCount"
MINUTE = 60 / RATE


@pytest.fixture
def scaling(fast):
    return fast.client("application-autoscaling")


def target(endpoint):
    resource = f"endpoint/{endpoint}/variant/variant-0"
    return {"ServiceNamespace": "sagemaker", "ResourceId": resource, "ScalableDimension": DIMENSION}


def tracking(value, **more):
    return {
        "TargetValue": value,
        "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"},
        "ScaleInCooldown": 60,
        "ScaleOutCooldown": 60,
        **more,
    }


def track(scaling, endpoint, value, **more):
    return scaling.put_scaling_policy(
        PolicyName="track",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration=tracking(value, **more),
        **target(endpoint),
    )


def count(fast, endpoint):
    """Instances that serve, once nothing is under way."""
    found = fast.client("sagemaker").describe_endpoint(EndpointName=endpoint)
    return found["ProductionVariants"][0]["CurrentInstanceCount"] if found["EndpointStatus"] == "InService" else None


def until(condition, seconds=15, meanwhile=lambda: time.sleep(0.03)):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it did not happen"
        meanwhile()
    return found


def activities(scaling, endpoint):
    """Oldest first."""
    return scaling.describe_scaling_activities(**target(endpoint))["ScalingActivities"][::-1]


def test_load_scales_out_and_quiet_scales_in(fast, scaling):
    endpoint = fast.serving()
    scaling.register_scalable_target(MinCapacity=1, MaxCapacity=2, **target(endpoint))
    alarms = track(scaling, endpoint, 1)["Alarms"]
    prefix = f"TargetTracking-endpoint/{endpoint}/variant/variant-0-Alarm"
    assert [one["AlarmName"].removeprefix(prefix).split("-")[0] for one in alarms] == ["High", "Low"]
    until(lambda: count(fast, endpoint) == 2, meanwhile=lambda: fast.ask(endpoint))
    until(lambda: count(fast, endpoint) == 1)
    out, into = activities(scaling, endpoint)
    assert out["Description"] == "Setting desired instance count to 2."
    assert out["Cause"] == f"monitor alarm {alarms[0]['AlarmName']} in state ALARM triggered policy track"
    assert out["StatusMessage"].startswith("Successfully set desired instance count to 2. Change successfully")
    assert into["Cause"] == f"monitor alarm {alarms[1]['AlarmName']} in state ALARM triggered policy track"
    assert into["StartTime"] - out["EndTime"] >= timedelta(minutes=13)
    state = fast.client("cloudwatch").describe_alarms(AlarmNames=[alarms[1]["AlarmName"]])["MetricAlarms"][0]
    assert (state["StateValue"], state["EvaluationPeriods"], state["Threshold"]) == ("ALARM", 15, 0.9)
    scaling.deregister_scalable_target(**target(endpoint))
    assert fast.client("cloudwatch").describe_alarms(AlarmNamePrefix=prefix)["MetricAlarms"] == []


def test_a_fleet_that_the_machine_has_no_memory_for_fails_its_activity_with_the_reason(fast, scaling):
    endpoint = fast.serving()
    scaling.register_scalable_target(MinCapacity=5000, MaxCapacity=5000, **target(endpoint))
    failed = until(lambda: activities(scaling, endpoint))[0]
    scaling.deregister_scalable_target(**target(endpoint))
    assert failed["StatusCode"] == "Failed"
    assert (
        "Failed to set desired instance count to 5000. Reason: The limit of this machine's" in failed["StatusMessage"]
    )
    assert count(fast, endpoint) == 1


def metric(fast, endpoint, name, statistic):
    return fast.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/SageMaker",
        MetricName=name,
        Dimensions=[{"Name": "EndpointName", "Value": endpoint}, {"Name": "VariantName", "Value": "variant-0"}],
        StartTime=datetime.now(UTC) - timedelta(hours=1),
        EndTime=datetime.now(UTC) + timedelta(days=1),
        Period=86400,
        Statistics=[statistic],
    )["Datapoints"]


def test_endpoint_publishes_what_it_is_asked_and_how_it_answers(fast):
    assert fast.running.facts.clock == RATE
    endpoint = fast.serving()
    for _ in range(3):
        fast.ask(endpoint)
    with pytest.raises(ClientError, match="ModelError"):
        fast.ask(endpoint, {"status": 500})
    until(lambda: metric(fast, endpoint, "Invocations", "Sum"))
    time.sleep(2 * MINUTE)

    def total(name, statistic="Sum"):
        return sum(one[statistic] for one in metric(fast, endpoint, name, statistic))

    assert total("Invocations") == 4
    assert total("InvocationsPerInstance") == 4
    assert total("Invocation5XXErrors") == 1
    assert total("Invocation4XXErrors") == 0
    assert {one["Unit"] for one in metric(fast, endpoint, "ModelLatency", "Average")} == {"Microseconds"}
    assert 100 < metric(fast, endpoint, "ModelLatency", "Average")[0]["Average"] < 5_000_000


def test_registering_brings_capacity_between_its_bounds(fast, scaling):
    endpoint = fast.serving()
    scaling.register_scalable_target(MinCapacity=2, MaxCapacity=3, **target(endpoint))
    until(lambda: count(fast, endpoint) == 2)
    until(lambda: activities(scaling, endpoint)[0]["StatusCode"] == "Successful")
    assert activities(scaling, endpoint)[0]["Cause"] == "minimum capacity was set to 2"


def test_scheduled_action_changes_the_bounds_at_its_time(fast, scaling):
    endpoint = fast.serving()
    scaling.register_scalable_target(MinCapacity=1, MaxCapacity=3, **target(endpoint))
    scaling.put_scheduled_action(
        ScheduledActionName="morning",
        Schedule="rate(2 minutes)",
        ScalableTargetAction={"MinCapacity": 2},
        **target(endpoint),
    )
    until(lambda: count(fast, endpoint) == 2)
    first, second = activities(scaling, endpoint)[:2]
    assert first["Cause"] == "scheduled action name morning was triggered"
    assert first["Description"] == "Setting min capacity to 2"
    assert second["Cause"] == "minimum capacity was set to 2"
    assert first["StatusCode"] == "Successful"


def test_step_policy_acts_on_the_alarm_that_names_it(fast, scaling):
    endpoint, alarm = fast.serving(), fresh("alarm")
    scaling.register_scalable_target(MinCapacity=1, MaxCapacity=3, **target(endpoint))
    policy = scaling.put_scaling_policy(
        PolicyName="steps",
        PolicyType="StepScaling",
        StepScalingPolicyConfiguration={
            "AdjustmentType": "ChangeInCapacity",
            "StepAdjustments": [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}],
        },
        **target(endpoint),
    )
    cloudwatch = fast.client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName=alarm,
        Namespace="Own",
        MetricName="Backlog",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
        AlarmActions=[policy["PolicyARN"]],
    )
    cloudwatch.set_alarm_state(AlarmName=alarm, StateValue="ALARM", StateReason="by hand")
    until(lambda: count(fast, endpoint) == 2)
    assert activities(scaling, endpoint)[0]["Cause"] == f"monitor alarm {alarm} in state ALARM triggered policy steps"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"PredefinedMetricSpecification": {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"}}, "ECSService"),
        ({"TargetValue": 0.0}, "greater than 0"),
    ],
)
def test_policy_that_cannot_be_followed_is_refused(fast, scaling, given, said):
    endpoint = fast.serving()
    scaling.register_scalable_target(MinCapacity=1, MaxCapacity=2, **target(endpoint))
    with pytest.raises(ClientError, match=said):
        track(scaling, endpoint, 1, **given)


def test_schedule_that_cannot_be_read_is_refused(fast, scaling):
    endpoint = fast.serving()
    scaling.register_scalable_target(MinCapacity=1, MaxCapacity=2, **target(endpoint))
    with pytest.raises(ClientError, match="6 are needed"):
        scaling.put_scheduled_action(
            ScheduledActionName="wrong",
            Schedule="cron(0 8 * * ?)",
            ScalableTargetAction={"MinCapacity": 2},
            **target(endpoint),
        )


def test_alarm_counts_only_its_own_dimensions(fast):
    cloudwatch, namespace, name = fast.client("cloudwatch"), fresh("Own"), fresh("alarm")
    cloudwatch.put_metric_alarm(
        AlarmName=name,
        Namespace=namespace,
        MetricName="Errors",
        Dimensions=[{"Name": "Who", "Value": "mine"}],
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        TreatMissingData="notBreaching",
    )

    def state():
        return cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"][0]["StateValue"]

    def put(who):
        point = {"MetricName": "Errors", "Dimensions": [{"Name": "Who", "Value": who}], "Value": 1}
        cloudwatch.put_metric_data(Namespace=namespace, MetricData=[point])

    until(lambda: state() == "OK")
    put("other")
    time.sleep(3 * MINUTE)
    history = cloudwatch.describe_alarm_history(AlarmName=name)["AlarmHistoryItems"]
    assert not any('"stateValue": "ALARM"' in json.dumps(json.loads(one["HistoryData"])) for one in history)
    put("mine")
    until(lambda: state() == "ALARM")
    until(lambda: state() == "OK")


def test_suspended_target_keeps_its_capacity(fast, scaling):
    endpoint = fast.serving()
    suspended = {"DynamicScalingOutSuspended": True}
    scaling.register_scalable_target(MinCapacity=1, MaxCapacity=2, SuspendedState=suspended, **target(endpoint))
    alarms = track(scaling, endpoint, 1)["Alarms"]

    def raised():
        found = fast.client("cloudwatch").describe_alarms(AlarmNames=[alarms[0]["AlarmName"]])["MetricAlarms"][0]
        return found["StateValue"] == "ALARM"

    until(raised, meanwhile=lambda: fast.ask(endpoint))
    time.sleep(MINUTE)
    assert activities(scaling, endpoint) == []
    assert count(fast, endpoint) == 1


def template(endpoint, *names):
    actions = [
        {
            "ScheduledActionName": name,
            "Schedule": "cron(0 8 1 1 ? 2199)",
            "ScalableTargetAction": {"MinCapacity": 1, "MaxCapacity": 2},
        }
        for name in names
    ]
    properties = {**target(endpoint), "MinCapacity": 1, "MaxCapacity": 2, "ScheduledActions": actions}
    kind = "AWS::ApplicationAutoScaling::ScalableTarget"
    return json.dumps({"Resources": {"Target": {"Type": kind, "Properties": properties}}})


def test_scheduled_action_goes_with_its_lines_in_the_template(fast, scaling):
    endpoint, stack, formation = fast.serving(), fresh("stack"), fast.client("cloudformation")
    formation.create_stack(StackName=stack, TemplateBody=template(endpoint, "morning", "evening"))

    def listed():
        found = scaling.describe_scheduled_actions(**target(endpoint))["ScheduledActions"]
        return sorted(one["ScheduledActionName"] for one in found)

    until(lambda: listed() == ["evening", "morning"])
    until(lambda: formation.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE")
    formation.update_stack(StackName=stack, TemplateBody=template(endpoint, "evening"))
    until(lambda: listed() == ["evening"])
