"""Where a data set lies prepared, and what a frozen network makes of it: by a run of the pipeline, or a job of ours."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from ops.stage import Stage
from ops.training_run import Run, Runs, Step
from ops.work.datasets import DataSet, is_there

Json = dict[str, Any]
# How far back it is worth looking for a run on the same data.
RUNS_LOOKED_AT = 30


@dataclass(frozen=True)
class Prepared:
    """Where a data set's train/, valid/ and test/ lie, each picture checked."""

    uri: str
    origin: str
    """Who prepared it: a run's id, or a job's name."""
    tuning: str | None = None
    """The tuning job of the same run, where it found a best trial."""
    features: str | None = None
    """Where the features of a frozen network lie, where the pipeline computes any."""


def prepared(stage: Stage, data: DataSet) -> Prepared | None:
    """By the youngest run or job that began after the data set was pushed and whose outcome is still there."""
    for found in (*_by_runs(stage, data), *_by_jobs(stage, data)):
        if _is_kept(stage, f"{found.uri}/train/"):
            return found
    return None


def _is_kept(stage: Stage, uri: str) -> bool:
    """What a run leaves is forgotten after data.run_days."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return is_there(stage.client("s3"), bucket, key)


def _by_runs(stage: Stage, data: DataSet) -> Iterator[Prepared]:
    sagemaker = stage.client("sagemaker")
    for run, every in _runs(stage, data):
        steps = {step.name: step for step in every if step.status == "Succeeded"}
        if "Prepare" in steps and steps["Prepare"].job is not None:
            job = sagemaker.describe_processing_job(ProcessingJobName=steps["Prepare"].job)
            yield Prepared(output(job, "data"), run.id, steps["Tune"].job if "Tune" in steps else None)


def under_way(stage: Stage, data: DataSet) -> str | None:
    """The job that prepares this data set now: of the run that the push has started, or left by an earlier command."""
    steps = (step for _, every in _runs(stage, data) for step in every)
    of_run = next((step.job for step in steps if step.name == "Prepare" and step.status == "Executing"), None)
    return of_run or next((name for name, _ in _preparing(stage, data, "InProgress")), None)


def _runs(stage: Stage, data: DataSet) -> Iterator[tuple[Run, list[Step]]]:
    """Those of this data set that began after it was pushed, the youngest first."""
    runs = Runs.of_stage(stage)
    for run in islice(runs.listed(), RUNS_LOOKED_AT):
        if run.started >= data.pushed and runs.dataset(run.arn) == data.prefix:
            yield run, runs.every_step(run.arn)


def _by_jobs(stage: Stage, data: DataSet) -> Iterator[Prepared]:
    for name, job in _preparing(stage, data, "Completed"):
        yield Prepared(output(job, "data"), name)


def _preparing(stage: Stage, data: DataSet, status: str) -> Iterator[tuple[str, Json]]:
    """Jobs of ours that read this data set, as it was pushed last."""
    for name, job in _jobs(stage, data, f"{stage.names.own_jobs}prepare-", status):
        if inputs(job).get("dataset") == f"s3://{data.bucket}/{data.prefix}/":
            yield name, job


def computing(stage: Stage, data: DataSet, wanted: Json, status: str) -> Iterator[tuple[str, Json]]:
    """Jobs, a run's or ours, that compute the wanted features: the same program on the same input."""
    for contained in ("Features", "features"):
        for name, job in _jobs(stage, data, contained, status):
            if job["AppSpecification"] == wanted["AppSpecification"] and inputs(job) == inputs(wanted):
                yield name, job


def computed(stage: Stage, data: DataSet, wanted: Json) -> str | None:
    """Where the wanted features lie."""
    places = (output(job, "features") for _, job in computing(stage, data, wanted, "Completed"))
    return next((uri for uri in places if _is_kept(stage, f"{uri}/")), None)


def _jobs(stage: Stage, data: DataSet, contained: str, status: str) -> Iterator[tuple[str, Json]]:
    sagemaker = stage.client("sagemaker")
    pages = sagemaker.get_paginator("list_processing_jobs").paginate(
        NameContains=contained, StatusEquals=status, CreationTimeAfter=data.pushed, SortBy="CreationTime"
    )
    for name in pages.search("ProcessingJobSummaries[].ProcessingJobName"):
        if name:
            yield name, sagemaker.describe_processing_job(ProcessingJobName=name)


def inputs(job: Mapping[str, Any]) -> dict[str, str]:
    """Name -> address; of a job's description or of a request."""
    return {one["InputName"]: one["S3Input"]["S3Uri"] for one in job["ProcessingInputs"]}


def output(job: Mapping[str, Any], name: str) -> str:
    uris = {one["OutputName"]: one["S3Output"]["S3Uri"] for one in job["ProcessingOutputConfig"]["Outputs"]}
    return str(uris[name])
