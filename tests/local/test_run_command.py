"""Run Command: who may send what to which instance, and how a command ends."""

import time

import pytest
from botocore.exceptions import ClientError

from tests.embedded import statement
from tests.local.instances import Box

pytestmark = pytest.mark.xdist_group("tests.local.test_machines")
DOCUMENT = "arn:aws:ssm:us-east-1::document/AWS-RunShellScript"


@pytest.fixture(scope="module")
def box(embedded):
    made = Box(embedded, "", statement("s3:PutObject", "arn:aws:s3:::*"))
    yield made
    made.terminate()


def arn(box):
    return f"arn:aws:ec2:us-east-1:000000000000:instance/{box.identity}"


def test_a_command_ends_as_its_script_does(box):
    good = box.result(box.send("echo out", "echo err >&2"))
    assert (good["Status"], good["ResponseCode"]) == ("Success", 0)
    assert (good["StandardOutputContent"], good["StandardErrorContent"]) == ("out\n", "err\n")
    bad = box.result(box.send("exit 7"))
    assert (bad["Status"], bad["StatusDetails"], bad["ResponseCode"]) == ("Failed", "Failed", 7)


def test_a_command_that_runs_too_long_is_ended_with_all_it_started(box):
    began = time.monotonic()
    late = box.result(box.send("sleep 607 & sleep 607", parameters={"executionTimeout": ["1"]}))
    assert time.monotonic() - began < 30
    assert (late["Status"], late["StatusDetails"], late["ResponseCode"]) == ("TimedOut", "ExecutionTimedOut", 137)
    assert box.said("ls /proc") != ""
    assert box.said("pgrep -f 'sleep 607' || echo none").endswith("none")


def test_a_command_can_be_cancelled(embedded, box):
    command = box.send("sleep 600")
    while box.invocation(command)["Status"] == "Pending":
        time.sleep(0.02)
    embedded.client("ssm").cancel_command(CommandId=command)
    assert box.result(command)["Status"] == "Cancelled"
    (listed,) = embedded.client("ssm").list_commands(CommandId=command)["Commands"]
    assert (listed["Status"], listed["CompletedCount"]) == ("Cancelled", 1)


def test_output_is_cut_and_s3_has_it_all(embedded, box):
    bucket = embedded.bucket()
    command = box.send("seq 1 20000", OutputS3BucketName=bucket, OutputS3KeyPrefix="said")
    found = box.result(command)
    assert len(found["StandardOutputContent"]) == 24_000
    assert found["StandardOutputContent"].endswith("---Output truncated---")
    key = f"said/{command}/{box.identity}/awsrunShellScript/0.awsrunShellScript/stdout"
    whole = embedded.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    assert whole.endswith(b"20000\n")


def test_working_directory_and_tags(embedded, box):
    embedded.client("ec2").create_tags(Resources=[box.identity], Tags=[{"Key": "job", "Value": box.identity}])
    command = embedded.client("ssm").send_command(
        Targets=[{"Key": "tag:job", "Values": [box.identity]}],
        DocumentName="AWS-RunShellScript",
        Parameters={"commands": ["pwd"], "workingDirectory": ["/opt"]},
    )["Command"]["CommandId"]
    assert box.result(command)["StandardOutputContent"].strip().endswith("/root/opt")
    (one,) = embedded.client("ssm").list_command_invocations(CommandId=command, Details=True)["CommandInvocations"]
    assert one["CommandPlugins"][0]["Output"].strip().endswith("/root/opt")


@pytest.mark.parametrize(
    ("allowed", "missing"),
    [
        ([], "AWS-RunShellScript"),
        ([DOCUMENT], "instance/"),
        (["the instance"], "AWS-RunShellScript"),
    ],
)
def test_sending_needs_the_document_and_the_instance(embedded, box, allowed, missing):
    resources = [arn(box) if one == "the instance" else one for one in allowed] or ["arn:aws:ssm:us-east-1::document/x"]
    keys = embedded.acting(statement("ssm:SendCommand", resources))
    with pytest.raises(ClientError, match=missing) as refused:
        box.send("true", keys=keys)
    assert refused.value.response["Error"]["Code"] == "AccessDeniedException"


def test_both_are_enough(embedded, box):
    keys = embedded.acting(statement("ssm:SendCommand", [DOCUMENT, arn(box)]))
    assert box.result(box.send("true", keys=keys))["Status"] == "Success"


def test_the_tags_of_an_instance_may_be_the_condition(embedded, box):
    embedded.client("ec2").create_tags(Resources=[box.identity], Tags=[{"Key": "team", "Value": "a"}])
    for team, allowed in (("a", True), ("b", False)):
        condition = {"StringEquals": {"aws:ResourceTag/team": team}}
        instances = statement("ssm:SendCommand", "arn:aws:ec2:*:*:instance/*", Condition=condition)
        keys = embedded.acting(statement("ssm:SendCommand", DOCUMENT), instances)
        if allowed:
            assert box.send("true", keys=keys)
        else:
            with pytest.raises(ClientError, match="AccessDenied"):
                box.send("true", keys=keys)


def test_systems_managers_own_key_for_tags_is_a_condition_too(embedded, box):
    embedded.client("ec2").create_tags(Resources=[box.identity], Tags=[{"Key": "Crew", "Value": "a"}])
    document = statement("ssm:SendCommand", DOCUMENT)
    for crew in ("b", "a"):
        condition = {"StringEquals": {"ssm:resourceTag/Crew": [crew]}}
        keys = embedded.acting(
            document, statement("ssm:SendCommand", "arn:aws:ec2:*:*:instance/*", Condition=condition)
        )
        if crew == "a":
            assert box.result(box.send("true", keys=keys))["Status"] == "Success"
        else:
            with pytest.raises(ClientError, match="AccessDenied"):
                box.send("true", keys=keys)


def test_a_tag_that_no_instance_has_ends_the_command_at_once(embedded):
    sent = embedded.client("ssm").send_command(
        Targets=[{"Key": "tag:nobody", "Values": ["has it"]}],
        DocumentName="AWS-RunShellScript",
        Parameters={"commands": ["true"]},
    )["Command"]
    assert (sent["Status"], sent["StatusDetails"], sent["TargetCount"]) == ("Failed", "NoInstancesInTag", 0)


@pytest.mark.parametrize("token", ["x", "-1", "1e3", "9" * 5000, "8000000"])
def test_a_token_of_nobodys_is_the_documented_error(embedded, token):
    ssm = embedded.client("ssm")
    for ask in (ssm.list_commands, ssm.list_command_invocations, ssm.describe_instance_information):
        with pytest.raises(ClientError, match="InvalidNextToken.*none that this call has answered"):
            ask(NextToken=token)
    with pytest.raises(ClientError, match="InvalidPaginationTokenException|does not match"):
        embedded.client("service-quotas").list_service_quotas(ServiceCode="sagemaker", NextToken=token[:2000])
    with pytest.raises(ClientError, match="ValidationException.*none that this call has answered"):
        embedded.client("sagemaker").list_models(NextToken=token)


def test_an_agent_whose_role_may_not_report_is_not_online(embedded):
    silent = Box(embedded, agent=False)
    with pytest.raises(ClientError, match=f"{silent.identity}.*not in a valid state"):
        silent.send("true")
    embedded.allow(silent.role, statement(["ssm:UpdateInstanceInformation", "ssmmessages:*"], "*"))
    assert silent.said("echo here") == "here"
    silent.terminate()


def test_what_is_not_there_is_refused_by_name(embedded, box):
    ssm = embedded.client("ssm")
    box.wait("running")
    with pytest.raises(ClientError, match="StartSession is not available in the embedded AWS"):
        ssm.start_session(Target=box.identity)
    with pytest.raises(ClientError, match="AWS-RunPatchBaseline is not available"):
        ssm.send_command(InstanceIds=[box.identity], DocumentName="AWS-RunPatchBaseline")
    with pytest.raises(ClientError, match="has no parameter command;"):
        ssm.send_command(
            InstanceIds=[box.identity], DocumentName="AWS-RunShellScript", Parameters={"command": ["true"]}
        )
    with pytest.raises(ClientError, match="executionTimeout is 1 to 172800"):
        box.send("true", parameters={"executionTimeout": ["0"]})
