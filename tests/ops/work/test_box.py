"""The training box by Systems Manager, as only AWS can answer: asleep, not heard of, gone, commands that end badly."""

import shlex
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import boto3
import pytest
from botocore.stub import ANY, Stubber

from config import StageConfig, load_stage
from ops.errors import NotReached, OperatorError, WorkFailed
from ops.prices import Prices
from ops.work import box as boxes
from ops.work import on_box
from ops.work.box import Box
from ops.work.on_box import follow, outcome, refuse
from ops.work.train import refuse_local
from tests.ops.work.pipeline import deployed
from tests.ops.work.test_following import BEGAN, Logs

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
    return Box("i-1", "the-log", ec2.client, ssm.client, Logs(), 0.0)


def is_in(ec2, state):
    instance = {"InstanceId": "i-1", "InstanceType": "t2.xlarge", "State": {"Name": state}}
    ec2.add_response("describe_instances", {"Reservations": [{"Instances": [instance]}]})


def is_heard(ssm, *statuses):
    listed = [{"InstanceId": "i-1", "PingStatus": status} for status in statuses]
    ssm.add_response("describe_instance_information", {"InstanceInformationList": listed})


def is_listed(ssm, *statuses, output=""):
    """The invocation each time that it is asked for; None: Systems Manager does not know of it yet."""
    for status in statuses:
        times = (
            {"ResponseStartDateTime": BEGAN, "ResponseFinishDateTime": BEGAN + timedelta(minutes=1)}
            if status not in (None, "InProgress")
            else {}
        )
        plugin = {"Name": "aws:runShellScript", "Output": output, **times}
        found = {"CommandId": COMMAND["CommandId"], "Status": status, "CommandPlugins": [plugin]}
        asked = {"InstanceId": "i-1", "Details": True, "CommandId": COMMAND["CommandId"]}
        answer = {"CommandInvocations": [] if status is None else [found]}
        ssm.add_response("list_command_invocations", answer, asked)


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
    assert told == [
        "The box i-1 is stopped: it is started, and stops itself again when it has been idle.",
        "The box i-1 is pending; its agent has yet to report.",
        "The box i-1 is running; its agent has yet to report.",
    ]
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
    parameters = {"commands": ["whippet-train --epochs=9"], "executionTimeout": ["3600"]}
    wanted = {"DocumentName": "AWS-RunShellScript", "InstanceIds": ["i-1"], "Comment": "whippet-dev-box-1"}
    wanted["CloudWatchOutputConfig"] = {"CloudWatchOutputEnabled": True, "CloudWatchLogGroupName": "the-log"}
    ssm.add_response(
        "send_command",
        {"Command": {**COMMAND, "Parameters": parameters}},
        {**wanted, "TimeoutSeconds": ANY, "Parameters": parameters},
    )
    is_in(ec2, "running")
    return box.send("whippet-dev-box-1", "whippet-train --epochs=9", 3600)


def stage():
    return SimpleNamespace(
        name="dev",
        output=lambda *_: "the-bucket",
        account=SimpleNamespace(region="us-east-1", poll_seconds=0.0),
        prices=Prices("us-east-1"),
    )


def test_a_command_is_pending_until_systems_manager_knows_of_it(box, ec2, ssm):
    command = sent(box, ec2, ssm)
    is_listed(ssm, None)
    command = box.again(command)
    assert (command.name, command.status, command.instance_type) == ("whippet-dev-box-1", "Pending", "t2.xlarge")
    assert not command.has_ended
    assert command.epochs == 9


def test_a_command_is_followed_line_by_line_to_its_numbers_its_money_and_its_model(box, ec2, ssm, capsys):
    """The agent sends what was said between two looks as one event."""
    said = ["epoch=1 train_loss=1\nepoch=2 train_loss=0.5\n", 'test_accuracy=0.8\nto serve it: artifact = "models/a/m"']
    box = replace(box, logs=Logs(*said))
    command = sent(box, ec2, ssm)
    is_listed(ssm, None, "InProgress", "Success")
    found, lines = follow(stage(), box, command)
    assert lines == [line for event in said for line in event.splitlines()]
    told = outcome(stage(), found, lines)
    assert told["metrics"] == {"train_loss": 0.5, "test_accuracy": 0.8}
    assert (told["wall_seconds"], told["model"]) == (60, "s3://the-bucket/models/a/m")
    assert told["dollars"] == pytest.approx(0.1856 / 60)
    err = capsys.readouterr().err.splitlines()
    # What was said is told while it runs, each line once.
    assert err.index("epoch=1 train_loss=1") < err.index("whippet-dev-box-1: Success")
    assert err.count("epoch=2 train_loss=0.5") == 1


@pytest.mark.parametrize("status", ["Failed", "TimedOut", "Cancelled", "DeliveryTimedOut"])
def test_a_command_that_ends_badly_says_its_last_words(box, ec2, ssm, status):
    box = replace(box, logs=Logs("first", "whippet: the set is empty"))
    command = sent(box, ec2, ssm)
    is_listed(ssm, status)
    with pytest.raises(
        WorkFailed, match=f"ended as {status}.\nThe last it said:\n  first\n  whippet: the set is empty"
    ):
        follow(stage(), box, command)


def test_a_box_whose_log_did_not_come_still_says_how_it_began(box, ec2, ssm):
    box = replace(box, logs=Logs())
    command = sent(box, ec2, ssm)
    is_listed(ssm, "Failed", output="sh: whippet-train: not found")
    with pytest.raises(WorkFailed, match="ended as Failed.\nThe last it said:\n  sh: whippet-train: not found"):
        follow(stage(), box, command)


def test_all_commands_take_three_calls_however_many_there_are(box, ec2, ssm):
    many = [{**COMMAND, "CommandId": f"{number:036}", "RequestedDateTime": number} for number in range(5)]
    ssm.add_response("list_commands", {"Commands": many}, {"InstanceId": "i-1"})
    invocations = [{"CommandId": one["CommandId"], "Status": "Success"} for one in many[:-1]]
    asked = {"InstanceId": "i-1", "Details": True}
    ssm.add_response("list_command_invocations", {"CommandInvocations": invocations}, asked)
    is_in(ec2, "stopped")
    assert [one.status for one in box.commands()] == ["Pending", *["Success"] * 4]
    ssm.assert_no_pending_responses()


def test_a_stack_of_before_the_log_lists_commands_and_sends_none(box):
    with pytest.raises(OperatorError, match="The workbench stack is older than this checkout, and keeps no log"):
        replace(box, log_group=None).send("name", "line", 1)


def test_what_the_box_is_cannot_be_wished():
    wished = SimpleNamespace(instances=None, instance_type="ml.m5.xlarge", spot=None)
    with pytest.raises(OperatorError, match="--instance-type does not go with --ec2: there is one box"):
        refuse(wished)


def asked(monkeypatch, **settings_of_stage):
    """The line that a box of a stage with these settings is sent, and how it is told to begin."""
    found = load_stage("dev")[0].model_dump(by_alias=True, exclude_none=True)
    found["training"] |= settings_of_stage
    config = StageConfig.model_validate(found)
    monkeypatch.setattr(on_box.Definition, "deployed", lambda *_: deployed(config))
    monkeypatch.setattr(on_box, "prepared", lambda *_: SimpleNamespace(tuning="t"))
    monkeypatch.setattr(on_box, "tuned_by", lambda *_: {"learning-rate": "0.5"})
    told = SimpleNamespace(name="dev", config=config, client=lambda _: None, output=lambda *_: "whippet-train")
    arguments = SimpleNamespace(set=["epochs=3"], tuned=None)
    line, seconds = on_box.asked(told, arguments, SimpleNamespace(name="dogs"))
    assert seconds == config.training.max_run_seconds
    return shlex.split(line.removesuffix(" 2>&1"))


def test_the_box_is_told_what_a_job_would_be_and_begins_from_what_the_run_found_best(monkeypatch):
    words = asked(monkeypatch)
    assert words[:3] == ["whippet-train", "--data", "dogs"]
    assert {"--epochs=3", "--learning-rate=0.5", "--seed=1"} <= set(words)
    assert not any("sagemaker" in word or word.startswith("--weights") for word in words)


def test_the_box_begins_from_the_stages_weights(monkeypatch):
    words = asked(monkeypatch, weights={"key": "weights/resnet50.pth", "sha256": "0" * 64})
    assert {"--weights=s3://the-bucket/weights/resnet50.pth", f"--weights-sha256={'0' * 64}"} <= set(words)


@pytest.mark.parametrize(("word", "told"), [("--weights", {"weights": "f"}), ("--out", {"out": "d"})])
def test_what_only_a_training_here_heeds_is_not_passed_over(word, told):
    with pytest.raises(OperatorError, match=f"{word} goes with --local alone"):
        refuse_local(SimpleNamespace(**{"weights": None, "out": None, **told}))
