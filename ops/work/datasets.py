"""Which data set is meant, and where it lies prepared: by a run of the pipeline, or by a job of ours."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from ops.errors import OperatorError
from ops.stage import Stage
from ops.training_run import Run, Runs, Step

# Boto3's clients are made at run time.
Client = Any
PREFIX, MANIFEST = "dataset", "manifest.json"
# How far back it is worth looking for a run on the same data.
RUNS_LOOKED_AT = 30
NOT_THERE = ("404", "NoSuchKey", "NotFound")


@dataclass(frozen=True)
class DataSet:
    """One whose manifest is in the bucket: it is there, whole."""

    bucket: str
    name: str
    pushed: datetime

    @property
    def prefix(self) -> str:
        return f"{PREFIX}/{self.name}"


@dataclass(frozen=True)
class Prepared:
    """Where a data set's train/, valid/ and test/ lie, each picture checked."""

    uri: str
    origin: str
    """Who prepared it: a run's id, or a job's name."""
    tuning: str | None = None
    """The tuning job of the same run, where it found a best trial."""


def chosen(stage: Stage, name: str | None) -> DataSet:
    """The one that is named, or the only one."""
    bucket, s3 = stage.output("data", "BucketName"), stage.client("s3")
    if name is None:
        names = _names(s3, bucket)
        if len(names) != 1:
            there = f"there are {', '.join(names)}: name one with --data" if names else "there is none yet: push one"
            raise OperatorError(f"No data set was named, and of stage {stage.name} {there} (`ops data push DIR`).")
        (name,) = names
    try:
        found = s3.head_object(Bucket=bucket, Key=f"{PREFIX}/{name}/{MANIFEST}")
    except ClientError as error:
        if error.response["Error"]["Code"] not in NOT_THERE:
            raise
        names = _names(s3, bucket)
        others = f"there are {', '.join(names)}" if names else "none is there yet"
        raise OperatorError(
            f"Data set {name} is not in s3://{bucket}/{PREFIX}/ ({others}), or its push has not ended: `ops data push "
            "DIR`."
        ) from None
    return DataSet(bucket, name, found["LastModified"])


def _names(s3: Client, bucket: str) -> list[str]:
    """Of those whose manifest, the last object of a push, is there."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{PREFIX}/", Delimiter="/")
    folders = [one.removeprefix(f"{PREFIX}/").rstrip("/") for one in pages.search("CommonPrefixes[].Prefix") if one]
    return sorted(name for name in folders if _is_there(s3, bucket, f"{PREFIX}/{name}/{MANIFEST}"))


def is_split(stage: Stage, data: DataSet) -> bool:
    """Whether it says itself which pictures train and which test."""
    s3 = stage.client("s3")
    return all(_is_there(s3, data.bucket, f"{data.prefix}/{split}/") for split in ("train", "valid", "test"))


def _is_there(s3: Client, bucket: str, prefix: str) -> bool:
    return bool(s3.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1).get("KeyCount"))


def prepared(stage: Stage, data: DataSet) -> Prepared | None:
    """By the youngest run or job that began after the data set was pushed and whose outcome is still there."""
    s3 = stage.client("s3")
    for found in (*_by_runs(stage, data), *_by_jobs(stage, data)):
        bucket, _, key = found.uri.removeprefix("s3://").partition("/")
        if _is_there(s3, bucket, f"{key}/train/"):
            return found
    return None


def _by_runs(stage: Stage, data: DataSet) -> Iterator[Prepared]:
    sagemaker = stage.client("sagemaker")
    for run, every in _runs(stage, data):
        steps = {step.name: step for step in every if step.status == "Succeeded"}
        if "Prepare" in steps and steps["Prepare"].job is not None:
            job = sagemaker.describe_processing_job(ProcessingJobName=steps["Prepare"].job)
            yield Prepared(_output(job), run.id, steps["Tune"].job if "Tune" in steps else None)


def of_a_run(stage: Stage, data: DataSet) -> str | None:
    """The job of a run that prepares this data set now."""
    steps = (step for _, every in _runs(stage, data) for step in every)
    return next((step.job for step in steps if step.name == "Prepare" and step.status == "Executing"), None)


def _runs(stage: Stage, data: DataSet) -> Iterator[tuple[Run, list[Step]]]:
    """Those of this data set that began after it was pushed, the youngest first."""
    runs = Runs(stage.client("sagemaker"), stage.output("training", "PipelineName"))
    for run in runs.all()[:RUNS_LOOKED_AT]:
        if run.started >= data.pushed and runs.dataset(run.arn) == data.prefix:
            yield run, runs.every_step(run.arn)


def _by_jobs(stage: Stage, data: DataSet) -> Iterator[Prepared]:
    sagemaker = stage.client("sagemaker")
    wanted = f"{stage.names.own_jobs}prepare-"
    pages = sagemaker.get_paginator("list_processing_jobs").paginate(
        NameContains=wanted, StatusEquals="Completed", CreationTimeAfter=data.pushed, SortBy="CreationTime"
    )
    for name in pages.search("ProcessingJobSummaries[].ProcessingJobName"):
        job = sagemaker.describe_processing_job(ProcessingJobName=name)
        if reads(job, data):
            yield Prepared(_output(job), name)


def reads(job: dict[str, Any], data: DataSet) -> bool:
    """Whether a preparing job is of this data set."""
    uris = {one["InputName"]: one["S3Input"]["S3Uri"] for one in job["ProcessingInputs"]}
    return uris.get("dataset") == f"s3://{data.bucket}/{data.prefix}/"


def _output(job: dict[str, Any]) -> str:
    uris = {one["OutputName"]: one["S3Output"]["S3Uri"] for one in job["ProcessingOutputConfig"]["Outputs"]}
    return str(uris["data"])
