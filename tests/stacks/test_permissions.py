"""What every role may do, written by hand: a change of a permission is a change of this table, seen in review."""

import json
import re

import pytest

from tests import synth
from tests.stacks.permissions import api, image, network, operations, serving, training, workbench

pytestmark = pytest.mark.xdist_group("synth")

# One module a stack: who may do what, and whom the role trusts under which condition.
ROOMS = {
    "serving": serving,
    "api": api,
    "image": image,
    "network": network,
    "operations": operations,
    "workbench": workbench,
    "training": training,
}
TRUST = {role: trust for room in ROOMS.values() for role, trust in room.TRUST.items()}
MAY_BE_EVERYTHING = {
    "cloudwatch:GetMetricData",
    "cloudwatch:PutMetricData",
    "ec2:DescribeInstances",
    "ec2:DescribeVolumes",
    "ecr:GetAuthorizationToken",
    "sagemaker:ListNotebookInstances",
    "ssmmessages:CreateControlChannel",
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:OpenDataChannel",
}


def plain(value):  # noqa: PLR0911, PLR0912  (one return an intrinsic)
    """A template's value as text that a person would write: generated suffixes and hashes taken out."""
    match value:
        case str():
            return re.sub(r"[0-9a-f]{64}", "SHA256", value.replace("000000000000", "ACCOUNT"))
        case {"Ref": "AWS::Partition"}:
            return "aws"
        case {"Ref": "AWS::AccountId"}:
            return "ACCOUNT"
        case {"Ref": "AWS::Region"}:
            return "us-east-1"
        case {"Ref": "AWS::URLSuffix"}:
            return "amazonaws.com"
        case {"Ref": name}:
            return f"<{name[:-8]}>"
        case {"Fn::GetAtt": [name, attribute]}:
            return f"<{name[:-8]}.{attribute}>"
        case {"Fn::ImportValue": name} if ":ExportsOutputRef" in name:
            room, output = re.fullmatch(r"whippet-\w+-(\w+):ExportsOutputRef(.+)", name).groups()
            return f"<{room}:{output[:-16]}>"  # the resource's own hash and the output's
        case {"Fn::ImportValue": name}:
            room, how, output = re.fullmatch(r"whippet-\w+-(\w+):ExportsOutput(FnGetAtt|Ref)(.+)", name).groups()
            found = re.fullmatch(r"(\w+?)[0-9A-F]{8}([A-Z][a-z]+)?[0-9A-F]{8}", output)
            return f"<{room}:{found[1]}.{found[2]}>" if how == "FnGetAtt" else f"<{room}:{found[1]}>"
        case {"Fn::Sub": text}:
            return plain(text.replace("${AWS::AccountId}", "ACCOUNT").replace("${AWS::Region}", "us-east-1"))
        case {"Fn::Join": [separator, parts]}:
            return re.sub(r"[0-9a-f]{64}", "SHA256", separator.join(plain(part) for part in parts))
        case dict():
            return {name: plain(inner) for name, inner in value.items()}
        case list():
            return tuple(plain(inner) for inner in value)
    return value


def as_tuple(value):
    return value if isinstance(value, tuple) else (value,)


def statements(role):
    found = {}
    for policy in role["Properties"].get("Policies", []):
        for statement in policy["PolicyDocument"]["Statement"]:
            row = (statement["Effect"], as_tuple(plain(statement["Action"])), as_tuple(plain(statement["Resource"])))
            condition = plain(statement.get("Condition"))
            found[statement["Sid"]] = (*row, condition) if condition else row
    return found


def roles(template):
    return {
        re.sub(r"[0-9A-F]{8}$", "", name): body for name, body in synth.resources(template, "AWS::IAM::Role").items()
    }


@pytest.mark.parametrize("stage", synth.STAGES)
def test_roles_may_do_what_the_table_says_and_nothing_else(stage):
    found = {
        room: {name: statements(role) for name, role in roles(template).items()}
        for room, template in synth.templates(stage).items()
    }
    tables = {name: room.roles(stage) for name, room in ROOMS.items()}
    written = {name: table for name, table in tables.items() if table}
    expected = json.loads(json.dumps(written).replace("STAGE", stage))
    assert json.loads(json.dumps({room: table for room, table in found.items() if table})) == expected


@pytest.mark.parametrize("stage", synth.STAGES)
def test_no_policy_stands_outside_its_role(stage):
    for template in synth.templates(stage).values():
        assert not synth.resources(template, "AWS::IAM::Policy")
        assert not synth.resources(template, "AWS::IAM::ManagedPolicy")


@pytest.mark.parametrize("stage", synth.STAGES)
def test_no_role_carries_a_managed_policy(stage):
    for template in synth.templates(stage).values():
        assert [name for name, role in roles(template).items() if "ManagedPolicyArns" in role["Properties"]] == []


@pytest.mark.parametrize("stage", synth.STAGES)
def test_roles_trust_whom_the_table_says_under_its_condition(stage):
    for template in synth.templates(stage).values():
        for name, role in roles(template).items():
            (statement,) = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
            who, condition = TRUST[name]
            federated = isinstance(who, dict)
            assert plain(statement["Principal"]) == (who if federated else {"Service": who})
            assert statement["Action"] == ("sts:AssumeRoleWithWebIdentity" if federated else "sts:AssumeRole")
            written = json.loads(json.dumps(condition).replace("STAGE", stage))
            assert json.loads(json.dumps(plain(statement.get("Condition")))) == written


@pytest.mark.parametrize("stage", synth.STAGES)
def test_only_actions_without_resources_are_granted_on_everything(stage):
    for template in synth.templates(stage).values():
        for role in roles(template).values():
            for _, actions, resources, *_ in statements(role).values():
                assert not [action for action in actions if "*" in action]
                if "*" in resources:
                    assert set(actions) <= MAY_BE_EVERYTHING


@pytest.mark.parametrize("stage", synth.STAGES)
def test_functions_are_called_by_named_sources_only(stage):
    for template in synth.templates(stage).values():
        for permission in synth.resources(template, "AWS::Lambda::Permission").values():
            assert permission["Properties"]["Principal"] in {"apigateway.amazonaws.com", "events.amazonaws.com"}
            assert "SourceArn" in permission["Properties"]


@pytest.mark.parametrize("stage", synth.STAGES)
def test_key_is_ruled_by_the_account_alone(stage):
    (statement,) = synth.only(synth.templates(stage)["data"], "AWS::KMS::Key")["KeyPolicy"]["Statement"]
    root = "arn:aws:iam::ACCOUNT:root"
    assert (plain(statement["Principal"]), statement["Action"]) == ({"AWS": root}, "kms:*")


@pytest.mark.parametrize("stage", synth.STAGES)
def test_buckets_refuse_plain_http(stage):
    for policy in synth.resources(synth.templates(stage)["data"], "AWS::S3::BucketPolicy").values():
        denials = [s for s in policy["Properties"]["PolicyDocument"]["Statement"] if s["Effect"] == "Deny"]
        (refusal,) = denials
        assert (refusal["Action"], refusal["Principal"]) == ("s3:*", {"AWS": "*"})
        assert refusal["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
