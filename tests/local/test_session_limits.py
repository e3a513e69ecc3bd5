"""A role's session lasts from a quarter of an hour to what its role allows, an hour by role chaining."""

import json

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.embedded import fresh, statement


@pytest.fixture(scope="module")
def role(embedded):
    """From a template, for two hours."""
    trusted = {"AWS": f"arn:aws:iam::{embedded.running.facts.account}:root"}
    trust = {"Effect": "Allow", "Principal": trusted, "Action": "sts:AssumeRole"}
    properties = {
        "MaxSessionDuration": 7200,
        "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trust]},
    }
    template = {"Resources": {"Role": {"Type": "AWS::IAM::Role", "Properties": properties}}}
    cloudformation, name = embedded.client("cloudformation"), fresh("role")
    cloudformation.create_stack(
        StackName=name, TemplateBody=json.dumps(template), Capabilities=["CAPABILITY_NAMED_IAM"]
    )
    cloudformation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    made = cloudformation.describe_stack_resources(StackName=name)["StackResources"][0]["PhysicalResourceId"]
    return embedded.client("iam").get_role(RoleName=made)["Role"]["Arn"]


def assume(client, role, seconds):
    return client.assume_role(RoleArn=role, RoleSessionName="test", DurationSeconds=seconds)


def test_a_session_lasts_as_long_as_its_role_allows(embedded, role):
    assert assume(embedded.client("sts"), role, 7200)["Credentials"]
    with pytest.raises(ClientError, match="exceeds the MaxSessionDuration set for this role") as found:
        assume(embedded.client("sts"), role, 7201)
    assert found.value.response["Error"]["Code"] == "ValidationError"
    assert found.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_a_session_by_role_chaining_lasts_an_hour(embedded, role):
    chaining = embedded.client("sts", embedded.acting(statement("sts:AssumeRole", role)))
    assert assume(chaining, role, 3600)["Credentials"]
    with pytest.raises(ClientError, match="exceeds the 1 hour session limit for roles assumed by role chaining"):
        assume(chaining, role, 3601)


@pytest.mark.parametrize(
    ("seconds", "bound"), [(899, "greater than or equal to 900"), (43201, "less than or equal to")]
)
def test_no_session_is_shorter_or_longer_than_any_may_be(embedded, role, seconds, bound):
    client = boto3.client(
        "sts",
        endpoint_url=embedded.running.url,
        region_name=embedded.running.facts.region,
        verify=embedded.environment["AWS_CA_BUNDLE"],
        aws_access_key_id=embedded.environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=embedded.environment["AWS_SECRET_ACCESS_KEY"],
        # It would ask no server for less.
        config=Config(parameter_validation=False),
    )
    with pytest.raises(ClientError, match=f"Value '{seconds}' at 'durationSeconds' .* must have value {bound}"):
        assume(client, role, seconds)
