"""What a command says, in CloudWatch Logs while it runs, if the instance's role may bring it there."""

import time

import pytest
from botocore.exceptions import ClientError

from local.ssm.output_log import CALL_EVENTS, EVENT_BYTES, Stream, group_of
from tests.embedded import fresh, statement
from tests.local.instances import Box

pytestmark = pytest.mark.xdist_group("tests.local.test_machines")
# What the agent calls to write one group.
ACTIONS = ("logs:CreateLogGroup", "logs:DescribeLogGroups", "logs:CreateLogStream", "logs:PutLogEvents")


def allowed(group, *actions):
    found = f"arn:aws:logs:us-east-1:000000000000:log-group:{group}"
    return [statement(one, "*" if one == "logs:DescribeLogGroups" else [found, f"{found}:*"]) for one in actions]


@pytest.fixture(scope="module")
def group():
    return f"/box/{fresh('group')}"


@pytest.fixture(scope="module")
def box(embedded, group):
    made = Box(embedded, "", *allowed(group, *ACTIONS))
    yield made
    made.terminate()


def send(box, group, *commands):
    config = {"CloudWatchOutputEnabled": True, "CloudWatchLogGroupName": group}
    return box.send(*commands, CloudWatchOutputConfig=config)


def lines(box, group, command, output="stdout"):
    stream = f"{command}/{box.identity}/aws-runShellScript/{output}"
    try:
        found = box.embedded.client("logs").get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True)
    except ClientError as error:
        assert error.response["Error"]["Code"] == "ResourceNotFoundException"
        return []
    return [line for event in found["events"] for line in event["message"].splitlines()]


def test_lines_are_there_while_the_command_runs(box, group):
    command = send(
        box,
        group,
        "echo early; echo wrong >&2; touch /tmp/said",
        "while [ -e /tmp/said ]; do sleep 0.05; done",
        "echo -n late",
    )
    for _ in range(200):
        if lines(box, group, command):
            break
        time.sleep(0.05)
    assert lines(box, group, command) == ["early"]
    assert box.invocation(command)["Status"] == "InProgress"
    box.said("rm /tmp/said")
    found = box.result(command)
    assert lines(box, group, command) == ["early", "late"]
    assert lines(box, group, command, "stderr") == ["wrong"]
    assert found["CloudWatchOutputConfig"] == {"CloudWatchOutputEnabled": True, "CloudWatchLogGroupName": group}


def test_a_role_that_may_not_write_has_no_output_there_and_the_command_succeeds(embedded):
    groups = {missing: f"/box/{fresh('group')}" for missing in ACTIONS}
    for group in groups.values():
        embedded.client("logs").create_log_group(logGroupName=group)
    looks, box = statement("logs:DescribeLogGroups", "*"), Box(embedded)
    for missing, group in groups.items():
        own = [one for one in ACTIONS if one not in (missing, "logs:DescribeLogGroups")]
        embedded.allow(box.role, *allowed(group, *own))
    for missing, group in sorted(groups.items(), key=lambda one: one[0] != "logs:DescribeLogGroups"):
        command = send(box, group, "echo here")
        assert box.result(command)["Status"] == "Success"
        assert lines(box, group, command) == []
        assert missing in box.said(f"grep {command} /var/log/amazon/ssm/errors.log")
        embedded.allow(box.role, looks)
    embedded.allow(box.role, *(allowed(groups["logs:PutLogEvents"], "logs:PutLogEvents")))
    command = send(box, groups["logs:PutLogEvents"], "echo here")
    box.result(command)
    assert lines(box, groups["logs:PutLogEvents"], command) == ["here"]
    box.terminate()


def test_the_default_group_bears_the_documents_name():
    assert group_of({"CloudWatchOutputEnabled": True}, "AWS-RunShellScript") == "/aws/ssm/AWS-RunShellScript"
    assert group_of({"CloudWatchOutputEnabled": True}, "a b:c") == "/aws/ssm/a.b.c"
    assert group_of({"CloudWatchLogGroupName": "x"}, "AWS-RunShellScript") is None


def test_no_byte_is_lost_or_said_twice_however_it_is_written(tmp_path):
    said = []
    stream = Stream(tmp_path / "stdout", said.extend)
    assert stream.send(last=False)
    text = "".join(f"{'x' * (number % 700)}{number}\n" for number in range(4000)) + "y" * (
        EVENT_BYTES * CALL_EVENTS + 5
    )
    with stream.path.open("a") as file:
        for start in range(0, len(text), 30_011):
            file.write(text[start : start + 30_011])
            file.flush()
            stream.send(last=False)
            assert all(message.endswith("\n") for message in said if "y" not in message)
    assert not stream.send(last=True)
    assert "".join(said) == text
    assert max(map(len, said)) <= EVENT_BYTES


def test_what_could_not_be_brought_is_brought_at_the_next_turn(tmp_path):
    (tmp_path / "stdout").write_text("one\n")
    said, broken = [], True

    def put(messages):
        if broken:
            raise OSError
        said.extend(messages)

    stream = Stream(tmp_path / "stdout", put)
    with pytest.raises(OSError):
        stream.send(last=False)
    broken = False
    stream.send(last=False)
    assert said == ["one\n"]
