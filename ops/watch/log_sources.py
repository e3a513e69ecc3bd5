"""Which log groups and streams a part of the stage writes to, by what the stacks and jobs say of themselves."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from botocore.exceptions import ClientError

from ops.errors import OperatorError
from ops.stage import Stage
from ops.training_run import ENDED as RUN_ENDED
from ops.training_run import Runs, Step
from ops.work.jobs import ENDED as JOB_ENDED
from ops.work.jobs import KINDS, TRAINING, TUNING, trials_of

FUNCTIONS = {
    "predict": ("api", "PredictFunctionName"),
    "intake": ("training", "IntakeFunctionName"),
    "idle": ("operations", "IdleFunctionName"),
}


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
        return sagemaker.describe_training_job(TrainingJobName=job)["TrainingJobStatus"] in JOB_ENDED

    return Sources(lambda: [Source(TRAINING.log, f"{job}/")], ended, described["CreationTime"])


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
    runs = Runs.of_stage(stage)
    run = runs.youngest() if name is None else runs.find(name)
    if run is None:
        known = ", ".join(one.id for one in islice(runs.listed(), 3))
        said = f"has no run {name}; its last are {known}" if known else "has not run yet"
        raise OperatorError(f"Pipeline {runs.pipeline} {said}.")
    arn = run.arn

    def now() -> list[Source]:
        return [source for step in runs.every_step(arn) for source in _of_step(sagemaker, step)]

    return Sources(now, lambda: runs.status(arn)[0] in RUN_ENDED, run.started)


def _of_step(sagemaker: Any, step: Step) -> list[Source]:  # noqa: ANN401 - boto3's client
    """A tuning writes nothing itself: its trials do."""
    if step.job is None or step.kind is None:
        return []
    names = [step.job]
    if step.kind == TUNING.metadata:
        names = [str(one["TrainingJobName"]) for one in trials_of(sagemaker, step.job)]
    group = next(kind.log for kind in KINDS if kind.metadata == step.kind)
    return [Source(group, f"{name}/", step.name) for name in names]


def _described(question: Callable[[], dict[str, Any]], what: str) -> dict[str, Any]:
    try:
        return question()
    except ClientError as error:
        if error.response["Error"]["Code"] in ("ValidationException", "ResourceNotFound"):
            raise OperatorError(f"There is no {what} in this account and region.") from None
        raise
