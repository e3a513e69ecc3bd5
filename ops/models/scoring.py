"""The live model's score on the pictures that a new one was judged by."""

import time
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ops.errors import WorkFailed
from ops.models.registry import Version
from ops.stage import Stage
from ops.work.jobs import PROCESSING, described
from ops.work.logs import JobLog, last_words
from ops.work.scoring import Scoring

Json = dict[str, Any]


@dataclass(frozen=True)
class LiveScore:
    """Of the artefact that is live on the test pictures of a version's run."""

    stage: Stage
    version: Version
    artifact: str

    @cached_property
    def _scoring(self) -> Scoring:
        bucket, run = self.stage.output("data", "BucketName"), self.version.run_url
        sha256 = self.artifact.split("/")[1]
        return Scoring(self.stage, f"s3://{bucket}/{self.artifact}", f"{run}/data", f"{run}/evaluation/live/{sha256}")

    def pictures_are_there(self) -> bool:
        return bool(self.version.run_url) and self._scoring.pictures_are_there()

    def result(self) -> Json:
        """Started before, it is waited for; it goes on where nobody waits."""
        found = self._scoring.known()
        if found is not None:
            return found
        job = self._scoring.under_way()
        self._wait(job)
        found = self._scoring.known()
        if found is None:
            raise WorkFailed(f"The job {job} has left nothing in {self._scoring.output}/.")
        return found

    def _wait(self, name: str) -> None:
        sagemaker = self.stage.client("sagemaker")
        while not (job := described(sagemaker, PROCESSING, name)).has_ended:
            time.sleep(self.stage.account.poll_seconds)
        if job.status != "Completed":
            why = job.reason or "it says no reason"
            words = last_words(JobLog(self.stage.client("logs"), PROCESSING.log, name))
            raise WorkFailed(f"The job {name}, which scores the live model, ended as {job.status}: {why}\n{words}")
