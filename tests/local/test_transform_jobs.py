"""Transform jobs: objects to a model's container and its answers back, as the model's role."""

import json

import pytest
from botocore.exceptions import ClientError

from tests.embedded import ALLOW_ALL, fresh, statement
from tests.local.jobs import ended

pytestmark = pytest.mark.xdist_group("embedded")
LINES = b'{"a": 1}\n{"b": 22}\n\n{"c": 333}'


def transform(embedded, bucket, *, role=None, model=None, split="None", assemble="None", keys=None, **more):
    name = fresh("transform")
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/in/"}}
    request = {
        "ModelName": model or embedded.model(role=role, name="cat"),
        "TransformInput": {"DataSource": source, "ContentType": "application/jsonlines", "SplitType": split},
        "TransformOutput": {"S3OutputPath": f"s3://{bucket}/out", "Accept": "text/x", "AssembleWith": assemble},
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
        **more,
    }
    embedded.client("sagemaker", keys).create_transform_job(TransformJobName=name, **request)
    return name


def output(embedded, bucket, key):
    return embedded.client("s3").get_object(Bucket=bucket, Key=f"out/{key}")["Body"].read()


def test_each_object_is_asked_about_whole(embedded):
    bucket = embedded.bucket()
    for key in ("a.json", "below/b.json"):
        embedded.put(bucket, f"in/{key}", LINES)
    found = ended(embedded, transform(embedded, bucket, MaxConcurrentTransforms=2), "transform")
    assert found["TransformJobStatus"] == "Completed", found
    for key in ("a.json.out", "below/b.json.out"):
        said = json.loads(output(embedded, bucket, key))
        assert (said["model"], said["bytes"]) == ("cat", len(LINES))
        assert (said["headers"]["content-type"], said["headers"]["accept"]) == ("application/jsonlines", "text/x")


@pytest.mark.parametrize(("strategy", "sizes"), [("SingleRecord", [9, 10, 11]), ("MultiRecord", [30])])
def test_lines_are_asked_about_by_the_strategy_and_answers_assembled(embedded, strategy, sizes):
    bucket = embedded.bucket()
    embedded.put(bucket, "in/a.jsonl", LINES)
    job = transform(embedded, bucket, split="Line", assemble="Line", BatchStrategy=strategy)
    assert ended(embedded, job, "transform")["TransformJobStatus"] == "Completed"
    lines = output(embedded, bucket, "a.jsonl.out").splitlines()
    assert [json.loads(line)["bytes"] for line in lines] == sizes


def environment_of(embedded, bucket, **more):
    """What the container of a job finds."""
    embedded.put(bucket, "in/a", b'{"environment": true}')
    job = transform(embedded, bucket, **more)
    assert ended(embedded, job, "transform")["TransformJobStatus"] == "Completed"
    found = json.loads(output(embedded, bucket, "a.out"))["environment"]
    return {name: value for name, value in found.items() if name.startswith(("SAGEMAKER_BATCH", "SAGEMAKER_MAX"))}


def test_the_container_is_told_of_the_job_that_it_works_for(embedded):
    shape = {"MaxPayloadInMB": 3, "MaxConcurrentTransforms": 2, "BatchStrategy": "MultiRecord"}
    assert environment_of(embedded, embedded.bucket(), **shape) == {
        "SAGEMAKER_BATCH": "true",
        "SAGEMAKER_MAX_PAYLOAD_IN_MB": "3",
        "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": "2",
        "SAGEMAKER_BATCH_STRATEGY": "MULTI_RECORD",
    }
    assert environment_of(embedded, embedded.bucket()) == {"SAGEMAKER_BATCH": "true"}


@pytest.mark.parametrize(("asked", "sizes"), [({}, [9, 10, 11]), ({"BatchStrategy": "MultiRecord"}, [30])])
def test_what_the_request_leaves_open_the_container_decides(embedded, asked, sizes):
    bucket = embedded.bucket()
    embedded.put(bucket, "in/a.jsonl", LINES)
    model = embedded.model(name="cat", parameters={"BatchStrategy": "SINGLE_RECORD", "MaxConcurrentTransforms": 4})
    job = transform(embedded, bucket, model=model, split="Line", assemble="Line", **asked)
    assert ended(embedded, job, "transform")["TransformJobStatus"] == "Completed"
    lines = output(embedded, bucket, "a.jsonl.out").splitlines()
    assert [json.loads(line)["bytes"] for line in lines] == sizes


def test_a_refused_record_fails_the_job_in_the_containers_words(embedded):
    bucket = embedded.bucket()
    embedded.put(bucket, "in/a", b'{"status": 422}')
    found = ended(embedded, transform(embedded, bucket), "transform")
    assert found["TransformJobStatus"] == "Failed"
    assert found["FailureReason"] == "ClientError: The container answered 422 to in/a: no such breed"


def test_an_object_that_fails_takes_no_other_with_it(embedded):
    bucket = embedded.bucket()
    for key, body in {"a": b'{"status": 422}', "b": b"{}", "c": b"{}"}.items():
        embedded.put(bucket, f"in/{key}", body)
    found = ended(embedded, transform(embedded, bucket), "transform")
    assert found["TransformJobStatus"] == "Failed"
    there = embedded.client("s3").list_objects_v2(Bucket=bucket, Prefix="out/")["Contents"]
    assert [one["Key"] for one in there] == ["out/b.out", "out/c.out"]


def test_a_role_that_may_not_write_fails_its_job(embedded):
    bucket = embedded.bucket()
    embedded.put(bucket, "in/a", b"{}")
    role = embedded.role(statement(["ecr:*", "logs:*", "s3:GetObject", "s3:ListBucket"], "*"))
    assert (
        "could not write s3://" in ended(embedded, transform(embedded, bucket, role=role), "transform")["FailureReason"]
    )


def test_a_job_is_stopped_between_two_requests(embedded):
    bucket = embedded.bucket()
    for number in range(30):
        embedded.put(bucket, f"in/{number}", b'{"sleep": 0.2}')
    job = transform(embedded, bucket)
    while "TransformStartTime" not in ended(embedded, job, "transform", until=("InProgress",)):
        pass
    embedded.client("sagemaker").stop_transform_job(TransformJobName=job)
    assert ended(embedded, job, "transform")["TransformJobStatus"] == "Stopped"


def test_a_job_is_started_by_who_may_and_refused_by_name(embedded):
    bucket, model = embedded.bucket(), embedded.model(role=embedded.role(ALLOW_ALL))
    with pytest.raises(ClientError, match="AccessDenied.*CreateTransformJob"):
        transform(embedded, bucket, model=model, keys=embedded.acting(statement("sagemaker:CreateTrainingJob", "*")))
    with pytest.raises(ClientError, match="DataProcessing is not available"):
        transform(embedded, bucket, model=model, DataProcessing={"JoinSource": "Input"})
    with pytest.raises(ClientError, match="SingleRecord needs SplitType Line"):
        transform(embedded, bucket, model=model, BatchStrategy="SingleRecord")


def test_a_container_that_wishes_what_cannot_be_fails_its_job_in_a_sentence(embedded):
    bucket = embedded.bucket()
    embedded.put(bucket, "in/a", b"{}")
    model = embedded.model(name="cat", parameters={"MaxConcurrentTransforms": "many"})
    found = ended(embedded, transform(embedded, bucket, model=model), "transform")
    assert found["TransformJobStatus"] == "Failed"
    assert 'says MaxConcurrentTransforms = "many", which must be' in found["FailureReason"]


def test_no_concurrency_leaves_it_open(embedded):
    bucket = embedded.bucket()
    embedded.put(bucket, "in/a", b"{}")
    job = transform(embedded, bucket, MaxConcurrentTransforms=0)
    assert ended(embedded, job, "transform")["TransformJobStatus"] == "Completed"
