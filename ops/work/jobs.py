"""The jobs of a stage, of every kind: found by their role, which no other stage has, and read alike."""

import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from ops.errors import OperatorError
from ops.prices import Prices
from ops.stage import Stage

# Boto3's clients are made at run time; any JSON document.
Client = Any
Document = dict[str, Any]
ENDED = ("Completed", "Failed", "Stopped")
# The stacks whose roles jobs run with.
ROOMS = ("training", "serving")
DESCRIBED_AT_ONCE = 8
NOT_THERE = ("ValidationException", "ResourceNotFound")
# What follows `Names.own_jobs` in a name that a command has made.
OWN_NAME = re.compile(
    r"(train|tune|prepare|features)-\d{4}-\d{6}[a-z0-9]{2}|batch-\d{13}|score-[0-9a-f]{12}-\d{10}", re.ASCII
)


@dataclass(frozen=True)
class Kind:
    """How SageMaker calls one kind of job, and how we do."""

    noun: str
    call: str
    name: str
    log: str

    @property
    def metadata(self) -> str:
        """Under which name a pipeline's step holds it."""
        return self.name.removeprefix("HyperParameter")

    @property
    def name_key(self) -> str:
        return f"{self.name}Name"

    @property
    def status_key(self) -> str:
        return f"{self.name}Status"


TRAINING = Kind("training", "training_job", "TrainingJob", "/aws/sagemaker/TrainingJobs")
PROCESSING = Kind("processing", "processing_job", "ProcessingJob", "/aws/sagemaker/ProcessingJobs")
TUNING = Kind("tuning", "hyper_parameter_tuning_job", "HyperParameterTuningJob", "/aws/sagemaker/TrainingJobs")
TRANSFORM = Kind("transform", "transform_job", "TransformJob", "/aws/sagemaker/TransformJobs")
KINDS = (TRAINING, TUNING, PROCESSING, TRANSFORM)


@dataclass(frozen=True)
class Job:
    kind: Kind
    document: Document
    """As SageMaker describes it."""

    @property
    def name(self) -> str:
        return str(self.document[self.kind.name_key])

    @property
    def status(self) -> str:
        return str(self.document[self.kind.status_key])

    @property
    def state(self) -> str:
        """The status, and while it works what it works on."""
        doing = self.document.get("SecondaryStatus")
        return f"{self.status}: {doing}" if doing and self.status == "InProgress" else self.status

    @property
    def has_ended(self) -> bool:
        return self.status in ENDED

    @property
    def reason(self) -> str:
        """A container's own words are shorter than what SageMaker makes of them, where it left any."""
        return str(self.document.get("ExitMessage") or self.document.get("FailureReason", ""))

    @property
    def began(self) -> datetime:
        began: datetime = self.document["CreationTime"]
        return began

    @property
    def wall_seconds(self) -> float:
        """From the request to the end, waiting for instances included."""
        ends = ("TrainingEndTime", "ProcessingEndTime", "TransformEndTime", "HyperParameterTuningEndTime")
        ended = next((self.document[key] for key in ends if self.document.get(key)), None)
        if ended is None and self.has_ended:
            ended = self.document.get("LastModifiedTime")
        return float(((ended or datetime.now(UTC)) - self.began).total_seconds())

    @property
    def instances(self) -> tuple[str, int] | None:
        """Type and number; None for a tuning job, whose trials have theirs."""
        resources = (
            self.document.get("ResourceConfig")
            or self.document.get("ProcessingResources", {}).get("ClusterConfig")
            or self.document.get("TransformResources")
        )
        return (resources["InstanceType"], resources["InstanceCount"]) if resources else None

    @property
    def billed_seconds(self) -> float | None:
        """Over all instances; None while nobody can tell."""
        if self.instances is None:
            return None
        seconds = self.document.get("BillableTimeInSeconds")
        if seconds is None and self.kind is not TRAINING:
            start = self.document.get("ProcessingStartTime") or self.document.get("TransformStartTime")
            end = self.document.get("ProcessingEndTime") or self.document.get("TransformEndTime")
            seconds = (end - start).total_seconds() if start and end else None
        return None if seconds is None else float(seconds) * self.instances[1]

    def dollars(self, prices: Prices) -> float | None:
        """None: no price is known, or nothing is billed yet."""
        if self.instances is None or self.billed_seconds is None:
            return None
        price = prices.hourly(self.instances[0])
        return None if price is None else price * self.billed_seconds / 3600

    @property
    def metrics(self) -> dict[str, float]:
        """The last value of each."""
        return {one["MetricName"]: float(one["Value"]) for one in self.document.get("FinalMetricDataList", [])}


def described(sagemaker: Client, kind: Kind, name: str) -> Job:
    return Job(kind, dict(getattr(sagemaker, f"describe_{kind.call}")(**{kind.name_key: name})))


def find(stage: Stage, name: str) -> Job | None:
    """The job of this name, of whatever kind; OperatorError where it is another stage's."""
    sagemaker = stage.client("sagemaker")
    for kind in KINDS:
        try:
            job = described(sagemaker, kind, name)
        except ClientError as error:
            # "Requested resource not found." is a ValidationException for jobs.
            if error.response["Error"]["Code"] not in NOT_THERE:
                raise
            continue
        if not _is_ours(stage, job, roles_of(stage)):
            raise OperatorError(
                f"The {kind.noun} job {name} is none of stage {stage.name}: it runs with another's role."
            )
        return job
    return None


def _is_ours(stage: Stage, job: Job, roles: set[str]) -> bool:
    """By its role, or by a name as we give it: a deploy may have made other roles since."""
    return is_own_name(stage, job.name) or role_of(stage.client("sagemaker"), job.document) in roles


def is_own_name(stage: Stage, name: str) -> bool:
    """The beginning alone does not say so: stage dev-eu's names begin as stage dev's do."""
    return name.startswith(stage.names.own_jobs) and bool(OWN_NAME.fullmatch(name.removeprefix(stage.names.own_jobs)))


def role_of(sagemaker: Client, job: dict[str, Any]) -> str:
    """Its name, from the job's description. A transform job runs with its model's role; a tuning job with that of the
    trainings it starts."""
    if "ModelName" in job:
        try:
            model = sagemaker.describe_model(ModelName=job["ModelName"])
        except ClientError as error:
            if error.response["Error"]["Code"] != "ValidationException":
                raise
            # A deploy of another model has taken it away.
            return ""
        return str(model.get("ExecutionRoleArn", "")).rsplit("/", 1)[-1]
    started = [job, job.get("TrainingJobDefinition", {}), *job.get("TrainingJobDefinitions", [])]
    return next((str(found["RoleArn"]).rsplit("/", 1)[-1] for found in started if found.get("RoleArn")), "")


def roles_of(stage: Stage) -> set[str]:
    """Names of the roles that this stage's jobs run with."""
    cloudformation, found = stage.client("cloudformation"), set()
    for room in ROOMS:
        if stage.find(room) is not None:
            pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stage.names.stack(room))
            found |= set(pages.search("StackResourceSummaries[?ResourceType=='AWS::IAM::Role'].PhysicalResourceId"))
    return found


def lately(stage: Stage, days: float, kinds: Iterable[Kind] = KINDS, *, trials: bool = False) -> list[Job]:
    """This stage's jobs of the last days, the youngest first; a tuning job stands for its trials."""
    sagemaker, roles = stage.client("sagemaker"), roles_of(stage)
    since = datetime.now(UTC) - timedelta(days=days)
    with ThreadPoolExecutor(DESCRIBED_AT_ONCE) as pool:
        found = list(pool.map(lambda one: described(sagemaker, *one), _listed(sagemaker, kinds, since)))
    ours = [job for job in found if _is_ours(stage, job, roles)]
    shown = [job for job in ours if trials or not job.document.get("TuningJobArn")]
    return sorted(shown, key=lambda job: job.began, reverse=True)


def own_in_progress(stage: Stage) -> list[str]:
    """Jobs of every kind that run now and that people started: their names begin as `Names.own_jobs`."""
    sagemaker, begin = stage.client("sagemaker"), stage.names.own_jobs
    found: list[tuple[Kind, str]] = []
    for kind in KINDS:
        pages = sagemaker.get_paginator(f"list_{kind.call}s").paginate(NameContains=begin, StatusEquals="InProgress")
        names = pages.search(f"{kind.name}Summaries[].{kind.name_key}")
        found += [(kind, name) for name in names if name and name.startswith(begin)]
    roles = roles_of(stage) if found else set()
    return [name for kind, name in found if _is_ours(stage, described(sagemaker, kind, name), roles)]


def _listed(sagemaker: Client, kinds: Iterable[Kind], since: datetime) -> Iterator[tuple[Kind, str]]:
    for kind in kinds:
        pages = sagemaker.get_paginator(f"list_{kind.call}s").paginate(CreationTimeAfter=since, SortBy="CreationTime")
        for name in pages.search(f"{kind.name}Summaries[].{kind.name_key}"):
            if name:
                yield kind, name


def trials_of(sagemaker: Client, tuning: str) -> list[Document]:
    """As the tuning job lists them, the first begun first."""
    call = "list_training_jobs_for_hyper_parameter_tuning_job"
    pages = sagemaker.get_paginator(call).paginate(HyperParameterTuningJobName=tuning)
    return sorted((one for one in pages.search("TrainingJobSummaries[]") if one), key=lambda one: one["CreationTime"])
