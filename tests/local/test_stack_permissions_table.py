"""local/stack_permissions.toml against MiniStack's types and AWS's resource schemas."""

import importlib

import pytest
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

from local.stack_permissions import read

# Types older than AWS's resource schemas, or parts of CloudFormation itself.
WITHOUT_SCHEMA = {
    "AWS::CDK::Metadata",
    "AWS::CloudFormation::CustomResource",
    "AWS::CloudFormation::WaitCondition",
    "AWS::CloudFormation::WaitConditionHandle",
    "AWS::CodeBuild::Project",
    "AWS::DocDB::DBCluster",
    "AWS::DocDB::DBInstance",
    "AWS::KinesisAnalyticsV2::ApplicationCloudWatchLoggingOption",
}
VERBS = ("create", "update", "delete")


@pytest.fixture(scope="module")
def types():
    """MiniStack's own, without those that this package adds."""
    provisioners = importlib.import_module("ministack.services.cloudformation.provisioners")
    return {kind for kind in provisioners._RESOURCE_HANDLERS if not kind.startswith("AWS::SageMaker::")}


def actions(facts):
    tables = (facts.extra, facts.changed, facts.gone, facts.reads)
    found = {facts.create, facts.update, facts.delete, *(action for table in tables for action in table.values())}
    return found - {""}


def named(kind):
    handlers = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema["handlers"]
    found = {one for verb in VERBS for one in handlers.get(verb, {}).get("permissions", [])}
    return {one.lower() for one in found}


def test_every_type_of_ministack_is_in_the_table(types):
    assert types - set(read()) == set()
    # Those that this package's handlers take the place of may be there too.
    assert all(kind.startswith("AWS::") for kind in read())


def test_every_action_is_one_that_aws_schema_names_for_its_type():
    wrong = {
        kind: sorted(action for action in actions(facts) if action.lower() not in named(kind))
        for kind, facts in read().items()
        if kind not in WITHOUT_SCHEMA
    }
    assert {kind: found for kind, found in wrong.items() if found} == {}


def test_every_property_of_the_table_is_one_of_its_type():
    for kind, facts in read().items():
        wanted = {*facts.extra, *facts.changed, *facts.gone, *(one.split(".")[0] for one in facts.passes)}
        wanted |= {facts.name} - {""}
        if wanted and kind not in WITHOUT_SCHEMA:
            schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema
            assert wanted <= set(schema["properties"]), kind
