"""`status`, `logs`, `doctor` and `idle` against the deployed stage."""

import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from ops.watch import idle
from tests.operating import operate

pytestmark = pytest.mark.xdist_group("deployed")


def watched(deployed, *words):
    done = operate(deployed.environment, *words, "--stage", "local", "--json")
    assert done.status == 0, done.err
    return done.json()


def test_status_knows_the_deployed_stage(deployed):
    deployed.call("POST", "/predict", deployed.sample.read_bytes())
    found = watched(deployed, "status")
    assert "whippet-local-serving" in found["stacks"]
    assert found["endpoint"]["name"] == deployed.endpoint
    assert [fleet["variant"] for fleet in found["endpoint"]["fleets"]] == ["primary"]
    assert found["endpoint"]["fleets"][0]["bounds"] == [1, 2]
    assert {alarm["state"] for alarm in found["alarms"]} <= {"OK", "INSUFFICIENT_DATA", "ALARM"}
    assert found["waiting"]["refused by intake"] >= 0
    assert found["spending"]["limit_usd"] == 150.0
    unknown = [name for name, part in found.items() if isinstance(part, dict) and part.keys() == {"reason"}]
    assert unknown == []


def test_doctor_finds_nothing_that_a_deploy_would_fail_for(deployed):
    found = watched(deployed, "doctor")
    assert [one for one in found["findings"] if one["state"] == "fault"] == []
    well = {one["what"] for one in found["findings"] if one["state"] == "well"}
    assert {"bootstrap", "who CloudFormation is", "quota ml.m5.xlarge for training job usage", "image.uri"} <= well


def test_doctor_refuses_a_stage_that_the_account_cannot_hold(deployed):
    key = f"models/{'0' * 64}/model.tar.gz"
    stages = deployed.changed_project(artifact=f'"{key}"', version='"9"') / "config"
    done = operate(deployed.environment, "doctor", "--stage", "local", "--stages", str(stages))
    assert done.status == 5
    assert f"model.artifact: s3://{deployed.bucket}/{key} is not there" in done.out


def test_logs_of_the_function_hold_the_request_just_made(deployed):
    answer = deployed.call("POST", "/predict", deployed.sample.read_bytes())
    lines = watched(deployed, "logs", "predict", "--since", "5m")
    assert any(answer.json()["request_id"] in line["message"] for line in lines)


def test_idle_looks_at_everything(deployed):
    assert watched(deployed, "idle")["not_looked_at"] == []


@pytest.mark.slow
def test_an_idle_box_is_stopped_and_another_command_sees_it_so(deployed, monkeypatch):
    """Seen from two hours later: a box of the stage's tags that has done nothing since its start."""
    tomorrow = SimpleNamespace(now=lambda zone: datetime.now(zone) + timedelta(hours=2))
    monkeypatch.setattr(idle, "datetime", tomorrow)
    monkeypatch.setattr(idle, "LOOKS", {"boxes": idle.LOOKS["boxes"], "volumes": idle.LOOKS["volumes"]})
    ec2, tags = (
        deployed.root.client("ec2"),
        [{"Key": "project", "Value": "whippet"}, {"Key": "stage", "Value": "local"}],
    )
    image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    (made,) = ec2.run_instances(
        ImageId=image,
        InstanceType="m5.large",
        MinCount=1,
        MaxCount=1,
        TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
    )["Instances"]
    box = made["InstanceId"]
    try:
        ec2.get_waiter("instance_running").wait(InstanceIds=[box], WaiterConfig={"Delay": 1})
        deployed.root.client("cloudwatch").put_metric_data(
            Namespace="AWS/EC2",
            MetricData=[
                {
                    "MetricName": "CPUUtilization",
                    "Dimensions": [{"Name": "InstanceId", "Value": box}],
                    "Timestamp": datetime.now(UTC),
                    "Value": 0.5,
                }
            ],
        )
        seen = watched(deployed, "idle")
        (mine,) = [one for one in seen["idle"] if one["name"] == box]
        assert (mine["can_be_stopped"], seen["stopped"]) == (True, [])
        others = [one["name"] for one in seen["idle"] if one["name"] != box and one["can_be_stopped"]]
        assert box in watched(deployed, "idle", "--stop")["stopped"]
        ec2.get_waiter("instance_stopped").wait(InstanceIds=[box], WaiterConfig={"Delay": 1})
        assert box not in [one["name"] for one in watched(deployed, "idle")["idle"]]
        if others:
            ec2.get_waiter("instance_stopped").wait(InstanceIds=others, WaiterConfig={"Delay": 1})
            ec2.start_instances(InstanceIds=others)
            ec2.get_waiter("instance_running").wait(InstanceIds=others, WaiterConfig={"Delay": 1})
    finally:
        ec2.terminate_instances(InstanceIds=[box])


@pytest.mark.slow
def test_logs_of_an_endpoint_are_followed_until_ctrl_c_and_status_is_a_check(deployed, monkeypatch):
    deployed.call("POST", "/predict", deployed.sample.read_bytes())
    assert watched(deployed, "logs", "endpoint", "--since", "1h")
    looks, sleep = [], time.sleep

    def interrupted(seconds):
        looks.append(seconds)
        if len(looks) > 2:
            raise KeyboardInterrupt
        sleep(0)

    monkeypatch.setattr(time, "sleep", interrupted)
    followed = operate(deployed.environment, "logs", "endpoint", "--stage", "local", "--follow", "--since", "1h")
    assert (followed.status, bool(followed.out)) == (130, True)
    monkeypatch.undo()
    alarm = watched(deployed, "status")["alarms"][0]["name"]
    ring = deployed.root.client("cloudwatch").set_alarm_state
    ring(AlarmName=alarm, StateValue="ALARM", StateReason="a test")
    try:
        checked = operate(deployed.environment, "status", "--stage", "local", "--check")
        assert (checked.status, alarm in checked.out) == (4, True)
    finally:
        ring(AlarmName=alarm, StateValue="OK", StateReason="a test")
