"""Metrics that a job prints: found by its metric definitions' patterns, published, the last of each kept."""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from botocore.client import BaseClient
from botocore.exceptions import BotoCoreError, ClientError

from local.json_service import now
from local.records import Document
from local.sagemaker.host import Host
from local.sagemaker.names import validation

NAMESPACE = "/aws/sagemaker/TrainingJobs"
AT_ONCE = 500

logger = logging.getLogger("embedded-aws.sagemaker.jobs")


def patterns(definitions: Sequence[Document]) -> dict[str, "re.Pattern[str]"]:
    found = {}
    for one in definitions:
        try:
            found[one["Name"]] = re.compile(one["Regex"])
        except re.error as error:
            raise validation(f"MetricDefinitions: {one['Name']}: {one['Regex']!r} is no pattern ({error}).") from error
        if not found[one["Name"]].groups:
            raise validation(f"MetricDefinitions: {one['Name']}: {one['Regex']!r} has no group that holds the value.")
    return found


@dataclass
class MetricLines:
    """What the instances of one job have printed so far."""

    job: str
    definitions: Sequence[Document]
    client: BaseClient
    last: dict[str, Document] = field(default_factory=dict)
    _offsets: dict[str, int] = field(default_factory=dict)

    def read(self, hosts: Sequence[Host], *, whole: bool = False) -> None:
        """New lines; with `whole`, one that no line break ends too."""
        if not self.definitions:
            return
        found: list[Document] = []
        for host in hosts:
            with host.log.open("rb") as file:
                file.seek(self._offsets.get(host.name, 0))
                text = file.read()
            end = len(text) if whole else text.rfind(b"\n") + 1
            self._offsets[host.name] = self._offsets.get(host.name, 0) + end
            found += self._found(text[:end].decode(errors="replace"))
        self._publish(found)

    def _found(self, text: str) -> list[Document]:
        points = []
        wanted = patterns(self.definitions)
        for line in text.splitlines():
            for name, pattern in wanted.items():
                match = pattern.search(line)
                value = _number(match[1]) if match else None
                if value is not None:
                    self.last[name] = {"MetricName": name, "Value": value, "Timestamp": now()}
                    points.append(self.last[name])
        return points

    def _publish(self, points: Sequence[Document]) -> None:
        dimensions = [{"Name": "TrainingJobName", "Value": self.job}]
        data = [{**one, "Dimensions": dimensions} for one in points]
        for start in range(0, len(data), AT_ONCE):
            try:
                self.client.put_metric_data(Namespace=NAMESPACE, MetricData=data[start : start + AT_ONCE])
            except (BotoCoreError, ClientError) as error:
                # As on AWS, a role that may not publish trains all the same.
                logger.warning("%s: its metrics could not be published: %s", self.job, error)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except (TypeError, ValueError):
        return None
