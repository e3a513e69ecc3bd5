"""The live model's score on the pictures that a new one was judged by: a processing job like the pipeline's own."""

import json
import time
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from ops.errors import WorkFailed
from ops.models.card import place
from ops.models.registry import Version
from ops.stage import Stage
from ops.work.jobs import ENDED

STEP = "Evaluate"
Json = dict[str, Any]


@dataclass(frozen=True)
class Scoring:
    """Of the artefact that is live on the test pictures of a version's run. Done once, it is only read."""

    stage: Stage
    version: Version
    artifact: str

    @property
    def _sha256(self) -> str:
        return self.artifact.split("/")[1]

    @property
    def _output(self) -> str:
        return f"{self.version.run_url}/evaluation/live/{self._sha256}"

    def pictures_are_there(self) -> bool:
        """A run's folder is forgotten after data.run_days."""
        if not self.version.run_url:
            return False
        bucket, prefix = place(f"{self.version.run_url}/data/test/")
        return bool(self.stage.client("s3").list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1).get("KeyCount"))

    def result(self) -> Json:
        """Started before, it is waited for; it goes on where nobody waits."""
        found = self._read()
        if found is not None:
            return found
        job = self._running() or self._start()
        self._wait(job)
        found = self._read()
        if found is None:
            raise WorkFailed(f"The job {job} has left nothing at {self._output}/evaluation.json.")
        return found

    def _read(self) -> Json | None:
        bucket, key = place(f"{self._output}/evaluation.json")
        try:
            return dict(json.loads(self.stage.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()))
        except ClientError as error:
            if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
                return None
            raise

    @property
    def _name(self) -> str:
        return f"{self.stage.names.own_jobs}score-{self.version.number}-{self._sha256[:12]}"

    def _running(self) -> str | None:
        found = self.stage.client("sagemaker").list_processing_jobs(NameContains=self._name, StatusEquals="InProgress")
        return next((str(one["ProcessingJobName"]) for one in found["ProcessingJobSummaries"]), None)

    def _start(self) -> str:
        # A job's name is never free again, and an earlier one of this name may have failed.
        name = f"{self._name}-{int(time.time())}"
        self.stage.client("sagemaker").create_processing_job(ProcessingJobName=name, **self._request())
        return name

    def _request(self) -> Json:
        """The deployed pipeline's own evaluating step, with other places in it."""
        pipeline = self.stage.output("training", "PipelineName")
        found = self.stage.client("sagemaker").describe_pipeline(PipelineName=pipeline)
        steps = {one["Name"]: one for one in json.loads(found["PipelineDefinition"])["Steps"]}
        request: Json = dict(steps[STEP]["Arguments"])
        bucket = self.stage.output("data", "BucketName")
        inputs = {"model": f"s3://{bucket}/{self.artifact}", "test": f"{self.version.run_url}/data/test/"}
        for one in request["ProcessingInputs"]:
            one["S3Input"]["S3Uri"] = inputs.get(one["InputName"], one["S3Input"]["S3Uri"])
        outputs = request["ProcessingOutputConfig"]
        outputs["Outputs"] = [one for one in outputs["Outputs"] if one["OutputName"] == "evaluation"]
        outputs["Outputs"][0]["S3Output"]["S3Uri"] = self._output
        words = request["AppSpecification"]["ContainerArguments"]
        if "--publish" in words:
            at = words.index("--publish")
            del words[at : at + 2]
        return request

    def _wait(self, job: str) -> None:
        sagemaker = self.stage.client("sagemaker")
        while True:
            found = sagemaker.describe_processing_job(ProcessingJobName=job)
            if found["ProcessingJobStatus"] in ENDED:
                break
            time.sleep(self.stage.account.poll_seconds)
        if found["ProcessingJobStatus"] != "Completed":
            why = found.get("ExitMessage") or found.get("FailureReason") or "it says no reason"
            raise WorkFailed(
                f"The job {job}, which scores the live model, ended as {found['ProcessingJobStatus']}: {why}"
            )
