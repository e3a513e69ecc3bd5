"""Who is in a VPC goes where its routes, groups and endpoints lead, and nowhere else."""

import base64
import io
import time
import zipfile

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from tests.embedded import ALLOW_ALL, AWS_IMAGE, artefact, fresh, statement
from tests.local.instances import Box
from tests.local.jobs import channel, ended, in_training, processing, training
from tests.local.networks import PLUGS_IN, Vpc, anybody

pytestmark = pytest.mark.xdist_group(__name__)

ASKS_AROUND = """
import os

import boto3
from botocore.config import Config
from botocore.exceptions import ConnectionClosedError

boto3.client("sts").get_caller_identity()
try:
    boto3.client("kms", config=Config(retries={"max_attempts": 0})).list_keys()
except ConnectionClosedError:
    open(os.environ["SAGEMAKER_BASE_DIR"] + "/output/failure", "w").write("closed")
raise SystemExit(1)
"""

CALLER = """
import boto3
from botocore.config import Config


def handle(event, context):
    service, operation = event
    client = boto3.client(service, config=Config(retries={"max_attempts": 0}))
    getattr(client, operation)()
"""


@pytest.fixture(scope="module")
def vpc(embedded):
    """With a gateway to S3, and an endpoint of STS."""
    made = Vpc(embedded)
    made.gateway()
    made.interface("sts")
    return made


# --- jobs --------------------------------------------------------------------------------------------------------


def test_job_inside_gets_its_data_and_leaves_its_model_through_the_gateway(embedded, vpc):
    bucket = embedded.bucket()
    data = embedded.put(bucket, "data/x", b"x")
    found = vpc.job(bucket=bucket, InputDataConfig=[channel("train", data)])
    assert found["TrainingJobStatus"] == "Completed", found
    embedded.client("s3").head_object(Bucket=bucket, Key=f"out/{found['TrainingJobName']}/output/model.tar.gz")


def test_job_without_a_way_to_its_data_fails_and_says_why(embedded):
    inside = Vpc(embedded)
    data = embedded.put(embedded.bucket(), "data/x", b"x")
    found = inside.job(InputDataConfig=[channel("train", data)])
    assert found["TrainingJobStatus"] == "Failed"
    assert found["FailureReason"].startswith("ClientError: Data download failed: could not list s3://")
    assert (
        f"[network: no way to s3: route table {inside.table} of {inside.subnet} has no route" in found["FailureReason"]
    )


@pytest.mark.slow
def test_job_whose_group_lets_nothing_out_fails(embedded):
    inside = Vpc(embedded)
    inside.gateway()
    inside.let_nothing_out()
    found = inside.job()
    assert found["TrainingJobStatus"] == "Failed"
    assert f"[network: no way to s3: security groups {inside.group} let no https out" in found["FailureReason"]


def test_job_whose_endpoint_policy_leaves_its_bucket_out_fails_by_name(embedded):
    inside = Vpc(embedded)
    inside.gateway(anybody("s3:*", ["arn:aws:s3:::another", "arn:aws:s3:::another/*"]))
    found = inside.job()
    assert found["TrainingJobStatus"] == "Failed"
    assert "because no VPC endpoint policy allows the s3:PutObject action" in found["FailureReason"]


@pytest.mark.slow
def test_jobs_log_and_its_image_go_over_sagemakers_own_network(embedded):
    inside = Vpc(embedded)
    inside.gateway()
    found = inside.job("print('said inside')")
    assert found["TrainingJobStatus"] == "Completed", found
    logs, group = embedded.client("logs"), "/aws/sagemaker/TrainingJobs"
    (stream,) = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=found["TrainingJobName"])[
        "logStreams"
    ]
    events = logs.get_log_events(logGroupName=group, logStreamName=stream["logStreamName"])["events"]
    assert [event["message"] for event in events] == ["said inside"]


@pytest.mark.slow
def test_program_of_a_job_reaches_what_its_vpc_reaches_and_nothing_else(vpc):
    found = vpc.job(ASKS_AROUND)
    assert found["FailureReason"].startswith("AlgorithmError: closed"), found
    assert "no way to kms: route table" in found["FailureReason"]
    assert "sts" not in found["FailureReason"]


@pytest.mark.slow
def test_processing_job_is_inside_too(embedded):
    inside = Vpc(embedded)
    data = embedded.put(embedded.bucket(), "data/x", b"x")
    job = processing(
        embedded, "pass", inputs={data: "/opt/ml/processing/data"}, NetworkConfig={"VpcConfig": inside.config}
    )
    assert "[network: no way to s3" in ended(embedded, job, "processing")["FailureReason"]


def test_role_that_may_not_plug_in_fails_its_job(embedded, vpc):
    may = statement(["s3:*", "logs:*", "ecr:*"], "*")
    found = vpc.job(role=embedded.role(may))
    assert "has no network interface in its VPC" in found["FailureReason"]
    assert "is not authorized to perform: ec2:DescribeDhcpOptions" in found["FailureReason"]
    elsewhere = statement("ec2:CreateNetworkInterface", "arn:aws:ec2:*:*:subnet/subnet-other", "Deny")
    here = statement("ec2:CreateNetworkInterface", f"arn:aws:ec2:*:*:subnet/{vpc.subnet}", "Deny")
    assert vpc.job(role=embedded.role(may, PLUGS_IN, elsewhere))["TrainingJobStatus"] == "Completed"
    refused = vpc.job(role=embedded.role(may, PLUGS_IN, here))["FailureReason"]
    assert f"ec2:CreateNetworkInterface on resource: arn:aws:ec2:us-east-1:000000000000:subnet/{vpc.subnet}" in refused


@pytest.mark.parametrize("member", ["Subnets", "SecurityGroupIds"])
def test_job_in_a_place_that_does_not_exist_fails(embedded, vpc, member):
    config = {**vpc.config, member: ["nowhere-1"]}
    found = Vpc.job(type("Elsewhere", (), {"embedded": embedded, "config": config}))
    assert "nowhere-1 does not exist" in found["FailureReason"]


@pytest.mark.slow
def test_interfaces_of_a_job_are_there_while_it_runs_and_gone_after(embedded, vpc):
    def interfaces():
        found = embedded.client("ec2").describe_network_interfaces()["NetworkInterfaces"]
        return [one for one in found if one["Description"].endswith(job.lower())]

    other = vpc.add_subnet("10.7.2.0/24")
    config = {**vpc.config, "Subnets": [vpc.subnet, other]}
    job = training(embedded, "import time; time.sleep(60)", VpcConfig=config)
    in_training(embedded, job)
    assert [one["SubnetId"] for one in interfaces()] == [vpc.subnet, other]
    assert [one["PrivateIpAddress"].rpartition(".")[0] for one in interfaces()] == ["10.7.1", "10.7.2"]
    embedded.client("sagemaker").stop_training_job(TrainingJobName=job)
    ended(embedded, job)
    assert interfaces() == []


@pytest.mark.slow
def test_every_subnet_of_a_job_must_lead_there(embedded, vpc):
    """SageMaker takes any of them."""
    other, ec2 = vpc.add_subnet("10.7.3.0/24"), embedded.client("ec2")
    table = ec2.create_route_table(VpcId=vpc.identity)["RouteTable"]["RouteTableId"]
    ec2.associate_route_table(RouteTableId=table, SubnetId=other)
    job = training(embedded, "pass", VpcConfig={**vpc.config, "Subnets": [vpc.subnet, other]})
    assert f"route table {table} of {other} has no route" in ended(embedded, job)["FailureReason"]


# --- endpoints ---------------------------------------------------------------------------------------------------


def hosted(embedded, config):
    name, url = fresh("model"), embedded.put(embedded.bucket(), "model.tar.gz", artefact())
    embedded.client("sagemaker").create_model(
        ModelName=name,
        ExecutionRoleArn=embedded.role(ALLOW_ALL),
        PrimaryContainer={"Image": AWS_IMAGE, "ModelDataUrl": url},
        VpcConfig=config,
    )
    return embedded.settled(embedded.endpoint(embedded.config(name)))


def test_endpoint_inside_serves(embedded, vpc):
    found = hosted(embedded, vpc.config)
    assert found["EndpointStatus"] == "InService", found
    assert embedded.ask(found["EndpointName"])


@pytest.mark.slow
def test_endpoint_without_a_way_to_its_model_fails_and_says_why(embedded):
    inside = Vpc(embedded)
    found = hosted(embedded, inside.config)
    assert found["EndpointStatus"] == "Failed"
    assert "[network: no way to s3: route table" in found["FailureReason"]


# --- instances and functions -------------------------------------------------------------------------------------

CALLS = "#!/bin/bash\naws sts get-caller-identity && echo reached || { echo stopped; exit 1; }\n"


def launched(embedded, vpc, **interface):
    placed = {"DeviceIndex": 0, "SubnetId": vpc.subnet, "Groups": [vpc.group], **interface}
    return Box(embedded, CALLS, NetworkInterfaces=[placed])


@pytest.mark.slow
def test_instance_with_a_public_address_calls_over_the_internet(embedded):
    inside = Vpc(embedded)
    inside.internet()
    box = launched(embedded, inside, AssociatePublicIpAddress=True)
    assert "reached" in box.console(until="ed\n")
    found = box.wait("running")
    assert found["PrivateIpAddress"].startswith("10.7.1.")
    assert found["PublicIpAddress"]
    assert box.result(box.send("echo told"))["Status"] == "Success"


@pytest.mark.slow
def test_instance_without_one_reaches_nobody_and_nobody_commands_it(embedded):
    inside = Vpc(embedded)
    inside.internet()
    box = launched(embedded, inside, AssociatePublicIpAddress=False)
    assert "stopped" in box.console(until="ed\n")
    assert not box.wait("running").get("PublicIpAddress")
    with pytest.raises(embedded.client("ssm").exceptions.InvalidInstanceId):
        box.send("echo told")
    said = embedded.running.home.log.read_text()
    assert f"{box.identity} has no way to sts: route table {inside.table} of {inside.subnet} leads to igw-" in said


@pytest.mark.slow
def test_agent_of_an_instance_needs_its_two_endpoints(embedded):
    inside = Vpc(embedded)
    box = launched(embedded, inside)
    box.wait("running")
    for service in ("ssm", "ssmmessages"):
        with pytest.raises(embedded.client("ssm").exceptions.InvalidInstanceId):
            box.send("echo told")
        inside.interface(service)
    assert box.result(box.send("echo told"))["Status"] == "Success"


@pytest.mark.slow
def test_function_in_a_vpc_calls_from_there(embedded, vpc):
    role = embedded.role(ALLOW_ALL, service="lambda")
    config = {"SubnetIds": [vpc.subnet], "SecurityGroupIds": [vpc.group]}
    name, client = function(embedded, role, VpcConfig=config), embedded.client("lambda")
    assert "FunctionError" not in client.invoke(FunctionName=name, Payload=b'["sts", "get_caller_identity"]')
    stopped = client.invoke(FunctionName=name, Payload=b'["kms", "list_keys"]')
    assert b"Connection was closed" in stopped["Payload"].read()


def function(embedded, role, **more):
    """One that makes the call of AWS's that its event names."""
    buffer, name = io.BytesIO(), fresh("function")
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("index.py", CALLER)
    embedded.client("lambda").create_function(
        FunctionName=name,
        Runtime="python3.11",
        Role=role,
        Handler="index.handle",
        Code={"ZipFile": buffer.getvalue()},
        Timeout=20,
        **more,
    )
    return name


def notebook(embedded, vpc, keys=None, **more):
    """One whose start asks STS who it is, once that has ended well or not."""
    client, name, script = embedded.client("sagemaker", keys), fresh("notebook"), base64.b64encode(CALLS.encode())
    embedded.client("sagemaker").create_notebook_instance_lifecycle_config(
        NotebookInstanceLifecycleConfigName=name, OnStart=[{"Content": script.decode()}]
    )
    client.create_notebook_instance(
        NotebookInstanceName=name,
        InstanceType="ml.t3.medium",
        RoleArn=embedded.role(ALLOW_ALL),
        LifecycleConfigName=name,
        SubnetId=vpc.subnet,
        SecurityGroupIds=[vpc.group],
        **more,
    )
    while True:
        found = client.describe_notebook_instance(NotebookInstanceName=name)
        if found["NotebookInstanceStatus"] != "Pending":
            return found
        time.sleep(0.1)


@pytest.mark.slow
def test_notebook_without_direct_access_goes_where_its_subnet_leads(embedded, vpc):
    found = notebook(embedded, vpc, DirectInternetAccess="Disabled")
    assert found["NotebookInstanceStatus"] == "InService", found
    ec2, identity = embedded.client("ec2"), found["NetworkInterfaceId"]
    (interface,) = ec2.describe_network_interfaces(NetworkInterfaceIds=[identity])["NetworkInterfaces"]
    assert interface["SubnetId"] == vpc.subnet
    assert notebook(embedded, Vpc(embedded), DirectInternetAccess="Disabled")["NotebookInstanceStatus"] == "Failed"


@pytest.mark.slow
def test_notebook_with_direct_access_goes_over_sagemakers_own_network(embedded):
    assert notebook(embedded, Vpc(embedded))["NotebookInstanceStatus"] == "InService"


@pytest.mark.slow
def test_who_may_make_no_interface_makes_no_notebook_in_a_vpc(embedded, vpc):
    keys = embedded.acting(statement(["sagemaker:*", "iam:PassRole", "ec2:Describe*"], "*"))
    with pytest.raises(ClientError, match="is not authorized to perform: ec2:CreateNetworkInterface on resource"):
        notebook(embedded, vpc, keys)


# --- changes -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_interface_endpoint_that_admits_nobody_ends_the_connection(embedded):
    inside = Vpc(embedded)
    inside.gateway()
    inside.interface("logs", block="10.7.2.0/24")
    with pytest.raises(ConnectionClosedError):
        embedded.client("logs", inside.keys()).describe_log_groups()


@pytest.mark.slow
def test_changed_rules_count_from_the_next_request_on(embedded):
    inside = Vpc(embedded)
    gateway = inside.gateway()
    client = embedded.client("s3", inside.keys())
    assert client.list_buckets()
    inside.let_nothing_out()
    with pytest.raises(ConnectionClosedError):
        client.list_buckets()
    permission = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    inside.ec2.authorize_security_group_egress(GroupId=inside.group, IpPermissions=[permission])
    assert client.list_buckets()
    inside.ec2.delete_vpc_endpoints(VpcEndpointIds=[gateway])
    with pytest.raises(ConnectionClosedError):
        client.list_buckets()


@pytest.mark.slow
def test_network_acl_of_a_subnet_stops_what_no_entry_lets_through(embedded):
    inside = Vpc(embedded)
    inside.gateway()
    client, ec2 = embedded.client("s3", inside.keys()), inside.ec2
    acl = ec2.create_network_acl(VpcId=inside.identity)["NetworkAcl"]["NetworkAclId"]
    mine = [{"Name": "vpc-id", "Values": [inside.identity]}, {"Name": "default", "Values": ["true"]}]
    (default,) = ec2.describe_network_acls(Filters=mine)["NetworkAcls"]
    (association,) = default["Associations"]
    assert association["SubnetId"] == inside.subnet
    ec2.replace_network_acl_association(AssociationId=association["NetworkAclAssociationId"], NetworkAclId=acl)
    with pytest.raises(ConnectionClosedError):
        client.list_buckets()
    for number, egress, ports in ((1, True, (443, 443)), (2, False, (1024, 65535))):
        ec2.create_network_acl_entry(
            NetworkAclId=acl,
            RuleNumber=number,
            Protocol="6",
            RuleAction="allow",
            Egress=egress,
            CidrBlock="0.0.0.0/0",
            PortRange={"From": ports[0], "To": ports[1]},
        )
    assert client.list_buckets()


# --- flow logs ---------------------------------------------------------------------------------------------------


def flow_log(embedded, vpc, *statements):
    """Of a VPC; its log group."""
    group = fresh("flows")
    embedded.client("logs").create_log_group(logGroupName=group)
    embedded.client("ec2").create_flow_logs(
        ResourceIds=[vpc.identity],
        ResourceType="VPC",
        TrafficType="ALL",
        LogGroupName=group,
        DeliverLogsPermissionArn=embedded.role(*statements, service="vpc-flow-logs"),
    )
    return group


def records(embedded, group, count=1, seconds=20):
    """Once there are so many, as lists of their fields."""
    logs, until = embedded.client("logs"), time.monotonic() + seconds
    while True:
        streams = logs.describe_log_streams(logGroupName=group)["logStreams"]
        found = [
            event["message"].split()
            for stream in streams
            for event in logs.get_log_events(logGroupName=group, logStreamName=stream["logStreamName"])["events"]
        ]
        if len(found) >= count or time.monotonic() > until:
            return found
        time.sleep(0.2)


@pytest.mark.slow
def test_flow_log_tells_what_passed_and_what_was_stopped(embedded):
    inside = Vpc(embedded)
    inside.gateway()
    inside.interface("sts")
    inside.interface("logs", block="10.7.9.0/24")
    group = flow_log(embedded, inside, statement("logs:*", "*"))
    keys = inside.keys()
    embedded.client("sts", keys).get_caller_identity()
    with pytest.raises(ConnectionClosedError):
        embedded.client("logs", keys).describe_log_groups()
    time.sleep(6)
    found = records(embedded, group)
    assert all(len(fields) == 14 and fields[0] == "2" and fields[2].startswith("eni-") for fields in found)
    assert {fields[3].rpartition(".")[0] for fields in found} == {"10.7.1"}
    assert [fields[6:8] for fields in found] == [["443", "6"]] * len(found)
    # S3's address nobody knows.
    assert ("-", "ACCEPT") in {(fields[4], fields[12]) for fields in found}
    assert sorted(fields[12] for fields in found if fields[4].startswith("10.7.1.")) == ["ACCEPT"]
    assert "REJECT" in {fields[12] for fields in found}


@pytest.mark.slow
def test_flow_log_whose_role_may_not_write_leaves_nothing(embedded):
    inside = Vpc(embedded)
    inside.gateway()
    group = flow_log(embedded, inside)
    inside.keys()
    assert records(embedded, group, seconds=7) == []
    assert "could not be delivered: User: arn:aws:sts::" in embedded.running.home.log.read_text()
