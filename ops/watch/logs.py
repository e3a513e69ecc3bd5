"""`logs`: what the parts of a stage wrote, merged and oldest first; with --follow what they go on to write."""

import argparse
import json
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from ops.errors import OperatorError
from ops.printable import printable, tell
from ops.stage import Stage
from ops.watch.log_sources import Source, Sources, sources_of

AGE = re.compile(r"(\d{1,6})([smhd])")
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
DEFAULT_AGE = timedelta(minutes=15)
# CloudWatch takes events in a little later than they are dated, and out of order.
LATE = timedelta(seconds=20)


@dataclass(frozen=True)
class Line:
    at: datetime
    stream: str
    step: str
    message: str
    id: str


def run(arguments: argparse.Namespace) -> int:
    now = datetime.now(UTC)
    age = _age(arguments.since)
    stage = Stage.open(arguments.stage, arguments.stages)
    sources = sources_of(stage, arguments.part, arguments.name)
    start = now - age if age else sources.since or now - DEFAULT_AGE
    reader = Reader(stage.client("logs"), arguments.filter)
    if arguments.follow:
        for line in _followed(reader, sources, start, stage.account.poll_seconds):
            _write(line, as_json=arguments.json)
        return 0
    lines = reader.read(sources.now(), start)
    if arguments.json:
        sys.stdout.write(json.dumps([_document(line) for line in lines], indent=2) + "\n")
    else:
        for line in lines:
            _write(line, as_json=False)
    if not lines:
        tell(f"Nothing was written since {start:%Y-%m-%d %H:%M:%S} UTC; --since looks further back.")
    return 0


def _age(said: str) -> timedelta | None:
    if not said:
        return None
    found = AGE.fullmatch(said)
    if found is None:
        raise OperatorError(f'--since {said} is no age: say it as "30s", "15m", "2h" or "3d".')
    return timedelta(**{UNITS[found[2]]: int(found[1])})


def _followed(reader: "Reader", sources: Sources, start: datetime, poll_seconds: float) -> Iterator[Line]:
    """Ends with the job or run that is followed; what runs always is followed until Ctrl-C."""
    while True:
        over = sources.ended()
        lines = reader.read(sources.now(), start)
        yield from lines
        if over:
            return
        if lines:
            start = max(start, lines[-1].at - LATE)
        time.sleep(poll_seconds)


class Reader:
    """Gives each event once, however often it is asked."""

    def __init__(self, logs: Any, pattern: str) -> None:  # noqa: ANN401 - boto3's client
        self._logs, self._pattern = logs, pattern
        self._given: set[str] = set()

    def read(self, sources: list[Source], start: datetime) -> list[Line]:
        found = [line for source in sources for line in self._of(source, start) if line.id not in self._given]
        self._given.update(line.id for line in found)
        return sorted(found, key=lambda line: line.at)

    def _of(self, source: Source, start: datetime) -> Iterator[Line]:
        asked: dict[str, Any] = {"logGroupName": source.group, "startTime": int(start.timestamp() * 1000)}
        if source.streams:
            asked["logStreamNamePrefix"] = source.streams
        if self._pattern:
            asked["filterPattern"] = self._pattern
        try:
            for event in self._logs.get_paginator("filter_log_events").paginate(**asked).search("events[]"):
                if event:
                    yield _line(event, source)
        except ClientError as error:
            # A group comes with its first line.
            if error.response["Error"]["Code"] != "ResourceNotFoundException":
                raise


def _line(event: dict[str, Any], source: Source) -> Line:
    at = datetime.fromtimestamp(event["timestamp"] / 1000, UTC)
    stream = event["logStreamName"]
    # Without an id of its own an event is known by all that it says.
    known = event.get("eventId") or f"{stream} {event['timestamp']} {event['message']}"
    return Line(at, stream, source.step, event["message"].rstrip("\n"), known)


def _write(line: Line, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(_document(line)) + "\n")
    else:
        where = f"{line.step}  " if line.step else ""
        sys.stdout.write(f"{line.at:%H:%M:%S}  {where}{printable(line.message)}\n")
    sys.stdout.flush()


def _document(line: Line) -> dict[str, str]:
    found = {"at": line.at.isoformat(timespec="milliseconds"), "stream": line.stream, "message": line.message}
    return found | ({"step": line.step} if line.step else {})
