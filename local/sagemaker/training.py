"""Training jobs: channels in, the image's program or the job's own entrypoint on every instance, a model out."""

import json
import time
from dataclasses import dataclass
from pathlib import Path

from local.authority import Credentials
from local.home import INTERRUPTION
from local.images import Image
from local.json_service import Call, now
from local.records import Document
from local.sagemaker import channels, condition_keys, training_request
from local.sagemaker.archive import pack
from local.sagemaker.checkpoints import Checkpoints
from local.sagemaker.cluster import GRACE_SECONDS, Cluster, Ending
from local.sagemaker.host import Host
from local.sagemaker.instance import LaunchFailed
from local.sagemaker.jobs import Job, JobFailed, Jobs
from local.sagemaker.keys import require_of_role
from local.sagemaker.metric_lines import MetricLines
from local.sagemaker.pull import pull
from local.sagemaker.role_client import role_client
from local.sagemaker.store import Store

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
FOLDERS = ("input/config", "input/data", "model", "output/data", "checkpoints", "code")
LOOK_AT_LOGS_SECONDS, SEND_CHECKPOINTS_SECONDS = 1.0, 2.0
DEFAULT_RUNTIME_SECONDS = 86400
# How an attempt ended: what the job's two statuses then are.
ENDED = {
    Ending.FINISHED: ("Completed", "Completed"),
    Ending.STOPPED: ("Stopped", "Stopped"),
    Ending.OVERRAN: ("Stopped", "MaxRuntimeExceeded"),
}
MESSAGES = {
    "Starting": "Launching requested ML instances",
    "Downloading": "Downloading input data",
    "Training": "Training image download completed. Training in progress.",
    "Uploading": "Uploading generated training model",
    "Interrupted": "Training job interrupted: the spot capacity was taken back",
    "Stopping": "Stopping the training job",
    "Stopped": "Training job stopped",
    "Completed": "Training job completed",
    "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds",
    "MaxWaitTimeExceeded": "Training job wait exceeded MaxWaitTimeInSeconds",
    "Failed": "Training job failed",
}


def moved(record: Document, status: str) -> Document:
    """The members that change with the secondary status."""
    time_ = now()
    passed = [dict(one) for one in record.get("SecondaryStatusTransitions", [])]
    if passed and passed[-1]["Status"] == status:
        return {}
    if passed:
        passed[-1]["EndTime"] = time_
    passed.append({"Status": status, "StartTime": time_, "StatusMessage": MESSAGES[status]})
    if status in ("Completed", "Failed", "Stopped", "MaxRuntimeExceeded", "MaxWaitTimeExceeded"):
        passed[-1]["EndTime"] = time_
    return {"SecondaryStatus": status, "SecondaryStatusTransitions": passed}


@dataclass(frozen=True)
class TrainingJobs:
    """One kind of job."""

    jobs: Jobs
    name: str = "TrainingJob"

    def check(self, call: Call) -> None:
        training_request.refuse(call.params)

    def role(self, call: Call) -> str:
        return str(call.params["RoleArn"])

    def passes_role(self) -> bool:
        return True

    def first(self, call: Call) -> Document:
        return self.beginning(call.params)

    def beginning(self, params: Document) -> Document:
        return {
            **moved({}, "Starting"),
            # What says nothing else is so; a description says it.
            "EnableNetworkIsolation": params.get("EnableNetworkIsolation", False),
            "EnableInterContainerTrafficEncryption": params.get("EnableInterContainerTrafficEncryption", False),
            "EnableManagedSpotTraining": params.get("EnableManagedSpotTraining", False),
        }

    def instances(self, call: Call) -> int:
        return int(call.params["ResourceConfig"]["InstanceCount"])

    def context(self, call: Call) -> Document:
        return condition_keys.of_training(call)

    def failed(self, job: Job) -> Document:
        return {**moved(job.document(), "Failed"), "TrainingEndTime": now()}

    def stop(self, job: Job) -> Document:
        return moved(job.document(), "Stopping")

    def run(self, job: Job) -> Document:
        began, seconds = time.monotonic(), 0.0
        while True:
            attempt = Attempt(self.jobs, job)
            ending = attempt.run()
            seconds += attempt.seconds
            if ending is not Ending.INTERRUPTED:
                break
            job.update(**moved(job.document(), "Interrupted"))
            waited = job.document()["StoppingCondition"]["MaxWaitTimeInSeconds"]
            if time.monotonic() - began >= waited:
                return self._ended(job, "Stopped", "MaxWaitTimeExceeded", seconds, attempt)
            job.update(**moved(job.document(), "Starting"))
        return self._ended(job, *ENDED[ending], seconds, attempt)

    @staticmethod
    def _ended(job: Job, status: str, secondary: str, seconds: float, attempt: "Attempt") -> Document:
        record = job.document()
        metrics = list(attempt.metrics.last.values()) if attempt.metrics else []
        return {
            "TrainingJobStatus": status,
            **moved(record, secondary),
            "TrainingEndTime": now(),
            "TrainingTimeInSeconds": max(1, round(seconds)),
            "BillableTimeInSeconds": max(1, round(seconds)),
            "FinalMetricDataList": metrics,
        }


class Attempt:
    """A job's instances from their launch to their end; a spot job may need several."""

    def __init__(self, jobs: Jobs, job: Job) -> None:
        self.jobs = jobs
        self.job = job
        self.seconds = 0.0
        self.request = job.document()
        self.metrics: MetricLines | None = None
        isolated = self.request["EnableNetworkIsolation"]
        self.cluster = Cluster(job, jobs.clock.pause(GRACE_SECONDS), isolated)

    def run(self) -> Ending:
        request, algorithm = self.request, self.request["AlgorithmSpecification"]
        credentials = self.job.assume(request["RoleArn"])
        image = pull(self.jobs.images, algorithm["TrainingImage"], credentials)
        require_of_role(
            self.job.scope,
            request["ResourceConfig"].get("VolumeKmsKeyId"),
            credentials,
            request.get("_key_by_caller", False),
        )
        inside = self.job.inside(request["RoleArn"], credentials, request.get("VpcConfig"))
        inputs = Store(inside, self.jobs.gateway)
        outputs = Store(inside, self.jobs.gateway, request["OutputDataConfig"].get("KmsKeyId") or None)
        # Checkpoints are under the bucket's own key: the request names none for them.
        checkpoints = Checkpoints(request["CheckpointConfig"], inputs) if request.get("CheckpointConfig") else None
        cloudwatch = role_client("cloudwatch", credentials, self.jobs.gateway, read_seconds=5)
        self.metrics = MetricLines(self.job.name, algorithm.get("MetricDefinitions", []), cloudwatch)
        self.cluster.make(request["ResourceConfig"]["InstanceCount"], FOLDERS)
        try:
            self._prepare(inputs, checkpoints)
            ending = self._train(image, credentials, inside, checkpoints)
            self.metrics.read(self.cluster.hosts, whole=True)
            if checkpoints is not None and not self.job.closing.is_set():
                checkpoints.send(self.cluster.hosts)
            if ending is Ending.FAILED:
                raise JobFailed(self.cluster.failure("failure"))
            if ending is not Ending.INTERRUPTED and not self.job.closing.is_set():
                self._upload(outputs)
            return ending
        finally:
            self.cluster.close()

    def _prepare(self, inputs: Store, checkpoints: Checkpoints | None) -> None:
        self.job.update(**moved(self.job.document(), "Downloading"))
        listed, mode = self.request.get("InputDataConfig", []), self._mode()
        channels.bring(listed, self.cluster.hosts, inputs)
        if checkpoints is not None:
            checkpoints.bring(self.cluster.hosts)
        for host in self.cluster.hosts:
            config = host.base / "input" / "config"
            told = {name: host.here(value) for name, value in self.request.get("HyperParameters", {}).items()}
            (config / "hyperparameters.json").write_text(json.dumps(told))
            (config / "inputdataconfig.json").write_text(channels.as_file(listed, mode))
            (config / "resourceconfig.json").write_text(
                self.cluster.resources(host, self.request["ResourceConfig"]["InstanceType"])
            )

    def _mode(self) -> str:
        return str(self.request["AlgorithmSpecification"]["TrainingInputMode"])

    def _train(
        self, image: Image, outside: Credentials, inside: Credentials, checkpoints: Checkpoints | None
    ) -> Ending:
        if self.job.stopping.is_set():
            return Ending.STOPPED
        self.job.update(**moved(self.job.document(), "Training"), TrainingStartTime=now())
        began = time.monotonic()
        for host in self.cluster.hosts:
            words, folder = self._program(image, host)
            host.start(words, self._environment(inside, host), folder)
        self.cluster.follow(LOG_GROUP, outside, self.jobs.gateway)
        looked = sent = began

        def tick() -> None:
            nonlocal looked, sent
            if time.monotonic() - looked >= LOOK_AT_LOGS_SECONDS:
                looked = time.monotonic()
                if self.metrics is not None:
                    self.metrics.read(self.cluster.hosts)
            if checkpoints is not None and time.monotonic() - sent >= SEND_CHECKPOINTS_SECONDS:
                sent = time.monotonic()
                checkpoints.send(self.cluster.hosts)

        limit = self.request["StoppingCondition"].get("MaxRuntimeInSeconds", DEFAULT_RUNTIME_SECONDS)
        spot = self.request.get("EnableManagedSpotTraining", False)
        try:
            return self.cluster.watch(limit, tick, self.job.folder / INTERRUPTION if spot else None)
        finally:
            self.seconds = time.monotonic() - began
            for host in self.cluster.hosts:
                host.kill()

    def _program(self, image: Image, host: Host) -> tuple[list[str], Path]:
        """The request's own entrypoint, which starts at the root of its container, or what the image runs."""
        algorithm = self.request["AlgorithmSpecification"]
        arguments = algorithm.get("ContainerArguments", [])
        if algorithm.get("ContainerEntrypoint"):
            return [host.here(word) for word in (*algorithm["ContainerEntrypoint"], *arguments)], host.folder
        if not image.train:
            raise LaunchFailed(
                f"The image '{algorithm['TrainingImage']}' trains nothing: its entry in the image registry file has no "
                "train, and the job no ContainerEntrypoint"
            )
        return [*image.training(), *map(host.here, arguments)], image.folder

    def _environment(self, credentials: Credentials, host: Host) -> dict[str, str]:
        """An isolated container reaches nothing, so that it gets nobody's credentials either."""
        reach = {} if self.request["EnableNetworkIsolation"] else {**self.jobs.gateway, **credentials.environment()}
        return {
            **host.told(self.request.get("Environment", {})),
            **reach,
            "TRAINING_JOB_NAME": self.job.name,
            "TRAINING_JOB_ARN": self.job.arn,
            "AWS_REGION": self.job.scope.region,
        }

    def _upload(self, store: Store) -> None:
        self.job.update(**moved(self.job.document(), "Uploading"))
        place = f"{self.request['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{self.job.name}/output"
        for folder, name in (("model", "model.tar.gz"), ("output/data", "output.tar.gz")):
            archive = self.job.folder / name
            if pack([host.base / folder for host in self.cluster.hosts], archive) or folder == "model":
                store.write(archive, f"{place}/{name}")
        self.job.update(ModelArtifacts={"S3ModelArtifacts": f"{place}/model.tar.gz"})
