"""Pipeline runs and jobs that still work for a stage. A job is ours by its role, which no other stage has."""

import functools
import time
import uuid
from collections.abc import Callable, Iterable
from typing import Any

from ops.errors import OperatorError
from ops.work.jobs import PROCESSING, TRAINING, TRANSFORM, TUNING, Kind, described, role_of

# SageMaker's client, made at run time.
Client = Any
# A tuning first, since it starts trainings.
KINDS = (TUNING, TRAINING, PROCESSING, TRANSFORM)
# A container has two minutes to end, and what it leaves is uploaded after that.
STOP_SECONDS = 1800


class Jobs:
    """What still works is stopped and seen to its end: a job that stops still writes, and needs its role to do so."""

    def __init__(self, sagemaker: Client, poll_seconds: float) -> None:
        self._sagemaker, self._poll_seconds = sagemaker, poll_seconds

    def stop_runs(self, pipeline: str) -> list[str]:
        """Stop the runs of this pipeline; their ids."""
        found = self._runs(pipeline)
        for run, status in found.items():
            if status == "Executing":
                self._sagemaker.stop_pipeline_execution(PipelineExecutionArn=run, ClientRequestToken=uuid.uuid4().hex)
        self._see_to_their_end(set(found), lambda: self._runs(pipeline))
        return [run.rsplit("/", 1)[-1] for run in found]

    def stop(self, roles: set[str]) -> list[str]:
        """Stop the jobs that run with one of these roles (names); the jobs' names."""
        stopped: list[str] = []
        for kind in KINDS:
            found = self._jobs(kind)
            ours = {name: status for name, status in found.items() if self._role(kind, name) in roles}
            for name, status in ours.items():
                if status == "InProgress":
                    getattr(self._sagemaker, f"stop_{kind.call}")(**{kind.name_key: name})
            self._see_to_their_end(set(ours), functools.partial(self._jobs, kind))
            stopped += ours
        return stopped

    def _see_to_their_end(self, ours: set[str], working: Callable[[], Iterable[str]]) -> None:
        deadline = time.monotonic() + STOP_SECONDS
        while ours and (left := ours.intersection(working())):
            if time.monotonic() > deadline:
                raise OperatorError(
                    f"{', '.join(sorted(left))} does not stop: see its log, then run the same command again."
                )
            time.sleep(self._poll_seconds)

    def _runs(self, pipeline: str) -> dict[str, str]:
        """ARN -> status of those that have not ended."""
        pages = self._sagemaker.get_paginator("list_pipeline_executions").paginate(PipelineName=pipeline)
        return {
            run["PipelineExecutionArn"]: run["PipelineExecutionStatus"]
            for run in pages.search("PipelineExecutionSummaries[]")
            if run["PipelineExecutionStatus"] in ("Executing", "Stopping")
        }

    def _role(self, kind: Kind, name: str) -> str:
        return role_of(self._sagemaker, described(self._sagemaker, kind, name).document)

    def _jobs(self, kind: Kind) -> dict[str, str]:
        """Name -> status of those that have not ended, whosoever they are."""
        found: dict[str, str] = {}
        for status in ("InProgress", "Stopping"):
            pages = self._sagemaker.get_paginator(f"list_{kind.call}s").paginate(StatusEquals=status)
            found |= dict.fromkeys(pages.search(f"{kind.name}Summaries[].{kind.name_key}"), status)
        return found
