"""What the account holds of ours and how busy it is; the only place that talks to AWS."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

# EC2 publishes a reading every five minutes unless detailed monitoring is paid for.
BOX_PERIOD_SECONDS = 300
DAY_SECONDS = 86_400
# How far back the last sign of work is looked for; beyond it the box is idle "for days".
LOOK_BACK = timedelta(days=3)

Client = Any  # botocore makes its clients at run time


@dataclass(frozen=True)
class Box:
    """An EC2 instance with our tags."""

    id: str
    kind: str
    running: bool
    since: datetime
    """When it was started or, where it does not run, stopped."""
    volumes: tuple[str, ...]


@dataclass(frozen=True)
class Notebook:
    """A notebook instance that runs."""

    name: str
    kind: str
    since: datetime


@dataclass(frozen=True)
class Volume:
    id: str
    gib: int
    created: datetime
    attached: bool


@dataclass(frozen=True)
class Series:
    """One metric as CloudWatch is asked for it."""

    namespace: str
    name: str
    dimensions: dict[str, str]
    statistic: str
    period_seconds: int


class Account:
    """One stage's resources, known by the tags `project` and `stage` that every resource of the app carries."""

    def __init__(
        self, *, ec2: Client, sagemaker: Client, cloudwatch: Client, sns: Client, project: str, stage: str
    ) -> None:
        self._ec2, self._sagemaker, self._cloudwatch, self._sns = ec2, sagemaker, cloudwatch, sns
        self._tags = {"project": project, "stage": stage}
        self._filters = [{"Name": f"tag:{key}", "Values": [value]} for key, value in self._tags.items()]

    def boxes(self) -> Iterator[Box]:
        pages = self._ec2.get_paginator("describe_instances").paginate(Filters=self._filters)
        for instance in pages.search("Reservations[].Instances[]"):
            state = instance["State"]["Name"]
            if state in ("running", "stopped"):
                volumes = (
                    mapping.get("Ebs", {}).get("VolumeId") for mapping in instance.get("BlockDeviceMappings", [])
                )
                yield Box(
                    id=instance["InstanceId"],
                    kind=instance["InstanceType"],
                    running=state == "running",
                    since=instance["LaunchTime"] if state == "running" else _stopped_at(instance),
                    volumes=tuple(volume for volume in volumes if volume),
                )

    def last_work(self, box: Box, above_percent: float, now: datetime) -> datetime | None:
        """When the box last did more than that; its start where it never did; None where it has no reading yet."""
        readings = self._readings(
            Series("AWS/EC2", "CPUUtilization", {"InstanceId": box.id}, "Maximum", BOX_PERIOD_SECONDS),
            now - LOOK_BACK,
            now,
        )
        if not readings:
            return None
        busy = [at for at, percent in readings if percent >= above_percent]
        # A reading stands for the five minutes that begin with it.
        return (
            max(box.since, max(busy) + timedelta(seconds=BOX_PERIOD_SECONDS))
            if busy
            else max(box.since, now - LOOK_BACK)
        )

    def notebooks(self) -> Iterator[Notebook]:
        pages = self._sagemaker.get_paginator("list_notebook_instances").paginate(StatusEquals="InService")
        for found in pages.search("NotebookInstances[]"):
            tags = self._sagemaker.list_tags(ResourceArn=found["NotebookInstanceArn"])["Tags"]
            if self._tags.items() <= {tag["Key"]: tag["Value"] for tag in tags}.items():
                # What was last modified of a notebook in service is its state, when it came into service.
                yield Notebook(found["NotebookInstanceName"], found["InstanceType"], found["LastModifiedTime"])

    def endpoint_since(self, name: str) -> datetime | None:
        """When the endpoint was made; None where it is not in service."""
        found = self._sagemaker.describe_endpoint(EndpointName=name)
        made: datetime = found["CreationTime"]
        return made if found["EndpointStatus"] == "InService" else None

    def requests(self, endpoint: str, since: datetime, now: datetime) -> float:
        """Requests of all variants since then."""
        found = self._sagemaker.describe_endpoint(EndpointName=endpoint)
        total = 0.0
        for variant in found.get("ProductionVariants", []):
            dimensions = {"EndpointName": endpoint, "VariantName": variant["VariantName"]}
            series = Series("AWS/SageMaker", "Invocations", dimensions, "Sum", DAY_SECONDS)
            readings = self._readings(series, since, now)
            total += sum(value for _, value in readings)
        return total

    def volumes(self, of_boxes: list[str]) -> Iterator[Volume]:
        """Those of these boxes, and those with our tags that hang on nothing."""
        asked = [{"Filters": [*self._filters, {"Name": "status", "Values": ["available"]}]}]
        if of_boxes:
            asked.append({"Filters": [{"Name": "volume-id", "Values": of_boxes}]})
        for question in asked:
            pages = self._ec2.get_paginator("describe_volumes").paginate(**question)
            for found in pages.search("Volumes[]"):
                yield Volume(found["VolumeId"], found["Size"], found["CreateTime"], bool(found.get("Attachments")))

    def stop_box(self, box: Box) -> None:
        self._ec2.stop_instances(InstanceIds=[box.id])

    def stop_notebook(self, notebook: Notebook) -> None:
        self._sagemaker.stop_notebook_instance(NotebookInstanceName=notebook.name)

    def tell(self, topic_arn: str, subject: str, message: str) -> None:
        self._sns.publish(TopicArn=topic_arn, Subject=subject, Message=message)

    def _readings(self, series: Series, start: datetime, end: datetime) -> list[tuple[datetime, float]]:
        metric = {
            "Namespace": series.namespace,
            "MetricName": series.name,
            "Dimensions": [{"Name": key, "Value": value} for key, value in series.dimensions.items()],
        }
        stat = {"Metric": metric, "Period": series.period_seconds, "Stat": series.statistic}
        query = {"Id": "reading", "MetricStat": stat}
        pages = self._cloudwatch.get_paginator("get_metric_data").paginate(
            MetricDataQueries=[query], StartTime=start, EndTime=end
        )
        return [
            pair
            for page in pages
            for result in page["MetricDataResults"]
            for pair in zip(result["Timestamps"], result["Values"], strict=True)
        ]


def _stopped_at(instance: dict[str, Any]) -> datetime:
    """EC2 says it in words only: "User initiated (2026-11-21 12:00:00 GMT)"."""
    found = re.search(r"\((\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) GMT\)", instance.get("StateTransitionReason", ""))
    started: datetime = instance["LaunchTime"]
    return datetime.strptime(found[1], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC) if found else started
