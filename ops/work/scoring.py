"""A model scored on test pictures by a job like the pipeline's own evaluating step. Done once, it is only read."""

import hashlib
import json
import time
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from ops.stage import Stage
from ops.work.datasets import NOT_THERE, is_there
from ops.work.definition import PREPARED, RUN_ID, TRAINED, Definition
from ops.work.jobs import PROCESSING, Job, described
from ops.work.requests import bounded, validated

Json = dict[str, Any]
STEP, SPLIT, REPORT = "Evaluate", "/test/", "evaluation.json"
PUBLISH = "--publish"


@dataclass(frozen=True)
class Scoring:
    """Three addresses in S3."""

    stage: Stage
    model: str
    """Of a model.tar.gz."""
    prepared: str
    """Of the data set whose test/ it is scored on."""
    output: str
    """Of the folder that keeps the report; another one is another scoring."""

    def pictures_are_there(self) -> bool:
        """What a run leaves is forgotten after data.run_days."""
        return self._is_there(f"{self.prepared}{SPLIT}")

    def model_is_there(self) -> bool:
        return bool(self.model) and self._is_there(self.model)

    def known(self) -> Json | None:
        bucket, key = parts(f"{self.output}/{REPORT}")
        try:
            return dict(json.loads(self.stage.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()))
        except ClientError as error:
            if error.response["Error"]["Code"] in NOT_THERE:
                return None
            raise

    def job(self, status: str) -> Job | None:
        """The youngest in this state that scores, or scored, just this."""
        sagemaker = self.stage.client("sagemaker")
        found = sagemaker.list_processing_jobs(
            NameContains=self._name, StatusEquals=status, SortBy="CreationTime", SortOrder="Descending"
        )["ProcessingJobSummaries"]
        return described(sagemaker, PROCESSING, found[0]["ProcessingJobName"]) if found else None

    def under_way(self) -> str:
        """The job's name: started before, it goes on where nobody waited."""
        running = self.job("InProgress")
        return running.name if running else self._start()

    @property
    def _name(self) -> str:
        told = "\n".join((self.model, self.prepared, self.output)).encode()
        # With room for the time.
        return bounded(self.stage.names.own_jobs, f"score-{hashlib.sha256(told).hexdigest()[:12]}", spare=11)

    def _start(self) -> str:
        sagemaker = self.stage.client("sagemaker")
        # A job's name is never free again, and an earlier one of this name may have failed.
        request = {"ProcessingJobName": f"{self._name}-{int(time.time())}", **self._request()}
        sagemaker.create_processing_job(**validated(sagemaker, "CreateProcessingJob", request))
        return str(request["ProcessingJobName"])

    def _request(self) -> Json:
        """The deployed step's arguments, with other places in it, and without what publishes."""
        definition = Definition.deployed(self.stage.client("sagemaker"), self.stage.output("training", "PipelineName"))
        found = definition.arguments(STEP, {RUN_ID: "none", TRAINED: self.model, PREPARED: self.prepared})
        outputs = found["ProcessingOutputConfig"]
        outputs["Outputs"] = [one for one in outputs["Outputs"] if one["OutputName"] == "evaluation"]
        outputs["Outputs"][0]["S3Output"]["S3Uri"] = self.output
        words = found["AppSpecification"]["ContainerArguments"]
        if PUBLISH in words:
            at = words.index(PUBLISH)
            del words[at : at + 2]
        return found

    def _is_there(self, uri: str) -> bool:
        return is_there(self.stage.client("s3"), *parts(uri))


def parts(uri: str) -> tuple[str, str]:
    """Bucket and key."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key
