"""Runs of a stage's pipeline: the one that a data set has started, and its steps as they end."""

import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ops.errors import WorkFailed
from ops.stage import Stage

STARTS_WITHIN_SECONDS = 60.0
ENDED = ("Succeeded", "Failed", "Stopped")
DATASET_PARAMETER = "DatasetPrefix"
# Under which name a step's metadata holds the ARN of its job.
JOBS = ("ProcessingJob", "TrainingJob", "TuningJob", "TransformJob")


@dataclass(frozen=True)
class Run:
    arn: str
    name: str
    """As intake or `ops pipeline run` called it: NAME-VERSION of its data set."""
    status: str
    started: datetime
    reason: str = ""

    @property
    def id(self) -> str:
        return self.arn.rsplit("/", 1)[-1]


@dataclass(frozen=True)
class Step:
    name: str
    status: str
    started: datetime
    seconds: float
    """Up to now where it has not ended."""
    reason: str
    package: str | None
    """The model package that it registered, by ARN."""
    job: str | None = None
    """The name of the job that it runs."""
    outcome: str | None = None
    """Of a condition: true or false."""
    kind: str | None = None
    """Of its job, one of JOBS."""


@dataclass(frozen=True)
class Look:
    """A run at one moment."""

    status: str
    reason: str
    steps: list[Step]
    """Those that have begun, the oldest first."""

    @property
    def failed(self) -> Step | None:
        """The step that it failed by."""
        return next((one for one in self.steps if one.status == "Failed"), None)


@dataclass(frozen=True)
class Runs:
    """`sagemaker` is a client of boto3's."""

    sagemaker: Any
    pipeline: str
    poll_seconds: float

    @classmethod
    def of_stage(cls, stage: Stage) -> "Runs":
        return cls(stage.client("sagemaker"), stage.output("training", "PipelineName"), stage.account.poll_seconds)

    def listed(self) -> Iterator[Run]:
        """The youngest first; who stops early asks for no further page."""
        pages = self.sagemaker.get_paginator("list_pipeline_executions").paginate(
            PipelineName=self.pipeline, SortBy="CreationTime", SortOrder="Descending"
        )
        for page in pages:
            yield from map(_run, page["PipelineExecutionSummaries"])

    def all(self) -> list[Run]:
        return list(self.listed())

    def youngest(self) -> Run | None:
        return next(self.listed(), None)

    def find(self, name: str) -> Run | None:
        """By its id, its name or its ARN."""
        return next((one for one in self.listed() if name in (one.id, one.name, one.arn)), None)

    def dataset(self, run: str) -> str:
        """The prefix that it was started on, as "dataset/dogs"."""
        found = self.sagemaker.list_pipeline_parameters_for_execution(PipelineExecutionArn=run)["PipelineParameters"]
        return next((str(one["Value"]) for one in found if one["Name"] == DATASET_PARAMETER), "")

    def of(self, dataset: str) -> list[Run]:
        """The youngest first. Intake names a run NAME-VERSION after the data set that started it."""
        return [one for one in self.listed() if one.name.rsplit("-", 1)[0] == dataset]

    def started(self, dataset: str, before: set[str]) -> str:
        """The run that was not among those `before`, once intake has started it."""
        until = time.monotonic() + STARTS_WITHIN_SECONDS
        while time.monotonic() < until:
            new = [one.arn for one in self.of(dataset) if one.arn not in before]
            if new:
                return new[0]
            time.sleep(self.poll_seconds)
        raise WorkFailed(
            f"The manifest of {dataset} has started no run within {STARTS_WITHIN_SECONDS:g} s: what intake refused is "
            "in the queue that the Training stack's output FailedIntakeUrl names."
        )

    def steps(self, run: str) -> list[Step]:
        """Those that have ended, the oldest first."""
        return [step for step in self.every_step(run) if step.status in ENDED]

    def every_step(self, run: str) -> list[Step]:
        """Those that have begun, the oldest first."""
        pages = self.sagemaker.get_paginator("list_pipeline_execution_steps").paginate(
            PipelineExecutionArn=run, SortOrder="Ascending"
        )
        return [_step(one) for page in pages for one in page["PipelineExecutionSteps"]]

    def status(self, run: str) -> tuple[str, str]:
        found = self.sagemaker.describe_pipeline_execution(PipelineExecutionArn=run)
        return found["PipelineExecutionStatus"], found.get("FailureReason", "")

    def start(self, dataset: str, prefix: str) -> str:
        """Its ARN. Called as intake calls those that a manifest starts, so that `of` finds it."""
        token = uuid.uuid4().hex
        started = self.sagemaker.start_pipeline_execution(
            PipelineName=self.pipeline,
            PipelineExecutionDisplayName=f"{dataset}-{token[:8]}",
            PipelineParameters=[{"Name": DATASET_PARAMETER, "Value": prefix}],
            ClientRequestToken=token,
        )
        return str(started["PipelineExecutionArn"])

    def watched(self, run: str) -> Iterator[Look]:
        """As it goes; the last look is at its end, whatever that is."""
        while True:
            status, reason = self.status(run)
            yield Look(status, reason, self.every_step(run))
            if status in ENDED:
                return
            time.sleep(self.poll_seconds)

    def follow(self, run: str) -> Iterator[Step]:
        """Each step when it has ended; WorkFailed where the run does not succeed."""
        told: set[str] = set()
        for look in self.watched(run):
            for step in look.steps:
                if step.status in ENDED and step.name not in told:
                    told.add(step.name)
                    yield step
        refuse_failure(run, look)

    def registered(self, run: str) -> str:
        found = next((step.package for step in self.steps(run) if step.package), None)
        if found is None:
            raise WorkFailed(f"The pipeline's run {run.rsplit('/', 1)[-1]} has registered no model.")
        return found


def refuse_failure(run: str, end: Look, words: str = "") -> None:
    """WorkFailed, with the step that failed, its reason and its last words, unless it has succeeded."""
    if end.status == "Succeeded":
        return
    why = f"{end.failed.name}: {end.failed.reason}" if end.failed else end.reason
    said = f"The pipeline's run {run.rsplit('/', 1)[-1]} ended as {end.status}. {why}"
    raise WorkFailed(f"{said.rstrip()}\n{words}".rstrip())


def _run(found: dict[str, Any]) -> Run:
    return Run(
        found["PipelineExecutionArn"],
        found.get("PipelineExecutionDisplayName", ""),
        found["PipelineExecutionStatus"],
        found["StartTime"],
        found.get("PipelineExecutionFailureReason", ""),
    )


def _step(found: dict[str, Any]) -> Step:
    started = found.get("StartTime") or datetime.now(UTC)
    told = found.get("Metadata", {})
    kind = next((kind for kind in JOBS if told.get(kind, {}).get("Arn")), None)
    return Step(
        found["StepName"],
        found["StepStatus"],
        started,
        ((found.get("EndTime") or datetime.now(UTC)) - started).total_seconds(),
        found.get("FailureReason", ""),
        told.get("RegisterModel", {}).get("Arn"),
        str(told[kind]["Arn"]).rsplit("/", 1)[-1] if kind else None,
        told.get("Condition", {}).get("Outcome"),
        kind,
    )
