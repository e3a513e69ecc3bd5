"""What `make bootstrap-policies` lets CloudFormation do: enough for every template, and no administration."""

import importlib.util
import json

import pytest

from tests import synth

pytestmark = pytest.mark.xdist_group("synth")


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("bootstrap_policy", synth.ROOT / "scripts" / "bootstrap_policy.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def statements(script):
    return [statement for document in script.policies("whippet") for statement in document["Statement"]]


def test_every_type_of_every_stage_can_be_created_and_deleted(script, statements):
    granted = {action for statement in statements for action in statement["Action"]}
    for kind in script.types():
        assert script.actions([kind]) <= granted, kind
    assert {"sagemaker:CreateEndpoint", "sagemaker:DeleteEndpoint", "codebuild:CreateProject"} <= granted


def test_policies_fit_into_iam(script):
    documents = script.policies("whippet")
    assert 1 <= len(documents) <= 9
    for document in documents:
        assert len(json.dumps(document, separators=(",", ":"))) <= 6144


def test_no_action_is_a_wildcard(statements):
    assert [action for one in statements for action in one["Action"] if "*" in action] == []


def test_roles_buckets_and_functions_of_others_are_out_of_reach(statements):
    for one in statements:
        for action in one["Action"]:
            service, name = action.split(":")
            if name.endswith("EventSourceMapping") and not name.startswith("Get"):
                # It has no name of ours; its function has.
                assert one["Condition"] == {"ArnLike": {"lambda:FunctionArn": "arn:aws:lambda:*:*:function:whippet-*"}}
            elif service in {"iam", "s3", "lambda"} and not name.startswith(("Get", "List")):
                assert "*" not in one["Resource"], action


def test_no_managed_policy_can_be_attached(statements):
    """With AttachRolePolicy, CloudFormation could make an administrator of a role of ours."""
    assert [action for one in statements for action in one["Action"] if action.startswith("iam:Attach")] == []


def test_committed_policies_are_those_of_the_templates(script):
    written = [json.loads(path.read_text()) for path in sorted((synth.ROOT / "docs" / "bootstrap").glob("*.json"))]
    assert written == script.policies("whippet"), "a type came or went: `make bootstrap-policies`"


def test_every_statement_has_an_id_of_its_own(statements):
    ids = [one["Sid"] for one in statements]
    assert len(ids) == len(set(ids))
    assert all(one.isalnum() for one in ids)
