"""What is deployed of a stage, how its endpoint does, what rings, what trained last, and what it costs this month."""

from dataclasses import dataclass
from datetime import UTC, datetime

from ops.errors import OperatorError
from ops.stage import Stage
from ops.training_run import Runs
from ops.watch.endpoint import Endpoint, endpoint_of
from ops.watch.reading import Unknown, asked
from ops.watch.spending import Spending, spending_of
from ops.watch.traffic import Traffic, traffic_of
from ops.work.jobs import own_in_progress

UNSETTLED = {"UPDATE_ROLLBACK_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED"}
ROOMS = ("data", "network", "image", "training", "serving", "api", "operations", "workbench")


@dataclass(frozen=True)
class Alarm:
    name: str
    state: str
    reason: str


@dataclass(frozen=True)
class Run:
    """The pipeline's last."""

    name: str
    status: str
    started: datetime
    reason: str


@dataclass(frozen=True)
class Status:
    stage: str
    account: str
    region: str
    stacks: dict[str, str]
    endpoint: Endpoint | Unknown | None
    traffic: Traffic | Unknown | None
    waiting: dict[str, int] | Unknown
    """What waits where: requests at an asynchronous endpoint, events that intake refused."""
    alarms: list[Alarm] | Unknown
    last_run: Run | Unknown | None
    working: list[str] | Unknown
    """Jobs under way that people started."""
    spending: Spending | Unknown | None
    ills: list[str]


def state_of(stage: Stage) -> Status:
    stacks = _stacks(stage)
    if not stacks:
        raise OperatorError(
            f"There is nothing of stage {stage.name} in account {stage.account.number}, region {stage.account.region}: "
            f"deploy it, `cdk deploy --all -c stage={stage.name}`."
        )
    endpoint = asked(lambda: endpoint_of(stage)) if _room(stage, "serving") in stacks else None
    traffic = asked(lambda: _traffic(stage, endpoint)) if isinstance(endpoint, Endpoint) else None
    waiting = asked(lambda: _waiting(stage, endpoint if isinstance(endpoint, Endpoint) else None))
    alarms = asked(lambda: _alarms(stage))
    last_run = asked(lambda: _last_run(stage)) if _room(stage, "training") in stacks else None
    return Status(
        stage=stage.name,
        account=stage.account.number,
        region=stage.account.region,
        stacks=stacks,
        endpoint=endpoint,
        traffic=traffic,
        waiting=waiting,
        alarms=alarms,
        last_run=last_run,
        working=asked(lambda: _working(stage)),
        spending=asked(lambda: spending_of(stage)),
        ills=_ills(stacks, endpoint, waiting, alarms, last_run),
    )


def _room(stage: Stage, room: str) -> str:
    return stage.names.stack(room)


def _stacks(stage: Stage) -> dict[str, str]:
    ours = {_room(stage, room) for room in ROOMS}
    pages = stage.client("cloudformation").get_paginator("describe_stacks").paginate()
    found = {one["StackName"]: one["StackStatus"] for one in pages.search("Stacks[]") if one["StackName"] in ours}
    return {_room(stage, room): found[_room(stage, room)] for room in ROOMS if _room(stage, room) in found}


def _traffic(stage: Stage, endpoint: Endpoint) -> Traffic:
    return traffic_of(stage.client("cloudwatch"), endpoint.name, [fleet.variant for fleet in endpoint.fleets])


def _waiting(stage: Stage, endpoint: Endpoint | None) -> dict[str, int]:
    waiting = {}
    refused = (stage.find("training") or {}).get("FailedIntakeUrl")
    if refused:
        asked_for = ["ApproximateNumberOfMessages"]
        found = stage.client("sqs").get_queue_attributes(QueueUrl=refused, AttributeNames=asked_for)
        waiting["refused by intake"] = int(found["Attributes"][asked_for[0]])
    if endpoint and stage.config.serving.mode == "async":
        waiting["requests"] = _backlog(stage, endpoint.name)
    return waiting


def _backlog(stage: Stage, endpoint: str) -> int:
    now = datetime.now(UTC)
    found = stage.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/SageMaker",
        MetricName="ApproximateBacklogSize",
        Dimensions=[{"Name": "EndpointName", "Value": endpoint}],
        StartTime=datetime.fromtimestamp(now.timestamp() - 300, UTC),
        EndTime=now,
        Period=60,
        Statistics=["Maximum"],
    )
    points = sorted(found["Datapoints"], key=lambda point: point["Timestamp"])
    return int(points[-1]["Maximum"]) if points else 0


def _alarms(stage: Stage) -> list[Alarm]:
    """The stage's own: those of its stacks. What scaling made for itself rings with the load, and means no fault."""
    names = [name for room in ("operations", "serving") for name in stage.resources(room, "AWS::CloudWatch::Alarm")]
    if not names:
        return []
    pages = stage.client("cloudwatch").get_paginator("describe_alarms").paginate(AlarmNames=names)
    return [
        Alarm(one["AlarmName"], one["StateValue"], one.get("StateReason", "")) for one in pages.search("MetricAlarms[]")
    ]


def _last_run(stage: Stage) -> Run | None:
    last = Runs.of_stage(stage).youngest()
    return None if last is None else Run(last.name or last.id, last.status, last.started, last.reason)


def _working(stage: Stage) -> list[str]:
    """Jobs of every kind that people started; the pipeline's own are its run's."""
    return own_in_progress(stage)


def _ills(
    stacks: dict[str, str],
    endpoint: Endpoint | Unknown | None,
    waiting: dict[str, int] | Unknown,
    alarms: list[Alarm] | Unknown,
    last_run: Run | Unknown | None,
) -> list[str]:
    ills = [
        f"Stack {name} is {status}: see its events, then deploy it again."
        for name, status in stacks.items()
        if status in UNSETTLED
    ]
    if isinstance(endpoint, Endpoint):
        ills += endpoint.ills
    if isinstance(alarms, list):
        ills += [f"Alarm {alarm.name} rings: {alarm.reason}" for alarm in alarms if alarm.state == "ALARM"]
    refused = waiting.get("refused by intake") if isinstance(waiting, dict) else 0
    if refused:
        queue = "the training stack's output FailedIntakeUrl names the queue that keeps it"
        ills.append(f"Intake refused {refused} of what arrived: {queue}.")
    if isinstance(last_run, Run) and last_run.status == "Failed":
        ills.append(f"The pipeline's last run {last_run.name} failed. {last_run.reason}".rstrip())
    return ills
