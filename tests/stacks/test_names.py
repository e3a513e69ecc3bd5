"""Names: only those that CloudFormation demands, the endpoint's and the variant's, all from one list."""

import pytest

from tests import synth

pytestmark = pytest.mark.xdist_group("synth")

# Property -> the names that may stand there. Whatever else is named by us would collide or block a replacement.
CHOSEN = {
    ("AWS::SageMaker::Endpoint", "EndpointName"): {"whippet-{stage}-realtime"},
    ("AWS::SageMaker::ModelPackageGroup", "ModelPackageGroupName"): {"whippet-{stage}-models"},
    ("AWS::SageMaker::Pipeline", "PipelineName"): {"whippet-{stage}-training"},
    ("AWS::Lambda::Alias", "Name"): {"live"},
    ("AWS::ApiGatewayV2::Stage", "StageName"): {"$default"},
    ("AWS::ApiGatewayV2::Api", "Name"): {"Api"},
    ("AWS::ApiGatewayV2::Authorizer", "Name"): {"Jwt"},
    ("AWS::ApplicationAutoScaling::ScalingPolicy", "PolicyName"): {"track-load", "wake"},
    ("AWS::CloudTrail::Trail", "TrailName"): {"whippet-{stage}-trail"},
}
# Where CloudFormation takes a physical name for the types that our templates hold.
NAMING_PROPERTIES = {
    "AWS::ApiGatewayV2::Api": ["Name"],
    "AWS::ApiGatewayV2::Authorizer": ["Name"],
    "AWS::ApiGatewayV2::Stage": ["StageName"],
    "AWS::ApplicationAutoScaling::ScalingPolicy": ["PolicyName"],
    "AWS::Budgets::Budget": [],
    "AWS::CloudTrail::Trail": ["TrailName"],
    "AWS::CloudWatch::Alarm": ["AlarmName"],
    "AWS::CloudWatch::Dashboard": ["DashboardName"],
    "AWS::CodeBuild::Project": ["Name"],
    "AWS::EC2::FlowLog": ["LogGroupName"],
    "AWS::EC2::Instance": [],
    "AWS::EC2::InternetGateway": [],
    "AWS::EC2::LaunchTemplate": ["LaunchTemplateName"],
    "AWS::EC2::Route": [],
    "AWS::EC2::RouteTable": [],
    "AWS::EC2::Subnet": [],
    "AWS::EC2::SubnetRouteTableAssociation": [],
    "AWS::EC2::VPC": [],
    "AWS::EC2::VPCEndpoint": [],
    "AWS::EC2::VPCGatewayAttachment": [],
    "AWS::CodeDeploy::Application": ["ApplicationName"],
    "AWS::CodeDeploy::DeploymentConfig": ["DeploymentConfigName"],
    "AWS::CodeDeploy::DeploymentGroup": ["DeploymentGroupName"],
    "AWS::EC2::SecurityGroup": ["GroupName"],
    "AWS::ECR::Repository": ["RepositoryName"],
    "AWS::Events::Rule": ["Name"],
    "AWS::IAM::OIDCProvider": [],
    "AWS::IAM::InstanceProfile": ["InstanceProfileName"],
    "AWS::IAM::Role": ["RoleName"],
    "AWS::KMS::Key": [],
    "AWS::Lambda::Alias": ["Name"],
    "AWS::Lambda::EventSourceMapping": [],
    "AWS::Lambda::Function": ["FunctionName"],
    "AWS::Lambda::Permission": [],
    "AWS::Lambda::Version": [],
    "AWS::Logs::LogGroup": ["LogGroupName"],
    "AWS::S3::Bucket": ["BucketName"],
    "AWS::S3::BucketPolicy": [],
    "AWS::SNS::Subscription": [],
    "AWS::SNS::Topic": ["TopicName"],
    "AWS::SNS::TopicPolicy": [],
    "AWS::SageMaker::Endpoint": ["EndpointName"],
    "AWS::SageMaker::EndpointConfig": ["EndpointConfigName"],
    "AWS::SageMaker::Model": ["ModelName"],
    "AWS::SageMaker::ModelPackageGroup": ["ModelPackageGroupName"],
    "AWS::SageMaker::NotebookInstance": ["NotebookInstanceName"],
    "AWS::SageMaker::NotebookInstanceLifecycleConfig": ["NotebookInstanceLifecycleConfigName"],
    "AWS::SSM::Parameter": ["Name"],
    "AWS::SQS::Queue": ["QueueName"],
    "AWS::SQS::QueuePolicy": [],
    "AWS::SageMaker::Pipeline": ["PipelineName", "PipelineDisplayName"],
    "AWS::ApiGatewayV2::Integration": [],
    "AWS::ApiGatewayV2::Route": [],
    "AWS::ApplicationAutoScaling::ScalableTarget": [],
    "Custom::ServingImage": [],
}


def all_resources(stage):
    return [body for template in synth.templates(stage).values() for body in synth.resources(template).values()]


@pytest.mark.parametrize("stage", synth.STAGES)
def test_every_type_is_known_to_the_sweep(stage):
    assert {body["Type"] for body in all_resources(stage)} <= NAMING_PROPERTIES.keys()


@pytest.mark.parametrize("stage", synth.STAGES)
def test_names_come_from_the_list(stage):
    for body in all_resources(stage):
        for key in NAMING_PROPERTIES[body["Type"]]:
            name = body.get("Properties", {}).get(key)
            if name is not None:
                allowed = {chosen.format(stage=stage) for chosen in CHOSEN.get((body["Type"], key), set())}
                assert name in allowed, (body["Type"], key)


@pytest.mark.parametrize("stage", synth.STAGES)
def test_stacks_are_named_after_project_stage_and_room(stage):
    names = {path.name.split(".")[0] for path in synth.assembly(stage).glob("*.template.json")}
    rooms = {"data", "network", "training", "serving", "api", "operations"}
    rooms |= {"image"} if stage != "local" else set()
    rooms |= {"workbench"} if stage != "prod" else set()
    assert names == {f"whippet-{stage}-{room}" for room in rooms}


@pytest.mark.parametrize("stage", synth.STAGES)
def test_every_resource_that_takes_tags_carries_project_and_stage(stage):
    for body in all_resources(stage):
        tags = body.get("Properties", {}).get("Tags")
        if isinstance(tags, list):
            assert {"Key": "project", "Value": "whippet"} in tags
            assert {"Key": "stage", "Value": stage} in tags
