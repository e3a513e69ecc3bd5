"""The training box by Systems Manager, as only AWS can answer: asleep, not heard of, gone, commands that end badly."""

from types import SimpleNamespace

import boto3
import pytest
from botocore.stub import ANY, Stubber

from ops.errors import NotReached, OperatorError, WorkFailed
from ops.prices import Prices
from ops.work import box as boxes
from ops.work.box import Box
from ops.work.on_box import follow, metrics, refuse, told_last

KEYS = {"region_name": "us-east-1", "aws_access_key_id": "a", "aws_secret_access_key": "b"}
COMMAND = {"CommandId": "0" * 36, "Comment": "whippet-dev-box-1", "RequestedDateTime": 0, "InstanceIds": ["i-1"]}


@pytest.fixture
def ec2():
    client = boto3.client("ec2", **KEYS)
    with Stubber(client) as stub:
        yield stub


@pytest.fixture
def ssm():
    client = boto3.client("ssm", **KEYS)
    with Stubber(client) as stub:
        yield stub


@pytest.fixture
def box(ec2, ssm):
    return Box("i-1", ec2.client, ssm.client, 0.0)


def is_in(ec2, state):
    instance = {"InstanceId": "i-1", "InstanceType": "t2.xlarge", "State": {"Name": state}}
    ec2.add_response("describe_instances", {"Reservations": [{"Instances": [instance]}]})


def is_heard(ssm, *statuses):
    listed = [{"InstanceId": "i-1", "PingStatus": status} for status in statuses]
    ssm.add_response("describe_instance_information", {"InstanceInformationList": listed})


def ends(ssm, status, said="", complained=""):
    ssm.add_response(
        "get_command_invocation",
        {
            "Status": status,
            "StandardOutputContent": said,
            "StandardErrorContent": complained,
            "ExecutionStartDateTime": "2026-01-01T00:00:00.000Z",
            "ExecutionEndDateTime": "2026-01-01T00:01:00.000Z",
        },
    )


def test_a_stopped_box_is_started_once_and_waited_for(box, ec2, ssm):
    is_in(ec2, "stopped")
    ec2.add_response("start_instances", {}, {"InstanceIds": ["i-1"]})
    is_in(ec2, "stopped")
    is_in(ec2, "pending")
    is_in(ec2, "running")
    is_heard(ssm)
    is_in(ec2, "running")
    is_heard(ssm, "Online")
    told = []
    box.wake(told.append)
    assert told == ["The box i-1 is stopped: it is started, and stops itself again when it has been idle."]
    ec2.assert_no_pending_responses()


def test_a_box_without_capacity_is_named_by_aws(box, ec2):
    is_in(ec2, "stopped")
    ec2.add_client_error("start_instances", "InsufficientInstanceCapacity", "no t2.xlarge here")
    with pytest.raises(ec2.client.exceptions.ClientError, match="no t2.xlarge here"):
        box.wake(lambda _: None)


def test_a_box_that_is_gone_is_a_sentence(box, ec2):
    is_in(ec2, "terminated")
    with pytest.raises(OperatorError, match="The box i-1 is terminated: deploy the workbench stack again"):
        box.wake(lambda _: None)


def test_an_agent_that_nobody_hears_is_a_sentence(box, ec2, ssm, monkeypatch):
    monkeypatch.setattr(boxes, "AWAKE_WITHIN_SECONDS", -1.0)
    is_in(ec2, "running")
    is_heard(ssm, "ConnectionLost")
    with pytest.raises(NotReached, match="has not heard of its agent .* get-console-output --instance-id i-1"):
        box.wake(lambda _: None)


def sent(box, ec2, ssm):
    parameters = {"commands": ["whippet-train"], "executionTimeout": ["3600"]}
    wanted = {"DocumentName": "AWS-RunShellScript", "InstanceIds": ["i-1"], "Comment": "whippet-dev-box-1"}
    ssm.add_response("send_command", {"Command": COMMAND}, {**wanted, "TimeoutSeconds": ANY, "Parameters": parameters})
    is_in(ec2, "running")
    ssm.add_client_error("get_command_invocation", "InvocationDoesNotExist")
    return box.send("whippet-dev-box-1", "whippet-train", 3600)


def test_a_command_is_pending_until_systems_manager_knows_of_it(box, ec2, ssm):
    command = sent(box, ec2, ssm)
    assert (command.name, command.status, command.instance_type) == ("whippet-dev-box-1", "Pending", "t2.xlarge")
    assert not command.has_ended


def test_a_command_is_followed_to_its_numbers_and_its_money(box, ec2, ssm, capsys):
    command = sent(box, ec2, ssm)
    ends(ssm, "InProgress")
    ends(ssm, "Success", "epoch=1 train_loss=1\ntest_accuracy=0.8 test_macro_f1=0.7\n")
    found = follow(SimpleNamespace(name="dev"), box, command)
    assert metrics(found) == {"train_loss": 1, "test_accuracy": 0.8, "test_macro_f1": 0.7}
    assert found.wall_seconds == 60
    assert found.dollars(Prices("us-east-1")) == pytest.approx(0.1856 / 60)
    assert "whippet-dev-box-1: InProgress" in capsys.readouterr().err


@pytest.mark.parametrize("status", ["Failed", "TimedOut", "Cancelled", "DeliveryTimedOut"])
def test_a_command_that_ends_badly_says_its_last_words(box, ec2, ssm, status):
    command = sent(box, ec2, ssm)
    ends(ssm, status, "whippet: the set is empty\n")
    with pytest.raises(WorkFailed, match=f"ended as {status}.\nThe last it said:\n  whippet: the set is empty"):
        follow(SimpleNamespace(name="dev"), box, command)


def test_what_is_said_last_is_what_is_kept(tmp_path):
    import subprocess  # noqa: PLC0415

    line = told_last("sh -c 'seq 1 9999; echo last >&2; exit 3'")
    done = subprocess.run(
        ["sh", "-c", line], capture_output=True, text=True, env={"TMPDIR": str(tmp_path)}, check=False
    )
    assert done.returncode == 3
    assert done.stdout.endswith("9999\nlast\n")
    assert len(done.stdout) == 20_000
    assert not list(tmp_path.iterdir())


def test_what_the_box_is_cannot_be_wished():
    wished = SimpleNamespace(instances=None, instance_type="ml.m5.xlarge", spot=None)
    with pytest.raises(OperatorError, match="--instance-type does not go with --ec2: there is one box"):
        refuse(wished)
