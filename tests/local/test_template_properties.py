"""A property that CloudFormation does not know fails its stack by name, also of the types that MiniStack provisions."""

import json

import pytest

from local.template_properties import refuse_unknown
from tests.embedded import fresh


def settled(embedded, name):
    client = embedded.client("cloudformation")
    events = client.describe_stack_events(StackName=name)["StackEvents"]
    status = client.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]
    return status, [one.get("ResourceStatusReason", "") for one in events if one["LogicalResourceId"] == "It"]


def template(kind, properties):
    return json.dumps({"Resources": {"It": {"Type": kind, "Properties": properties}}})


@pytest.mark.parametrize(
    ("kind", "properties"),
    [
        ("AWS::S3::Bucket", {"Versioning": {"Status": "Enabled"}}),
        ("AWS::SQS::Queue", {"VisibilityTimeOut": 5}),
        ("AWS::Logs::LogGroup", {"Retention": 7}),
        ("AWS::IAM::Role", {"AssumeRolePolicyDocument": {"Statement": []}, "Policy": []}),
        ("AWS::Lambda::Function", {"Memory": 128}),
    ],
)
def test_an_unknown_property_fails_its_stack_by_name(embedded, kind, properties):
    name, unknown = fresh("stack"), [*properties][-1]
    given = {"TemplateBody": template(kind, properties), "Capabilities": ["CAPABILITY_IAM"]}
    embedded.client("cloudformation").create_stack(StackName=name, **given)
    status, reasons = settled(embedded, name)
    assert status == "ROLLBACK_COMPLETE"
    assert any(f"{kind} has no property {unknown}." in reason for reason in reasons), reasons


def test_an_unknown_property_fails_an_update_which_goes_back(embedded):
    name, client = fresh("stack"), embedded.client("cloudformation")
    client.create_stack(StackName=name, TemplateBody=template("AWS::SQS::Queue", {"DelaySeconds": 1}))
    client.update_stack(
        StackName=name, TemplateBody=template("AWS::SQS::Queue", {"DelaySeconds": 2, "DelayedSeconds": 3})
    )
    status, reasons = settled(embedded, name)
    assert status == "UPDATE_ROLLBACK_COMPLETE"
    assert any("AWS::SQS::Queue has no property DelayedSeconds." in reason for reason in reasons), reasons


def test_a_type_that_is_not_in_the_table_takes_what_it_is_given():
    refuse_unknown("Custom::Anything", ["Colour"])
