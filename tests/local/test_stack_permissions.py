"""CloudFormation's role is asked about each resource of a template: what it lacks fails the stack, in AWS's sentence."""

import json
import re

import pytest

from local import stack_permissions
from tests.embedded import fresh, statement

MAKE, ACCOUNT = "cloudformation", "000000000000"
POLICY = {"Version": "2012-10-17", "Statement": [statement("s3:GetObject", "arn:aws:s3:::some/*")]}
# A type's properties, and every statement that its life takes: made, changed to the second, deleted.
LIVES = {
    "AWS::S3::Bucket": (
        {"VersioningConfiguration": {"Status": "Enabled"}},
        {"VersioningConfiguration": {"Status": "Suspended"}},
        {"s3:CreateBucket", "s3:PutBucketVersioning", "s3:DeleteBucket"},
    ),
    "AWS::IAM::Role": (
        {"AssumeRolePolicyDocument": POLICY, "Policies": [{"PolicyName": "p", "PolicyDocument": POLICY}]},
        {"AssumeRolePolicyDocument": POLICY, "Description": "x"},
        {"iam:CreateRole", "iam:PutRolePolicy", "iam:UpdateRole", "iam:DeleteRolePolicy", "iam:DeleteRole"},
    ),
    "AWS::KMS::Key": (
        {"EnableKeyRotation": True, "Description": "one"},
        {"EnableKeyRotation": True, "Description": "two"},
        {"kms:CreateKey", "kms:EnableKeyRotation", "kms:UpdateKeyDescription", "kms:ScheduleKeyDeletion"},
    ),
    "AWS::Logs::LogGroup": (
        {},
        {"RetentionInDays": 7},
        {"logs:CreateLogGroup", "logs:PutRetentionPolicy", "logs:DeleteLogGroup"},
    ),
    "AWS::SQS::Queue": (
        {"DelaySeconds": 1},
        {"DelaySeconds": 2},
        {"sqs:CreateQueue", "sqs:SetQueueAttributes", "sqs:DeleteQueue"},
    ),
    "AWS::EC2::VPC": (
        {"CidrBlock": "10.0.0.0/16"},
        {"CidrBlock": "10.0.0.0/16", "EnableDnsSupport": True},
        {"ec2:CreateVpc", "ec2:ModifyVpcAttribute", "ec2:DeleteVpc"},
    ),
    # On no resource of its own here.
    "AWS::Kinesis::Stream": (
        {"ShardCount": 1},
        {"ShardCount": 2},
        {"kinesis:CreateStream", "kinesis:UpdateStreamMode", "kinesis:DeleteStream"},
    ),
}


class Stack:
    """One resource, in a stack of its own, by a role of its own."""

    def __init__(self, embedded, kind, *statements, name=None):
        self.kind, self.name = kind, name or fresh("stack")
        self.client = embedded.client("cloudformation")
        self.role = embedded.role(*statements, service="cloudformation")

    def template(self, properties):
        return json.dumps({"Resources": {"It": {"Type": self.kind, "Properties": properties}}})

    def create(self, properties):
        given = {"TemplateBody": self.template(properties), "RoleARN": self.role, "Capabilities": ["CAPABILITY_IAM"]}
        self.client.create_stack(StackName=self.name, **given)
        return self.settled()

    def update(self, properties):
        given = {"TemplateBody": self.template(properties), "RoleARN": self.role, "Capabilities": ["CAPABILITY_IAM"]}
        self.client.update_stack(StackName=self.name, **given)
        return self.settled()

    def delete(self):
        self.client.delete_stack(StackName=self.name)
        found = [one for one in self.client.list_stacks()["StackSummaries"] if one["StackName"] == self.name]
        return found[0]["StackStatus"]

    def settled(self):
        return self.client.describe_stacks(StackName=self.name)["Stacks"][0]["StackStatus"]

    def reasons(self):
        events = self.client.describe_stack_events(StackName=self.name)["StackEvents"]
        return [
            one["ResourceStatusReason"] for one in events if "not authorized" in one.get("ResourceStatusReason", "")
        ]


@pytest.mark.parametrize("kind", sorted(LIVES))
def test_each_action_of_a_resources_life_is_needed_and_all_of_them_suffice(embedded, kind):
    first, second, actions = LIVES[kind]

    def lived(allowed):
        """Up to the first refusal: what was asked for, or None."""
        stack = Stack(embedded, kind, statement(sorted(allowed), "*"))
        steps = [lambda: stack.create(first), lambda: stack.update(second), stack.delete]
        for step, good in zip(steps, ("CREATE_COMPLETE", "UPDATE_COMPLETE", "DELETE_COMPLETE"), strict=True):
            if step() != good:
                return re.search(r"not authorized to perform: ([\w:]+) on resource", stack.reasons()[0])[1]
        return None

    assert lived(actions) is None
    for action in sorted(actions):
        assert lived(actions - {action} | {"iam:ListRoles"}) == action


def test_role_may_make_what_is_named_as_its_policy_says_and_nothing_else(embedded):
    """Of what CloudFormation names itself too: the name begins with the stack's."""
    name, tags = fresh("stack"), {"Tags": [{"Key": "a", "Value": "b"}]}
    allowed = statement(["s3:CreateBucket", "s3:PutBucketTagging"], f"arn:aws:s3:::{name}-it-*")
    stack = Stack(embedded, "AWS::S3::Bucket", allowed, name=name)
    assert stack.create(tags) == "CREATE_COMPLETE"
    other = Stack(embedded, "AWS::S3::Bucket", allowed)
    assert other.create({"BucketName": fresh("bucket")}) in ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED")
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/{other.role.rsplit('/', 1)[-1]}/AWSCloudFormation"
    (reason,) = other.reasons()
    assert f"User: {session} is not authorized to perform: s3:CreateBucket on resource: arn:aws:s3:::bucket-" in reason


def test_refused_resource_is_not_made(embedded):
    bucket = fresh("bucket")
    Stack(embedded, "AWS::S3::Bucket", statement("s3:Put*", "*")).create({"BucketName": bucket})
    assert bucket not in [one["Name"] for one in embedded.client("s3").list_buckets()["Buckets"]]


def test_stack_hands_a_function_only_roles_that_its_own_may_pass(embedded):
    role = embedded.role(service="lambda")
    code = {"ZipFile": "def handler(event, context): pass"}
    function = {"Code": code, "Role": role, "Runtime": "python3.11", "Handler": "index.handler"}
    make = statement("lambda:*", "*")
    passing = statement(
        "iam:PassRole", role, Condition={"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}
    )
    assert Stack(embedded, "AWS::Lambda::Function", make, passing).create(function) == "CREATE_COMPLETE"
    refused = Stack(embedded, "AWS::Lambda::Function", make, statement("iam:PassRole", embedded.role()))
    refused.create(function)
    assert f"iam:PassRole on resource: {role}" in refused.reasons()[0]


def test_stack_takes_a_functions_code_only_from_where_its_role_may_read(embedded):
    role, bucket = embedded.role(service="lambda"), embedded.bucket()
    code = {"S3Bucket": bucket, "S3Key": "code.zip"}
    function = {"Code": code, "Role": role, "Runtime": "python3.11", "Handler": "index.handler"}
    stack = Stack(embedded, "AWS::Lambda::Function", statement(["lambda:*", "iam:PassRole"], "*"))
    stack.create(function)
    assert f"s3:GetObject on resource: arn:aws:s3:::{bucket}/code.zip" in stack.reasons()[0]


@pytest.mark.parametrize("kind", ["Custom::Thing", "AWS::CloudFormation::CustomResource"])
def test_custom_resource_needs_leave_to_call_its_function(embedded, kind):
    function = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{fresh('function')}"
    stack = Stack(embedded, kind, statement("s3:*", "*"))
    stack.create({"ServiceToken": function})
    assert f"lambda:InvokeFunction on resource: {function}" in stack.reasons()[0]


def test_stack_without_a_role_works_as_its_caller(embedded):
    keys = embedded.acting(statement("cloudformation:*", "*"))
    template = {"Resources": {"It": {"Type": "AWS::SNS::Topic"}}}
    name, client = fresh("stack"), embedded.client("cloudformation", keys)
    client.create_stack(StackName=name, TemplateBody=json.dumps(template))
    events = client.describe_stack_events(StackName=name)["StackEvents"]
    assert any("perform: sns:CreateTopic" in one.get("ResourceStatusReason", "") for one in events)


def test_property_that_goes_asks_for_its_removal_and_one_that_stays_for_nothing():
    facts = stack_permissions.Facts(
        "a:Make",
        "a:Change",
        "a:Delete",
        extra={"Part": "a:PutPart", "Other": "a:PutOther"},
        gone={"Part": "a:DropPart"},
    )
    assert list(facts.change("id", {"Part": 1, "Other": 1}, {"Other": 1})) == [("a:DropPart", "*", {})]
    assert list(facts.change("id", {"Part": 1}, {"Part": 2})) == [("a:PutPart", "*", {})]
    assert list(facts.change("id", {"Size": 1}, {"Size": 2})) == [("a:Change", "*", {})]
    assert list(facts.change("id", {"Size": 1}, {"Size": 1})) == []
    assert [action for action, _, _ in facts.deletion("id", {"Part": 1})] == ["a:DropPart", "a:Delete"]
