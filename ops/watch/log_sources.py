"""Which log groups and streams a part of the stage writes to, by what the stacks and jobs say of themselves."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from ops.errors import OperatorError
from ops.stage import Stage

# SageMaker writes each kind of job to a group of its own, in streams that begin with the job's name.
JOB_GROUPS = {
    "TrainingJob": "/aws/sagemaker/TrainingJobs",
    "ProcessingJob": "/aws/sagemaker/ProcessingJobs",
    "TransformJob": "/aws/sagemaker/TransformJobs",
}
FUNCTIONS = {
    "predict": ("api", "PredictFunctionName"),
    "intake": ("training", "IntakeFunctionName"),
    "idle": ("operations", "IdleFunctionName"),
}
ENDED = {"Completed", "Failed", "Stopped", "Succeeded"}


@dataclass(frozen=True)
class Source:
    group: str
    streams: str = ""
    """How the names of the streams begin; empty for all of the group's."""
    step: str = ""
    """What of a pipeline's run it is."""


@dataclass(frozen=True)
class Sources:
    """Asked again while they are followed: a run's next step brings another."""

    now: Callable[[], list[Source]]
    ended: Callable[[], bool] = lambda: False
    since: datetime | None = None
    """When what writes them began; None where it always runs."""


def sources_of(stage: Stage, part: str, name: str | None) -> Sources:
    if part in FUNCTIONS:
        group = _function_group(stage, part)
        return Sources(lambda: [Source(group)])
    if part == "endpoint":
        endpoint = stage.output("serving", "EndpointName")
        return Sources(lambda: [Source(f"/aws/sagemaker/Endpoints/{endpoint}")])
    return _of_job(stage, name) if part == "training" else _of_run(stage, name)


def _function_group(stage: Stage, part: str) -> str:
    function = stage.output(*FUNCTIONS[part])
    found = stage.client("lambda").get_function_configuration(FunctionName=function)
    return str(found.get("LoggingConfig", {}).get("LogGroup") or f"/aws/lambda/{function}")


def _of_job(stage: Stage, name: str | None) -> Sources:
    sagemaker = stage.client("sagemaker")
    job = name or _last_job(stage, sagemaker)
    described = _described(lambda: sagemaker.describe_training_job(TrainingJobName=job), f"training job {job}")

    def ended() -> bool:
        return sagemaker.describe_training_job(TrainingJobName=job)["TrainingJobStatus"] in ENDED

    return Sources(lambda: [Source(JOB_GROUPS["TrainingJob"], f"{job}/")], ended, described["CreationTime"])


def _last_job(stage: Stage, sagemaker: Any) -> str:  # noqa: ANN401 - boto3's client
    """Of those that run under the stage's own role: another project may train in the same account."""
    role = stage.output("training", "TrainingRoleArn")
    pages = sagemaker.get_paginator("list_training_jobs").paginate(SortBy="CreationTime", SortOrder="Descending")
    for found in pages.search("TrainingJobSummaries[].TrainingJobName"):
        if found and sagemaker.describe_training_job(TrainingJobName=found)["RoleArn"] == role:
            return str(found)
    raise OperatorError(f"Stage {stage.name} has trained nothing yet.")


def _of_run(stage: Stage, name: str | None) -> Sources:
    sagemaker = stage.client("sagemaker")
    pipeline = stage.output("training", "PipelineName")
    pages = sagemaker.get_paginator("list_pipeline_executions").paginate(PipelineName=pipeline)
    runs = [one for one in pages.search("PipelineExecutionSummaries[]") if one]
    run = next((one for one in runs if name in (None, *_names_of(one))), None)
    if run is None:
        if not runs:
            raise OperatorError(f"Pipeline {pipeline} has not run yet.")
        known = ", ".join(one["PipelineExecutionArn"].rsplit("/", 1)[-1] for one in runs[:3])
        raise OperatorError(f"Pipeline {pipeline} has no run {name}; its last are {known}.")
    arn = run["PipelineExecutionArn"]

    def now() -> list[Source]:
        steps = sagemaker.list_pipeline_execution_steps(PipelineExecutionArn=arn, SortOrder="Ascending")
        return [source for step in steps["PipelineExecutionSteps"] for source in _of_step(sagemaker, step)]

    def ended() -> bool:
        found = sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)
        return found["PipelineExecutionStatus"] in ENDED

    return Sources(now, ended, run["StartTime"])


def _names_of(run: dict[str, Any]) -> tuple[str, ...]:
    return run["PipelineExecutionArn"].rsplit("/", 1)[-1], run.get("PipelineExecutionDisplayName", "")


def _of_step(sagemaker: Any, step: dict[str, Any]) -> list[Source]:  # noqa: ANN401 - boto3's client
    made = step.get("Metadata", {})
    found = [
        Source(group, f"{made[kind]['Arn'].rsplit('/', 1)[-1]}/", step["StepName"])
        for kind, group in JOB_GROUPS.items()
        if kind in made
    ]
    if "TuningJob" in made:
        tuning = made["TuningJob"]["Arn"].rsplit("/", 1)[-1]
        pages = sagemaker.get_paginator("list_training_jobs_for_hyper_parameter_tuning_job")
        trials = pages.paginate(HyperParameterTuningJobName=tuning).search("TrainingJobSummaries[].TrainingJobName")
        found += [Source(JOB_GROUPS["TrainingJob"], f"{trial}/", step["StepName"]) for trial in trials if trial]
    return found


def _described(question: Callable[[], dict[str, Any]], what: str) -> dict[str, Any]:
    try:
        return question()
    except ClientError as error:
        if error.response["Error"]["Code"] in ("ValidationException", "ResourceNotFound"):
            raise OperatorError(f"There is no {what} in this account and region.") from None
        raise
