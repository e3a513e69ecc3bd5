"""Pipelines: kept, refused when their definition is wrong, and started with an honest answer."""

import json
import uuid

import pytest
from botocore.exceptions import ClientError

from tests.embedded import fresh, statement

pytestmark = pytest.mark.xdist_group(__name__)

PARAMETER = {"Name": "Prefix", "Type": "String"}
FAIL = {"Name": "Refuse", "Type": "Fail", "Arguments": {"ErrorMessage": "no"}}


def processing(name="Prepare", **more):
    arguments = {
        "RoleArn": "arn:aws:iam::000000000000:role/job",
        "AppSpecification": {"ImageUri": "image"},
        "ProcessingResources": {
            "ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}
        },
        "Environment": {"PREFIX": {"Get": "Parameters.Prefix"}},
        **more,
    }
    return {"Name": name, "Type": "Processing", "Arguments": arguments}


def definition(*steps, **more):
    whole = {"Version": "2020-12-01", "Parameters": [PARAMETER], "Steps": list(steps or [processing()]), **more}
    return json.dumps(whole)


def create(embedded, text=None, role=None, keys=None):
    name = fresh("pipeline")
    embedded.client("sagemaker", keys).create_pipeline(
        PipelineName=name, PipelineDefinition=text or definition(), RoleArn=role or embedded.role()
    )
    return name


def start(embedded, name, keys=None, token=None, value="dataset/x"):
    answer = embedded.client("sagemaker", keys).start_pipeline_execution(
        PipelineName=name,
        PipelineParameters=[{"Name": "Prefix", "Value": value}],
        ClientRequestToken=token or uuid.uuid4().hex,
    )
    return answer["PipelineExecutionArn"]


def test_a_pipeline_is_described_as_it_was_made(embedded):
    name, sagemaker = create(embedded), embedded.client("sagemaker")
    found = sagemaker.describe_pipeline(PipelineName=name)
    assert (found["PipelineStatus"], found["PipelineDefinition"]) == ("Active", definition())
    sagemaker.update_pipeline(PipelineName=name, PipelineDefinition=definition(FAIL))
    assert sagemaker.describe_pipeline(PipelineName=found["PipelineArn"])["PipelineDefinition"] == definition(FAIL)
    listed = sagemaker.list_pipelines(PipelineNamePrefix=name)["PipelineSummaries"]
    assert [one["PipelineName"] for one in listed] == [name]
    sagemaker.delete_pipeline(PipelineName=name, ClientRequestToken=uuid.uuid4().hex)
    with pytest.raises(ClientError, match="ResourceNotFound.*does not exist"):
        sagemaker.describe_pipeline(PipelineName=name)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "not valid JSON"),
        ("[]", "not a JSON object"),
        (definition(Version="1"), "Version is '1'"),
        (definition(FAIL, FAIL), "two steps are named Refuse"),
        (definition({"Name": "A", "Type": "Dance", "Arguments": {}}), "step A: the type 'Dance'"),
        (definition(processing(Colour="blue")), "step Prepare: Unknown parameter.*Colour"),
        (
            definition(processing() | {"CacheConfig": {"Enabled": True, "ExpireAfter": "P1D"}}),
            "step Prepare: CacheConfig is not available in the embedded AWS",
        ),
        (
            definition(processing() | {"RetryPolicies": [{"ExceptionType": ["Step.THROTTLING"]}]}),
            "step Prepare: RetryPolicies is not available in the embedded AWS",
        ),
        (definition(processing() | {"Colour": "blue"}), "step Prepare: unknown member Colour"),
        (definition(processing(RoleArn=5)), "step Prepare: Invalid type.*RoleArn"),
        (definition(Parameters=[]), "there is no parameter Prefix"),
        (
            definition(processing(RoleArn={"Get": "Steps.Train.ModelArtifacts"})),
            "Steps.Train.ModelArtifacts refers to a step that does not exist",
        ),
        (
            definition(processing(), processing("Then", RoleArn={"Get": "Steps.Prepare.PropertyFiles.Report"})),
            "refers to a property file that the step does not have",
        ),
    ],
    ids=lambda value: None if "{" in str(value) or value == "[]" else value[:24],
)
def test_a_wrong_definition_is_refused_by_name(embedded, text, sentence):
    with pytest.raises(ClientError, match=sentence):
        create(embedded, text)


def test_a_cache_that_is_off_is_taken(embedded):
    create(embedded, definition(processing() | {"CacheConfig": {"Enabled": False}, "RetryPolicies": []}))


def test_the_same_token_starts_nothing_twice(embedded):
    name = create(embedded)
    runs = {start(embedded, name, token="t" * 32), start(embedded, name, token="t" * 32)}
    runs.add(start(embedded, name))
    assert len(runs) == 2


def test_a_run_needs_the_parameters_of_the_definition(embedded):
    name, sagemaker = create(embedded), embedded.client("sagemaker")
    with pytest.raises(ClientError, match="parameters Prefix have no default"):
        sagemaker.start_pipeline_execution(PipelineName=name, ClientRequestToken="u" * 32)
    with pytest.raises(ClientError, match="parameters Colour are not in"):
        given = [{"Name": "Colour", "Value": "blue"}]
        sagemaker.start_pipeline_execution(PipelineName=name, PipelineParameters=given, ClientRequestToken="u" * 32)


def test_a_role_is_passed_only_by_who_may_and_to_whom_it_trusts(embedded):
    keys = embedded.acting(statement("sagemaker:CreatePipeline", "*"))
    with pytest.raises(ClientError, match="AccessDenied.*iam:PassRole"):
        create(embedded, keys=keys)
    with pytest.raises(ClientError, match="Could not assume role"):
        create(embedded, role=embedded.role(service="lambda"))


def test_who_may_start_one_pipeline_may_start_no_other(embedded):
    mine, other = create(embedded), create(embedded)
    keys = embedded.acting(
        statement("sagemaker:StartPipelineExecution", f"arn:aws:sagemaker:us-east-1:000000000000:pipeline/{mine}")
    )
    run = start(embedded, mine, keys)
    for refused in (
        lambda: start(embedded, other, keys),
        lambda: embedded.client("sagemaker", keys).describe_pipeline_execution(PipelineExecutionArn=run),
    ):
        with pytest.raises(ClientError, match="AccessDenied"):
            refused()


TEMPLATE = {
    "Resources": {
        "Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Principal": {"Service": "sagemaker.amazonaws.com"},
                            "Action": "sts:AssumeRole",
                        }
                    ],
                }
            },
        }
    },
    "Outputs": {"Name": {"Value": {"Ref": "Pipeline"}}},
}


def template(name, text, **more):
    properties = {
        "PipelineName": name,
        "PipelineDefinition": {"PipelineDefinitionBody": text},
        "RoleArn": {"Fn::GetAtt": ["Role", "Arn"]},
        **more,
    }
    resources = {**TEMPLATE["Resources"], "Pipeline": {"Type": "AWS::SageMaker::Pipeline", "Properties": properties}}
    return json.dumps({**TEMPLATE, "Resources": resources})


def deploy(embedded, call, stack, body):
    cloudformation = embedded.client("cloudformation")
    getattr(cloudformation, f"{call}_stack")(StackName=stack, TemplateBody=body, Capabilities=["CAPABILITY_IAM"])
    cloudformation.get_waiter(f"stack_{call}_complete").wait(StackName=stack, WaiterConfig={"Delay": 1})


def test_a_template_makes_changes_and_takes_away_a_pipeline(embedded):
    name, stack, sagemaker = fresh("pipeline"), fresh("stack"), embedded.client("sagemaker")
    deploy(embedded, "create", stack, template(name, definition()))
    (found,) = embedded.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    assert found["Outputs"][0]["OutputValue"] == name
    run = start(embedded, name)
    tag = {"Key": "colour", "Value": "blue"}
    deploy(embedded, "update", stack, template(name, definition(FAIL), Tags=[tag]))
    changed = sagemaker.describe_pipeline(PipelineName=name)
    assert changed["PipelineDefinition"] == definition(FAIL)
    assert tag in sagemaker.list_tags(ResourceArn=changed["PipelineArn"])["Tags"]
    assert sagemaker.describe_pipeline_execution(PipelineExecutionArn=run)
    embedded.client("cloudformation").delete_stack(StackName=stack)
    embedded.client("cloudformation").get_waiter("stack_delete_complete").wait(
        StackName=stack, WaiterConfig={"Delay": 1}
    )
    assert not sagemaker.list_pipelines(PipelineNamePrefix=name)["PipelineSummaries"]


def test_a_template_with_an_unknown_property_is_refused_by_name(embedded):
    stack = fresh("stack")
    with pytest.raises(Exception, match="Waiter StackCreateComplete failed"):
        deploy(embedded, "create", stack, template(fresh("pipeline"), definition(), Colour="blue"))
    events = embedded.client("cloudformation").describe_stack_events(StackName=stack)["StackEvents"]
    assert any("no property Colour" in event.get("ResourceStatusReason", "") for event in events)
