"""What a job says, from CloudWatch Logs: new lines as they come, and the last ones of what failed."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ops.weather import sentence_of

# CloudWatch Logs' client, made at run time.
Client = Any
LAST_LINES = 12
# SageMaker makes the group with the first job of a kind, and the stream with a job's first line.
NOT_YET = ("ResourceNotFoundException",)


@dataclass
class JobLog:
    """Each instance writes a stream of its own, JOB/algo-1-..., and the first one leads."""

    client: Client
    group: str
    job: str
    _tokens: dict[str, str] = field(default_factory=dict)

    def new(self, *, lead_only: bool = False) -> Iterator[str]:
        """Lines that came since the last time; of several instances those of the first alone, where asked."""
        for stream in self._streams():
            if not lead_only or "/algo-1" in stream:
                yield from self._read(stream)

    def last(self, count: int = LAST_LINES) -> list[str]:
        """Of the instance that spoke last: the others often only say that they miss one."""
        spoken: list[tuple[int, str]] = []
        for stream in self._streams():
            try:
                found = self.client.get_log_events(
                    logGroupName=self.group, logStreamName=stream, limit=count, startFromHead=False
                )
            except ClientError as error:
                if error.response["Error"]["Code"] not in NOT_YET:
                    raise
                continue
            spoken += [(one["timestamp"], line) for one in found["events"] for line in _lines(one)]
        return [message for _, message in sorted(spoken, key=lambda one: one[0])[-count:]]

    def _streams(self) -> list[str]:
        pages = self.client.get_paginator("describe_log_streams").paginate(
            logGroupName=self.group, logStreamNamePrefix=f"{self.job}/"
        )
        try:
            return sorted(name for name in pages.search("logStreams[].logStreamName") if name)
        except ClientError as error:
            if error.response["Error"]["Code"] not in NOT_YET:
                raise
            return []

    def _read(self, stream: str) -> Iterator[str]:
        while True:
            token = self._tokens.get(stream)
            found = self.client.get_log_events(
                logGroupName=self.group,
                logStreamName=stream,
                startFromHead=True,
                **({"nextToken": token} if token else {}),
            )
            for event in found["events"]:
                yield from _lines(event)
            following = found.get("nextForwardToken")
            # The same token again: the end, for now.
            if not following or following == token:
                return
            self._tokens[stream] = following


def last_words(log: JobLog, job: str = "") -> str:
    """To stand below why a job failed; `job` names it where the sentence before speaks of something else."""
    try:
        seen = log.last()
    except (BotoCoreError, ClientError) as error:
        # It is told all the same that, and why, the job failed.
        return f"{f'The log of {job}' if job else 'Its log'} cannot be read. {sentence_of(error)}"
    if not seen:
        return f"{job or 'It'} has no log."
    return "\n".join([f"The last lines of {f'the log of {job}' if job else 'its log'}:", *(f"  {one}" for one in seen)])


def _lines(event: dict[str, Any]) -> list[str]:
    """Systems Manager's agent sends all that was said since it last looked as one event."""
    return [line.rstrip() for line in str(event["message"]).rstrip("\n").split("\n")]
