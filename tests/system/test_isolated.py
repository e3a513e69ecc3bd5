"""Stage local with `network.isolated`: trained, served and commanded inside, and what its VPC does not let through."""

import contextlib
import json
import time
import uuid

import pytest

from local import control
from tests.local.runs import over
from tests.system.deployed import NETWORK, TRAINING, WORKBENCH, Deployed
from training.synthetic import SyntheticSet, write_set

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("isolated")]
DATASET = "dataset/small"
LATEST_SECONDS = 240
CHANGES = {
    "network__isolated": True,
    "training__hyperparameters__epochs": 2,
    "training__tuning__jobs": 1,
    "training__tuning__parallel": 1,
    "training__minimum_accuracy": 0.0,
}


@pytest.fixture(scope="module")
def isolated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("isolated")
    running = control.start(state=folder / "aws", port=0)
    try:
        system = Deployed(running, folder)
        system.bootstrap()
        system.deploy(system.changed(**CHANGES))
        write_set(folder / "set", SyntheticSet(train=40, valid=20, test=20, seed=5))
        for picture in (folder / "set").glob("*/*/*"):
            key = f"{DATASET}/{picture.relative_to(folder / 'set')}"
            system.root.client("s3").put_object(Bucket=system.bucket, Key=key, Body=picture.read_bytes())
        yield system
    finally:
        control.stop(folder / "aws")


@pytest.fixture
def ec2(isolated):
    return isolated.root.client("ec2")


def ran(system):
    """A run of the pipeline to its end: its status and its steps."""
    arn = system.root.client("sagemaker").start_pipeline_execution(
        PipelineName=system.pipeline,
        PipelineParameters=[{"Name": "DatasetPrefix", "Value": DATASET}],
        ClientRequestToken=uuid.uuid4().hex,
    )["PipelineExecutionArn"]
    found, steps = over(system.root, arn, LATEST_SECONDS)
    return found["PipelineExecutionStatus"], steps


def why(steps):
    (failed,) = [step["FailureReason"] for step in steps.values() if step["StepStatus"] == "Failed"]
    return failed


@contextlib.contextmanager
def gateway_policy(system, change):
    """Another policy of the gateway to S3, for a while."""
    ec2 = system.root.client("ec2")
    found = ec2.describe_vpc_endpoints()["VpcEndpoints"]
    (gateway,) = [one for one in found if one["VpcEndpointType"] == "Gateway"]
    document = json.loads(gateway["PolicyDocument"])
    ec2.modify_vpc_endpoint(VpcEndpointId=gateway["VpcEndpointId"], PolicyDocument=json.dumps(change(document)))
    try:
        yield
    finally:
        ec2.modify_vpc_endpoint(VpcEndpointId=gateway["VpcEndpointId"], PolicyDocument=json.dumps(document))


def test_endpoint_inside_answers(isolated, ec2):
    answer = isolated.call("POST", "/predict", isolated.sample.read_bytes())
    assert answer.status == 200, answer.body
    found = ec2.describe_network_interfaces()["NetworkInterfaces"]
    assert any(one["Description"].endswith(f"endpoint/{isolated.endpoint.lower()}") for one in found)


def test_pipeline_runs_inside(isolated):
    status, steps = ran(isolated)
    assert status == "Succeeded", steps


def test_box_inside_is_commanded_and_reaches_the_bucket_alone(isolated):
    box = next(name for name in isolated.resources(WORKBENCH).values() if name.startswith("i-"))
    ssm = isolated.root.client("ssm")
    commands = [
        f"aws s3 ls s3://{isolated.bucket}/dataset/ && echo reached",
        "aws logs describe-log-groups || echo stopped",
    ]
    sent = ssm.send_command(InstanceIds=[box], DocumentName="AWS-RunShellScript", Parameters={"commands": commands})[
        "Command"
    ]["CommandId"]
    until = time.monotonic() + 60
    while True:
        found = ssm.get_command_invocation(CommandId=sent, InstanceId=box)
        if found["Status"] not in ("Pending", "InProgress"):
            break
        assert time.monotonic() < until, found
        time.sleep(0.2)
    assert "reached" in found["StandardOutputContent"], found
    assert "stopped" in found["StandardOutputContent"], found


def test_gateway_whose_policy_leaves_the_bucket_out_fails_the_run(isolated):
    def without_the_bucket(document):
        kept = [one for one in document["Statement"] if one["Sid"] not in ("ThisStage", "ThisStagesObjects")]
        return {**document, "Statement": kept}

    with gateway_policy(isolated, without_the_bucket):
        status, steps = ran(isolated)
    assert status == "Failed"
    assert "because no VPC endpoint policy allows the s3:" in why(steps)


def test_group_that_lets_nothing_out_fails_the_run(isolated, ec2):
    groups = isolated.resources_and_types(TRAINING).values()
    (group,) = [name for kind, name in groups if kind == "AWS::EC2::SecurityGroup"]
    (found,) = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"]
    ec2.revoke_security_group_egress(GroupId=group, IpPermissions=found["IpPermissionsEgress"])
    try:
        status, steps = ran(isolated)
    finally:
        ec2.authorize_security_group_egress(GroupId=group, IpPermissions=found["IpPermissionsEgress"])
    assert status == "Failed"
    assert f"[network: no way to s3: security groups {group} let no https out" in why(steps)


def test_flow_log_of_the_stage_tells_what_passed(isolated):
    resources = isolated.resources_and_types(NETWORK).values()
    (group,) = [name for kind, name in resources if kind == "AWS::Logs::LogGroup"]
    logs, found = isolated.root.client("logs"), []
    for stream in logs.describe_log_streams(logGroupName=group)["logStreams"]:
        found += logs.get_log_events(logGroupName=group, logStreamName=stream["logStreamName"])["events"]
    assert any(" ACCEPT " in event["message"] for event in found)
