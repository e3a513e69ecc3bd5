"""Which jobs are a stage's: by their role, or by a name as we give it; and none of another's."""

from types import SimpleNamespace

import boto3
import pytest
from botocore.stub import Stubber

from ops.errors import OperatorError
from ops.work.jobs import find, own_in_progress
from tests.ops.work.pipeline import ROLES

KEYS = {"region_name": "us-east-1", "aws_access_key_id": "a", "aws_secret_access_key": "b"}
OURS = ROLES["Train"].rsplit("/", 1)[-1]


@pytest.fixture
def sagemaker():
    client = boto3.client("sagemaker", **KEYS)
    with Stubber(client) as stub:
        yield stub


def stage(sagemaker):
    resources = SimpleNamespace(paginate=lambda **_: SimpleNamespace(search=lambda _: [OURS]))
    clients = {"sagemaker": sagemaker.client, "cloudformation": SimpleNamespace(get_paginator=lambda _: resources)}
    names = SimpleNamespace(own_jobs="whippet-dev-", stack=lambda room: f"whippet-dev-{room}")
    return SimpleNamespace(name="dev", names=names, client=clients.__getitem__, find=lambda _: {})


def described(name, role):
    required = {
        "TrainingJobArn": "arn:aws:sagemaker:us-east-1:111122223333:training-job/x",
        "ModelArtifacts": {"S3ModelArtifacts": ""},
        "SecondaryStatus": "Training",
        "AlgorithmSpecification": {"TrainingInputMode": "File"},
        "ResourceConfig": {"VolumeSizeInGB": 1},
        "StoppingCondition": {},
        "CreationTime": 0,
    }
    arn = f"arn:aws:iam::111122223333:role/{role}"
    return {"TrainingJobName": name, "TrainingJobStatus": "InProgress", "RoleArn": arn, **required}


def is_missing(sagemaker, *calls):
    for call in calls:
        sagemaker.add_client_error(call, "ValidationException", "Requested resource not found.", http_status_code=400)


@pytest.mark.parametrize(
    ("name", "role"), [("pipelines-x-Train", OURS), ("whippet-dev-train-1121-184226g4", "of-an-earlier-deploy")]
)
def test_a_job_of_the_stage_is_found(sagemaker, name, role):
    sagemaker.add_response("describe_training_job", described(name, role))
    assert find(stage(sagemaker), name).name == name


@pytest.mark.parametrize("name", ["whippet-prod-train-1121-184226g4", "whippet-dev-eu-train-1121-184226g4"])
def test_a_job_of_another_stage_is_not_ours_to_follow_or_to_stop(sagemaker, name):
    sagemaker.add_response("describe_training_job", described(name, "whippet-other-training-Train"))
    with pytest.raises(OperatorError, match=f"{name} is none of stage dev: it runs with another's role"):
        find(stage(sagemaker), name)


def test_a_name_that_nothing_bears_is_no_job(sagemaker):
    kinds = ("training_job", "hyper_parameter_tuning_job", "processing_job", "transform_job")
    is_missing(sagemaker, *(f"describe_{kind}" for kind in kinds))
    assert find(stage(sagemaker), "nobody") is None


def test_jobs_under_way_are_of_every_kind_and_of_this_stage_alone(sagemaker):
    names = ("whippet-dev-train-1121-184226g4", "whippet-dev-eu-train-1121-184226g4", "of-whippet-dev-x")
    arn = "arn:aws:sagemaker:us-east-1:111122223333:"
    dates = {"CreationTime": 0, "LastModifiedTime": 0}
    trainings = [
        {"TrainingJobName": name, "TrainingJobArn": f"{arn}training-job/x", "TrainingJobStatus": "InProgress", **dates}
        for name in names
    ]
    asked = {"NameContains": "whippet-dev-", "StatusEquals": "InProgress"}
    sagemaker.add_response("list_training_jobs", {"TrainingJobSummaries": trainings}, asked)
    tuning = {
        "HyperParameterTuningJobName": "whippet-dev-tune-1121-1843045p",
        "HyperParameterTuningJobArn": f"{arn}hyper-parameter-tuning-job/x",
        "HyperParameterTuningJobStatus": "InProgress",
    }
    counters = {
        "TrainingJobStatusCounters": {},
        "ObjectiveStatusCounters": {},
        "CreationTime": 0,
    }
    listed = {"HyperParameterTuningJobSummaries": [{**tuning, **counters, "Strategy": "Bayesian"}]}
    sagemaker.add_response("list_hyper_parameter_tuning_jobs", listed, asked)
    sagemaker.add_response("list_processing_jobs", {"ProcessingJobSummaries": []}, asked)
    sagemaker.add_response("list_transform_jobs", {"TransformJobSummaries": []}, asked)
    for name in names[:2]:
        sagemaker.add_response("describe_training_job", described(name, "of-an-earlier-deploy"))
    limits = {"ResourceLimits": {"MaxParallelTrainingJobs": 1}, "Strategy": "Bayesian"}
    sagemaker.add_response(
        "describe_hyper_parameter_tuning_job", {**tuning, **counters, "HyperParameterTuningJobConfig": limits}
    )
    assert own_in_progress(stage(sagemaker)) == [names[0], "whippet-dev-tune-1121-1843045p"]
