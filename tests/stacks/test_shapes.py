"""SageMaker and Application Auto Scaling properties against botocore's models, and all templates against cfn-lint.

That proves shape, not acceptance: what only AWS can say is listed in docs/unproven.md.
"""

import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import botocore.session
import pytest
from botocore.validate import ParamValidator

from tests import synth

pytestmark = pytest.mark.xdist_group("synth")

# CloudFormation's type -> the call that it stands for, with what the call needs and CloudFormation fills in itself.
CALLS = {
    "AWS::SageMaker::Model": ("sagemaker", "CreateModel", {"ModelName": "m"}),
    "AWS::SageMaker::EndpointConfig": ("sagemaker", "CreateEndpointConfig", {"EndpointConfigName": "c"}),
    "AWS::SageMaker::Endpoint": ("sagemaker", "UpdateEndpoint", {}),
    "AWS::SageMaker::ModelPackageGroup": ("sagemaker", "CreateModelPackageGroup", {}),
    "AWS::SageMaker::Pipeline": ("sagemaker", "CreatePipeline", {"ClientRequestToken": "t" * 32}),
    "AWS::CloudWatch::Alarm": ("cloudwatch", "PutMetricAlarm", {"AlarmName": "a"}),
    "AWS::CodeDeploy::Application": ("codedeploy", "CreateApplication", {"ApplicationName": "a"}),
    "AWS::CodeDeploy::DeploymentConfig": ("codedeploy", "CreateDeploymentConfig", {"DeploymentConfigName": "c"}),
    "AWS::CodeDeploy::DeploymentGroup": ("codedeploy", "CreateDeploymentGroup", {"DeploymentGroupName": "g"}),
    "AWS::SNS::Topic": ("sns", "CreateTopic", {"Name": "t"}),
    "AWS::SageMaker::NotebookInstance": ("sagemaker", "CreateNotebookInstance", {"NotebookInstanceName": "n"}),
    "AWS::SageMaker::NotebookInstanceLifecycleConfig": (
        "sagemaker",
        "CreateNotebookInstanceLifecycleConfig",
        {"NotebookInstanceLifecycleConfigName": "l"},
    ),
    "AWS::EC2::FlowLog": ("ec2", "CreateFlowLogs", {"ResourceIds": ["vpc-1"]}),
    "AWS::ApplicationAutoScaling::ScalableTarget": ("application-autoscaling", "RegisterScalableTarget", {}),
    "AWS::ApplicationAutoScaling::ScalingPolicy": (
        "application-autoscaling",
        "PutScalingPolicy",
        {
            "ResourceId": "r",
            "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
            "ServiceNamespace": "sagemaker",
        },
    ),
}
# CloudFormation's own: it resolves the one to what the call needs, and tags by another call.
NOT_IN_THE_CALL = {
    "AWS::ApplicationAutoScaling::ScalingPolicy": ["ScalingTargetId"],
    "AWS::ApplicationAutoScaling::ScalableTarget": ["ScheduledActions"],
    "AWS::SageMaker::Endpoint": ["Tags"],
    "AWS::SNS::Topic": ["KmsMasterKeyId"],
    "AWS::EC2::FlowLog": ["ResourceId", "Tags"],
}


def filled_in(value, shape):
    """Intrinsics stand for strings that are known at deploy time only; tags of a map-typed call are a list here."""
    if isinstance(value, dict) and any(key == "Ref" or key.startswith("Fn::") for key in value):
        return "arn:aws:iam::000000000000:role/known-at-deploy"
    if shape.type_name == "structure" and isinstance(value, dict):
        named = {as_in(shape, key): inner for key, inner in value.items()}
        return {
            key: filled_in(inner, shape.members[key]) if key in shape.members else inner for key, inner in named.items()
        }
    if shape.type_name == "list" and isinstance(value, list):
        return [filled_in(inner, shape.member) for inner in value]
    if shape.type_name == "string" and isinstance(value, dict) and set(value) == {"PipelineDefinitionBody"}:
        return filled_in(value["PipelineDefinitionBody"], shape)
    if shape.type_name == "map" and isinstance(value, list):
        return {tag["Key"]: tag["Value"] for tag in value}
    return value


def as_in(shape, key):
    """CodeDeploy's API begins its names with small letters, CloudFormation none."""
    small = key[:1].lower() + key[1:]
    return small if small in shape.members else key


@cache
def service_model(service):
    return botocore.session.get_session().get_service_model(service)


def input_shape(kind):
    service, call, _ = CALLS[kind]
    return service_model(service).operation_model(call).input_shape


def faults(kind, properties):
    extra, shape = CALLS[kind][-1], input_shape(kind)
    kept = {key: value for key, value in properties.items() if key not in NOT_IN_THE_CALL.get(kind, [])}
    return ParamValidator().validate(filled_in({**extra, **kept}, shape), shape).generate_report()


@pytest.mark.parametrize("stage", synth.STAGES)
def test_properties_have_the_shape_of_the_call(stage):
    checked = 0
    for template in synth.templates(stage).values():
        for body in synth.resources(template).values():
            if body["Type"] in CALLS:
                assert faults(body["Type"], body["Properties"]) == "", body["Type"]
                unknown = set(body["Properties"]) - known(body["Type"])
                assert not unknown, body["Type"]
                checked += 1
    assert checked >= 6


def known(kind):
    return {*(name[:1].upper() + name[1:] for name in input_shape(kind).members), *NOT_IN_THE_CALL.get(kind, [])}


def test_the_check_sees_a_wrong_type():
    assert "InitialInstanceCount" in faults(
        "AWS::SageMaker::EndpointConfig",
        {"ProductionVariants": [{"VariantName": "v", "InitialInstanceCount": "one"}]},
    )


@pytest.mark.parametrize("stage", synth.STAGES)
def test_cfn_lint_finds_nothing(stage):
    paths = [str(path) for path in sorted(synth.assembly(stage).glob("*.template.json"))]
    # CDK itself writes dependencies that a reference already implies (W3005); zones are the stage file's word (W3010).
    options = ["--format", "json", "--regions", "us-east-1", "--ignore-checks", "W3005", "W3010"]
    command = [str(Path(sys.executable).with_name("cfn-lint")), *options, "--", *paths]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.strip(), done.stderr
    assert [(f["Rule"]["Id"], f["Message"], f["Location"]["Path"]) for f in json.loads(done.stdout)] == []
