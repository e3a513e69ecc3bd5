"""Who may start a training job: what the request says of itself is what a policy's conditions see."""

import pytest
from botocore.exceptions import ClientError

from tests.embedded import fresh, statement
from tests.local.jobs import ended

pytestmark = pytest.mark.xdist_group(__name__)

KEY = "arn:aws:kms:us-east-1:000000000000:key/one"
SHAPE = {
    "ForAllValues:StringEquals": {
        "sagemaker:InstanceTypes": ["ml.m5.xlarge"],
        "sagemaker:VpcSubnets": ["subnet-1", "subnet-2"],
    },
    "Null": {"sagemaker:InstanceTypes": "false", "sagemaker:VpcSubnets": "false"},
    "Bool": {"sagemaker:NetworkIsolation": "true", "sagemaker:InterContainerTrafficEncryption": "true"},
    "StringEquals": {"sagemaker:VolumeKmsKey": KEY, "sagemaker:OutputKmsKey": KEY},
    "NumericLessThanEquals": {"sagemaker:MaxRuntimeInSeconds": "3600"},
}
CLUSTER = {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1, "VolumeKmsKeyId": KEY}
PRIVATE = {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}


def start(embedded, role, keys=None, **changed):
    request = {
        "TrainingJobName": fresh("job"),
        "RoleArn": role,
        "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"},
        "OutputDataConfig": {"S3OutputPath": "s3://bucket/runs", "KmsKeyId": KEY},
        "ResourceConfig": CLUSTER,
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        "VpcConfig": PRIVATE,
        "EnableNetworkIsolation": True,
        "EnableInterContainerTrafficEncryption": True,
        **changed,
    }
    request = {key: value for key, value in request.items() if value is not None}
    embedded.client("sagemaker", keys).create_training_job(**request)
    return request["TrainingJobName"]


@pytest.fixture(scope="module")
def role(embedded):
    return embedded.role()


@pytest.fixture(scope="module")
def shaped(embedded, role):
    """Keys of somebody who may start jobs of one shape alone."""
    return embedded.acting(
        statement("sagemaker:CreateTrainingJob", "*", Condition=SHAPE), statement("iam:PassRole", role)
    )


def test_a_job_of_that_shape_is_let_through(embedded, role, shaped):
    job = start(embedded, role, shaped)
    # It is a name of an image only.
    assert "The image 'image' does not exist" in ended(embedded, job)["FailureReason"]


@pytest.mark.parametrize(
    "changed",
    [
        {"ResourceConfig": {**CLUSTER, "InstanceType": "ml.p3.2xlarge"}},
        {"ResourceConfig": {key: value for key, value in CLUSTER.items() if key != "VolumeKmsKeyId"}},
        {"OutputDataConfig": {"S3OutputPath": "s3://bucket/runs"}},
        {"StoppingCondition": {"MaxRuntimeInSeconds": 7200}},
        {"VpcConfig": {**PRIVATE, "Subnets": ["subnet-1", "subnet-3"]}},
        {"VpcConfig": None},
        {"EnableNetworkIsolation": False},
        {"EnableInterContainerTrafficEncryption": False},
    ],
    ids=["type", "volume key", "output key", "time", "subnet", "no VPC", "isolation", "encryption"],
)
def test_a_job_of_another_shape_is_refused(embedded, role, shaped, changed):
    with pytest.raises(ClientError, match="AccessDenied.*CreateTrainingJob"):
        start(embedded, role, shaped, **changed)


def test_who_may_start_a_job_may_not_tag_it_or_pass_another_role(embedded, role, shaped):
    with pytest.raises(ClientError, match="AccessDenied.*AddTags"):
        start(embedded, role, shaped, Tags=[{"Key": "colour", "Value": "blue"}])
    with pytest.raises(ClientError, match="AccessDenied.*PassRole"):
        start(embedded, embedded.role(), shaped)


def test_a_role_that_does_not_trust_sagemaker_starts_no_job(embedded):
    with pytest.raises(ClientError, match="Could not assume role"):
        start(embedded, embedded.role(service="lambda"))
