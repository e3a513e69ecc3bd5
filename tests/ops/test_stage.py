"""A deployed stage as commands meet it: names from outputs, and sentences where there are none."""

import boto3
import pytest
from botocore.stub import Stubber

from config import load_stage
from ops.account import Account
from ops.errors import OperatorError
from ops.stage import Stage


@pytest.fixture
def cloudformation(monkeypatch):
    client = boto3.client("cloudformation", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
    monkeypatch.setattr(Account, "client", lambda *_: client)
    with Stubber(client) as stub:
        yield stub


@pytest.fixture
def stage(cloudformation, tmp_path):
    return Stage("dev", load_stage("dev")[0], Account("us-east-1", {}, "111122223333"), tmp_path)


def described(status, **outputs):
    found = [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()]
    stack = {"StackName": "whippet-dev-data", "CreationTime": 0, "StackStatus": status, "Outputs": found}
    return {"Stacks": [stack]}


def test_names_come_from_outputs_and_each_stack_is_asked_for_once(stage, cloudformation):
    cloudformation.add_response(
        "describe_stacks", described("UPDATE_COMPLETE", BucketName="b"), {"StackName": "whippet-dev-data"}
    )
    assert stage.output("data", "BucketName") == "b"
    assert stage.outputs("data") == {"BucketName": "b"}


def test_a_missing_stack_is_named_with_account_and_region(stage, cloudformation):
    said = "Stack with id whippet-dev-data does not exist"
    for _ in range(2):
        cloudformation.add_client_error("describe_stacks", "ValidationError", said)
    assert stage.find("data") is None
    with pytest.raises(
        OperatorError, match="whippet-dev-data is not in account 111122223333, region us-east-1: deploy"
    ):
        stage.outputs("data")


def test_half_deployed_is_a_sentence(stage, cloudformation):
    cloudformation.add_response("describe_stacks", described("ROLLBACK_COMPLETE"))
    with pytest.raises(OperatorError, match=r"half deployed \(ROLLBACK_COMPLETE\)"):
        stage.output("data", "BucketName")


def test_an_output_that_the_stack_lacks_is_a_sentence(stage, cloudformation):
    cloudformation.add_response("describe_stacks", described("CREATE_COMPLETE"))
    with pytest.raises(
        OperatorError, match="whippet-dev-data has no output BucketName: it is older than this checkout"
    ):
        stage.output("data", "BucketName")
