"""Parts of `ops destroy` that the deployed system of the tests cannot show; tests/system/test_take_away.py has the whole."""

import json
from argparse import Namespace

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import ANY, Stubber

from ops import destroy
from ops.console import Remark
from ops.deployment import DeployedStack, Resource, in_order, stacks_of
from ops.emptying import empty_bucket
from ops.errors import OperatorError
from ops.notes import Notes
from ops.stage import Stage
from ops.stopping import Jobs
from ops.teardown import Teardown
from tests.ops.stubbed import scripted

ROLE = "arn:aws:iam::111122223333:role/whippet-dev-training-Role-1"
OTHER = "arn:aws:iam::111122223333:role/somebody-elses"


def stack(name, *resources):
    return DeployedStack(name, f"arn:{name}", False, {}, tuple(resources))


def client(service):
    return boto3.client(service, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")


@pytest.fixture
def sagemaker():
    found = client("sagemaker")
    with Stubber(found) as stub:
        yield found, stub
        stub.assert_no_pending_responses()


def test_consumers_go_before_what_they_use():
    stacks = [stack(f"whippet-dev-{room}") for room in ("data", "image", "api", "serving", "extra", "network")]
    users = {
        "whippet-dev-data": {"whippet-dev-serving", "whippet-dev-extra"},
        "whippet-dev-image": {"whippet-dev-serving"},
    }
    names = [each.name.rsplit("-", 1)[1] for each in in_order(stacks, users)]
    assert names.index("api") < names.index("serving") < names.index("image")
    assert names.index("serving") < names.index("data")
    assert names.index("extra") < names.index("data")


def test_imports_overrule_the_usual_order():
    stacks = [stack("a-b-api"), stack("a-b-serving")]
    assert [each.name for each in in_order(stacks, {"a-b-api": {"a-b-serving"}})] == ["a-b-serving", "a-b-api"]


def job(name, role):
    return {
        "TrainingJobName": name,
        "TrainingJobArn": f"arn:aws:sagemaker:us-east-1:111122223333:training-job/{name}",
        "RoleArn": role,
        "ModelArtifacts": {"S3ModelArtifacts": "s3://b/k"},
        "TrainingJobStatus": "InProgress",
        "SecondaryStatus": "Training",
        "AlgorithmSpecification": {"TrainingInputMode": "File"},
        "ResourceConfig": {"VolumeSizeInGB": 1},
        "StoppingCondition": {},
        "CreationTime": 0,
    }


def test_jobs_of_this_stages_roles_are_stopped_and_others_left_alone(sagemaker):
    found, stub = sagemaker
    summaries = [
        {
            "TrainingJobName": name,
            "TrainingJobArn": f"arn:aws:sagemaker:us-east-1:111122223333:training-job/{name}",
            "CreationTime": 0,
            "TrainingJobStatus": "InProgress",
        }
        for name in ("ours", "theirs")
    ]
    ours, theirs = summaries
    stopping = {**ours, "TrainingJobStatus": "Stopping"}

    def listing(in_progress, stopping=()):
        for status, listed in (("InProgress", in_progress), ("Stopping", stopping)):
            answer = {"TrainingJobSummaries": list(listed)}
            stub.add_response("list_training_jobs", answer, {"StatusEquals": status})

    def idle(*kinds):
        for call, kind in kinds:
            for _ in range(2):
                stub.add_response(f"list_{call}_jobs", {f"{kind}JobSummaries": []})

    # A tuning first, since it starts trainings.
    idle(("hyper_parameter_tuning", "HyperParameterTuning"))
    listing([ours, theirs])
    stub.add_response("describe_training_job", job("ours", ROLE), {"TrainingJobName": "ours"})
    stub.add_response("describe_training_job", job("theirs", OTHER), {"TrainingJobName": "theirs"})
    stub.add_response("stop_training_job", {}, {"TrainingJobName": "ours"})
    # Ours is waited for; the other's goes on.
    listing([theirs], [stopping])
    listing([theirs])
    idle(("processing", "Processing"), ("transform", "Transform"))
    assert Jobs(found, 0.001).stop({"whippet-dev-training-Role-1"}) == ["ours"]


RUN = "arn:aws:sagemaker:us-east-1:111122223333:pipeline/whippet-dev-training/execution/"


def runs(**statuses):
    return {
        "PipelineExecutionSummaries": [
            {"PipelineExecutionArn": RUN + name, "PipelineExecutionStatus": status} for name, status in statuses.items()
        ]
    }


def test_runs_of_the_pipeline_are_stopped_and_seen_to_their_end(sagemaker):
    """One that an interrupted run had stopped already is waited for as well."""
    found, stub = sagemaker
    asked = {"PipelineName": "whippet-dev-training"}
    stub.add_response("list_pipeline_executions", runs(a="Executing", b="Succeeded", c="Stopping"), asked)
    stub.add_response("stop_pipeline_execution", {}, {"PipelineExecutionArn": RUN + "a", "ClientRequestToken": ANY})
    stub.add_response("list_pipeline_executions", runs(a="Stopping", b="Succeeded", c="Stopped"), asked)
    stub.add_response("list_pipeline_executions", runs(a="Stopped", b="Succeeded", c="Stopped"), asked)
    assert Jobs(found, 0.001).stop_runs("whippet-dev-training") == ["a", "c"]


def test_a_run_that_does_not_stop_is_named(sagemaker, monkeypatch):
    found, stub = sagemaker
    monkeypatch.setattr("ops.stopping.STOP_SECONDS", 0)
    for _ in range(2):
        stub.add_response("list_pipeline_executions", runs(a="Stopping"))
    with pytest.raises(OperatorError, match="execution/a does not stop"):
        Jobs(found, 0.001).stop_runs("whippet-dev-training")


def test_a_bucket_is_emptied_in_batches_that_s3_takes():
    s3 = client("s3")
    versions = [{"Key": str(number), "VersionId": "v"} for number in range(1001)]
    counts = []
    with Stubber(s3) as stub:
        stub.add_response("list_object_versions", {"Versions": versions, "IsTruncated": False}, {"Bucket": "b"})
        for part in (versions[:1000], versions[1000:]):
            stub.add_response("delete_objects", {}, {"Bucket": "b", "Delete": {"Objects": part, "Quiet": True}})
        stub.add_response("list_multipart_uploads", {}, {"Bucket": "b"})
        assert empty_bucket(s3, "b", counts.append) == 1001
    assert counts == [1000, 1001]


def test_an_object_that_cannot_be_deleted_is_named():
    s3 = client("s3")
    with Stubber(s3) as stub:
        stub.add_response("list_object_versions", {"Versions": [{"Key": "k", "VersionId": "v"}], "IsTruncated": False})
        stub.add_response("delete_objects", {"Errors": [{"Key": "k", "Message": "Access Denied"}]})
        with pytest.raises(OperatorError, match="s3://b/k could not be deleted: Access Denied"):
            empty_bucket(s3, "b", lambda _count: None)


class Ec2:
    """A VPC whose interfaces go one by one; its own endpoints' stay until its stack goes."""

    def __init__(self, kinds):
        self.answers = kinds

    def get_paginator(self, _name):
        return self

    def paginate(self, Filters):
        assert Filters == [{"Name": "vpc-id", "Values": ["vpc-1"]}]
        return self

    def search(self, _expression):
        kinds = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [
            {"NetworkInterfaceId": f"eni-{number}", "InterfaceType": kind, "Status": "in-use"}
            for number, kind in enumerate(kinds)
        ]


class Refusing(Ec2):
    """Lets nobody delete an interface that it has let go of, and takes it away itself later."""

    def search(self, expression):
        return [{**one, "Status": "available"} for one in super().search(expression)]

    def delete_network_interface(self, NetworkInterfaceId):
        raise ClientError({"Error": {"Code": "OperationNotPermitted"}}, "DeleteNetworkInterface")


def teardown(ec2):
    made = Teardown.__new__(Teardown)
    made._ec2, made._poll_seconds = ec2, 0.001
    return made


def test_the_network_waits_for_interfaces_that_services_made():
    remark = Remark()
    ec2 = Ec2([["lambda", "interface", "vpc_endpoint"], ["lambda", "vpc_endpoint"], ["vpc_endpoint"]])
    teardown(ec2)._wait_for_interfaces("vpc-1", remark)
    assert remark.text == "2 went"


def test_an_interface_that_nobody_may_delete_is_waited_for():
    remark = Remark()
    teardown(Refusing([["lambda"], ["lambda"], []]))._wait_for_interfaces("vpc-1", remark)
    assert remark.text == "1 went"


def test_interfaces_that_never_go_are_named(monkeypatch):
    monkeypatch.setattr("ops.teardown.INTERFACE_SECONDS", 0)
    with pytest.raises(OperatorError, match="eni-0 in vpc-1 are still there"):
        teardown(Ec2([["lambda"]]))._wait_for_interfaces("vpc-1", Remark())


def test_what_is_still_to_go_and_what_stays_is_remembered_through_an_interruption(tmp_path):
    path = tmp_path / "folder" / "notes.json"
    bucket = Resource("AWS::S3::Bucket", "bucket-1", True)
    first = Notes(path)
    first.remember_log("/aws/sagemaker/Endpoints/whippet-dev-realtime")
    first.remember(bucket)
    again = Notes(path)
    assert (again.log_groups, again.kept) == (["/aws/sagemaker/Endpoints/whippet-dev-realtime"], [bucket])
    again.forget_log("/aws/sagemaker/Endpoints/whippet-dev-realtime")
    again.forget(bucket)
    assert not path.exists()


def test_a_project_whose_name_begins_alike_is_left_alone():
    cloudformation = client("cloudformation")
    names = ["whippet-dev-data", "whippet-dev-x-data", "whippet-dev", "whippet-development-data"]
    stacks = [
        {"StackName": name, "StackId": f"arn:{name}", "CreationTime": 0, "StackStatus": "CREATE_COMPLETE"}
        for name in names
    ]
    template = {"Resources": {"Bucket": {"Type": "AWS::S3::Bucket", "DeletionPolicy": "Retain"}}}
    listed = {
        "LogicalResourceId": "Bucket",
        "PhysicalResourceId": "bucket-1",
        "ResourceType": "AWS::S3::Bucket",
        "LastUpdatedTimestamp": 0,
        "ResourceStatus": "CREATE_COMPLETE",
    }
    with Stubber(cloudformation) as stub:
        stub.add_response("describe_stacks", {"Stacks": stacks})
        stub.add_response("get_template", {"TemplateBody": json.dumps(template)})
        stub.add_response(
            "list_stack_resources", {"StackResourceSummaries": [listed]}, {"StackName": "whippet-dev-data"}
        )
        stub.add_response("list_exports", {"Exports": []})
        (found,) = stacks_of(cloudformation, "whippet-dev-")
    assert (found.name, found.resources) == ("whippet-dev-data", (Resource("AWS::S3::Bucket", "bucket-1", True),))


def test_nothing_to_take_away_is_one_json_document_too(monkeypatch, tmp_path, capsys):
    deployed, _ = scripted(monkeypatch)
    monkeypatch.setattr(Stage, "open", lambda *_: deployed)
    monkeypatch.setattr(destroy, "NOTES", tmp_path)
    monkeypatch.setattr(destroy, "stacks_of", lambda *_: [])
    assert destroy.run(Namespace(stage="dev", stages=None, json=True)) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["stacks"] == []
    assert said.err == "There is nothing of stage dev in this account.\n"
