"""A data set made ready to train on: what a run prepared is taken; else the pipeline's own first step is done."""

from ops.errors import OperatorError
from ops.stage import Stage
from ops.work.datasets import DataSet, Prepared, of_a_run, prepared, reads
from ops.work.definition import Definition
from ops.work.following import follow
from ops.work.jobs import PROCESSING, described
from ops.work.requests import new_name, preparing, validated


def made_ready(stage: Stage, definition: Definition, data: DataSet) -> Prepared:
    found = prepared(stage, data)
    if found is None:
        name = _under_way(stage, data) or _start(stage, definition, data)
        follow(stage, PROCESSING, name)
        found = prepared(stage, data)
    if found is None:
        raise OperatorError(f"Data set {data.name} was prepared, and changed meanwhile: run the same command again.")
    return found


def _under_way(stage: Stage, data: DataSet) -> str | None:
    """One that an interrupted command has left, or that the run does which the push has started."""
    sagemaker = stage.client("sagemaker")
    if (found := of_a_run(stage, data)) is not None:
        return found
    listed = sagemaker.list_processing_jobs(
        NameContains=f"{stage.names.own_jobs}prepare-", StatusEquals="InProgress", CreationTimeAfter=data.pushed
    )["ProcessingJobSummaries"]
    jobs = [described(sagemaker, PROCESSING, one["ProcessingJobName"]) for one in listed]
    return next((job.name for job in jobs if reads(job.document, data)), None)


def _start(stage: Stage, definition: Definition, data: DataSet) -> str:
    sagemaker = stage.client("sagemaker")
    name = new_name(stage.names.own_jobs, "prepare")
    request = validated(sagemaker, "CreateProcessingJob", preparing(definition, name, data))
    sagemaker.create_processing_job(**request)
    return name
