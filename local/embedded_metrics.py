"""Metrics in log lines, in CloudWatch's embedded metric format: whatever is written to a log group is read for them.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
A document that breaks the format makes no metric: it is counted in AWS/Logs, as on AWS, and named in the server's log.
"""

import json
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from local import joints, joints_cloudwatch, shapes
from local.clock import Clock
from local.records import Scope

MAX_BYTES = 1_000_000
MAX_METRICS, MAX_VALUES, MAX_DIMENSIONS = 100, 100, 30
LARGEST = 2.0**360
OLDEST_SECONDS, NEWEST_SECONDS = 14 * 86_400, 2 * 3_600
# As long as CloudWatch keeps a metric by the minute.
KEEP_SECONDS = 15 * 86_400
MARK = '"_aws"'
RESERVED = "AWS/"
FAULTS, FAULTY = "AWS/Logs", "EMFValidationErrors"
logger = logging.getLogger("embedded-aws.cloudwatch")
Document = dict[str, Any]


class FormatError(ValueError):
    """What a document has otherwise than the format wants, in one sentence."""


@dataclass(frozen=True)
class Reading:
    """One metric of a document, in one of its sets of dimensions."""

    namespace: str
    name: str
    unit: str
    dimensions: dict[str, str]
    values: tuple[float, ...]
    at: float


@dataclass
class EmbeddedMetrics:
    clock: Clock
    machine: Callable[[], float] = time.time
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def install(self) -> None:
        joints.wrap("services.cloudwatch_logs:_append_log_events", self._append)

    def _append(self, original: Callable[..., None], stream: Document, events: list[Document]) -> None:
        original(stream, events)
        for event in events:
            message = str(event.get("message", ""))
            if MARK in message:
                self._take(stream, message)

    def _take(self, stream: Document, message: str) -> None:
        place = Scope(joints.account(), joints.current_region())
        try:
            readings = read(message, self.machine())
        except FormatError as fault:
            group = joints_cloudwatch.group_of(stream) or ""
            logger.warning("A line in %s makes no metrics: %s", group, fault)
            self._publish(place, Reading(FAULTS, FAULTY, "None", {"LogGroupName": group}, (1.0,), self.machine()))
            return
        for reading in readings:
            self._publish(place, reading)

    def _publish(self, place: Scope, reading: Reading) -> None:
        with self._lock:
            joints_cloudwatch.publish(
                place,
                reading.namespace,
                reading.name,
                reading.unit,
                reading.dimensions,
                # Programs bear the machine's time, metrics that of the embedded AWS.
                self.clock.at(reading.at),
                Counter(reading.values),
                KEEP_SECONDS,
            )


def read(message: str, now: float) -> list[Reading]:
    """A line's metrics: none where it is no such document, FormatError where it is a wrong one."""
    try:
        document = json.loads(message)
    except (ValueError, RecursionError):
        return []
    metadata = document.get("_aws") if isinstance(document, dict) else None
    if not isinstance(metadata, dict) or "CloudWatchMetrics" not in metadata:
        return []
    # JSON may name half of a pair, which UTF-8 has no bytes for.
    if len(message.encode(errors="surrogatepass")) > MAX_BYTES:
        raise FormatError(f"it has more than {MAX_BYTES:,} bytes")
    at = _moment(metadata.get("Timestamp"), now)
    directives = _list(metadata["CloudWatchMetrics"], "CloudWatchMetrics")
    return [reading for directive in directives for reading in _readings(directive, document, at)]


def _moment(stamp: object, now: float) -> float:
    if isinstance(stamp, bool) or not isinstance(stamp, int):
        raise FormatError(f"Timestamp is {stamp!r}, it must be milliseconds since 1970")
    # Compared as it is: a whole number may be larger than any that can be divided.
    if not 1000 * (now - OLDEST_SECONDS) <= stamp <= 1000 * (now + NEWEST_SECONDS):
        raise FormatError(f"Timestamp is {stamp}, more than two weeks ago or two hours ahead")
    return stamp / 1000


def _readings(directive: object, document: Document, at: float) -> Iterator[Reading]:
    if not isinstance(directive, dict):
        raise FormatError("a member of CloudWatchMetrics is no object")
    namespace = directive.get("Namespace")
    if not isinstance(namespace, str) or not namespace or namespace.startswith(RESERVED):
        raise FormatError(f"Namespace is {namespace!r}, it must be a name that does not begin with {RESERVED}")
    metrics = _list(directive.get("Metrics"), "Metrics")
    if len(metrics) > MAX_METRICS:
        raise FormatError(f"Metrics has {len(metrics)} members, at most {MAX_METRICS} are allowed")
    for names in _list(directive.get("Dimensions"), "Dimensions") or [[]]:
        dimensions = _dimensions(names, document)
        for metric in metrics:
            yield _reading(namespace, metric, dimensions, document, at)


def _dimensions(names: object, document: Document) -> dict[str, str]:
    found = {str(name): document.get(str(name)) for name in _list(names, "a set of Dimensions")}
    if len(found) > MAX_DIMENSIONS:
        raise FormatError(f"a set of Dimensions has {len(found)} names, at most {MAX_DIMENSIONS} are allowed")
    wrong = [name for name, value in found.items() if not isinstance(value, str)]
    if wrong:
        raise FormatError(f"the dimension {wrong[0]} has no text among the document's members")
    return {name: str(value) for name, value in found.items()}


def _reading(namespace: str, metric: object, dimensions: dict[str, str], document: Document, at: float) -> Reading:
    if not isinstance(metric, dict):
        raise FormatError("a member of Metrics is no object")
    name, unit = str(metric.get("Name", "")), metric.get("Unit", "None")
    found = document.get(name)
    values: list[Any] = found if isinstance(found, list) else [found]
    if not values or len(values) > MAX_VALUES:
        raise FormatError(f"the metric {name} has {len(values)} values, 1 to {MAX_VALUES} are allowed")
    numbers = [float(value) for value in values if _is_number(value)]
    if len(numbers) < len(values):
        raise FormatError(f"the metric {name} has no number among the document's members")
    datum = {
        "MetricName": name,
        "Unit": unit,
        "Values": numbers,
        "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
        "StorageResolution": metric.get("StorageResolution", 60),
    }
    try:
        shapes.validate("cloudwatch", "PutMetricData", {"Namespace": namespace, "MetricData": [datum]})
    except shapes.ShapeError as fault:
        raise FormatError(str(fault)) from fault
    return Reading(namespace, name, unit, dimensions, tuple(numbers), at)


def _is_number(value: object) -> bool:
    """Of those that CloudWatch keeps: Python reads NaN and Infinity from JSON too."""
    return isinstance(value, int | float) and not isinstance(value, bool) and -LARGEST <= value <= LARGEST


def _list(value: object, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise FormatError(f"{what} is no list")
    return value
