"""Processing jobs: inputs at the paths that the request names, its entrypoint on every instance, outputs to S3."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass

from local.authority import Credentials
from local.json_service import Call, now
from local.records import Document
from local.sagemaker import channels, condition_keys
from local.sagemaker.cluster import GRACE_SECONDS, Cluster, Ending
from local.sagemaker.host import Host
from local.sagemaker.jobs import Job, JobFailed, Jobs
from local.sagemaker.keys import require_of_role
from local.sagemaker.names import not_available, validation
from local.sagemaker.pull import pull
from local.sagemaker.store import Store
from local.sagemaker.training_request import ENCRYPTION, encrypts_in_vain

LOG_GROUP = "/aws/sagemaker/ProcessingJobs"
FOLDERS = ("config", "processing")
DEFAULT_RUNTIME_SECONDS = 86400
SEND_CONTINUOUS_SECONDS = 2.0
STATUSES = {Ending.FINISHED: "Completed", Ending.STOPPED: "Stopped", Ending.OVERRAN: "Stopped"}


@dataclass(frozen=True)
class ProcessingJobs:
    """One kind of job."""

    jobs: Jobs
    name: str = "ProcessingJob"

    def check(self, call: Call) -> None:
        for fault in _faults(call.params):
            raise not_available(f"A processing job with {fault}")
        cluster = call.params["ProcessingResources"]["ClusterConfig"]
        for name in ("InstanceType", "InstanceCount"):
            if not cluster.get(name):
                raise validation(f"ProcessingResources.ClusterConfig.{name} is required to create a processing job.")

    def role(self, call: Call) -> str:
        return str(call.params["RoleArn"])

    def passes_role(self) -> bool:
        return True

    def first(self, call: Call) -> Document:
        return {}

    def instances(self, call: Call) -> int:
        return int(call.params["ProcessingResources"]["ClusterConfig"]["InstanceCount"])

    def context(self, call: Call) -> Document:
        return condition_keys.of_processing(call)

    def failed(self, job: Job) -> Document:
        return {"ProcessingEndTime": now()}

    def stop(self, job: Job) -> Document:
        return {}

    def run(self, job: Job) -> Document:
        return Processing(self.jobs, job).run()


class Processing:
    """One job from its launch to its end."""

    def __init__(self, jobs: Jobs, job: Job) -> None:
        self.jobs = jobs
        self.job = job
        self.request = job.document()
        self.isolated = self.request.get("NetworkConfig", {}).get("EnableNetworkIsolation", False)
        self.cluster = Cluster(job, jobs.clock.pause(GRACE_SECONDS), self.isolated)

    def run(self) -> Document:
        request = self.request
        credentials = self.job.assume(request["RoleArn"])
        pull(self.jobs.images, request["AppSpecification"]["ImageUri"], credentials)
        resources = request["ProcessingResources"]["ClusterConfig"]
        require_of_role(
            self.job.scope, resources.get("VolumeKmsKeyId"), credentials, request.get("_key_by_caller", False)
        )
        key = request.get("ProcessingOutputConfig", {}).get("KmsKeyId") or None
        network = request.get("NetworkConfig", {}).get("VpcConfig")
        inside = self.job.inside(request["RoleArn"], credentials, network)
        inputs, outputs = Store(inside, self.jobs.gateway), Store(inside, self.jobs.gateway, key)
        self.cluster.make(resources["InstanceCount"], FOLDERS)
        try:
            self._prepare(inputs)
            ending = self._process(credentials, inside, outputs)
            if ending is Ending.FAILED:
                raise JobFailed(self.cluster.failure("message", "failure"))
            if not self.job.closing.is_set():
                self._send(outputs, "EndOfJob", "Continuous")
            return {
                "ProcessingJobStatus": STATUSES[ending],
                "ProcessingEndTime": now(),
                **self._message(),
            }
        finally:
            self.cluster.close()

    def _prepare(self, inputs: Store) -> None:
        hosts = self.cluster.hosts
        for one in self.request.get("ProcessingInputs", []):
            source = one["S3Input"]
            channels.distribute(
                source["S3Uri"],
                [host.path(source["LocalPath"]) for host in hosts],
                inputs,
                sharded=source.get("S3DataDistributionType") == "ShardedByS3Key",
            )
        known = {key: value for key, value in self.request.items() if not key.startswith("_")}
        for host in hosts:
            for _, output in self._outputs():
                host.path(output["LocalPath"]).mkdir(parents=True, exist_ok=True)
            config = host.base / "config"
            (config / "processingjobconfig.json").write_text(json.dumps(known))
            instance_type = self.request["ProcessingResources"]["ClusterConfig"]["InstanceType"]
            (config / "resourceconfig.json").write_text(self.cluster.resources(host, instance_type))

    def _process(self, outside: Credentials, inside: Credentials, outputs: Store) -> Ending:
        if self.job.stopping.is_set():
            return Ending.STOPPED
        self.job.update(ProcessingStartTime=now())
        application = self.request["AppSpecification"]
        words = [*application["ContainerEntrypoint"], *application.get("ContainerArguments", [])]
        for host in self.cluster.hosts:
            host.start([host.here(word) for word in words], self._environment(inside, host), host.folder)
        self.cluster.follow(LOG_GROUP, outside, self.jobs.gateway)
        sent = time.monotonic()

        def tick() -> None:
            nonlocal sent
            if time.monotonic() - sent >= SEND_CONTINUOUS_SECONDS:
                sent = time.monotonic()
                self._send(outputs, "Continuous")

        limit = self.request.get("StoppingCondition", {}).get("MaxRuntimeInSeconds", DEFAULT_RUNTIME_SECONDS)
        try:
            return self.cluster.watch(limit, tick)
        finally:
            for host in self.cluster.hosts:
                host.kill()

    def _environment(self, credentials: Credentials, host: Host) -> dict[str, str]:
        reach = {} if self.isolated else {**self.jobs.gateway, **credentials.environment()}
        return {
            **host.told(self.request.get("Environment", {})),
            **reach,
            "PROCESSING_JOB_NAME": self.job.name,
            "PROCESSING_JOB_ARN": self.job.arn,
            "AWS_REGION": self.job.scope.region,
        }

    def _outputs(self) -> list[tuple[str, Document]]:
        listed = self.request.get("ProcessingOutputConfig", {}).get("Outputs", [])
        return [(one["OutputName"], one["S3Output"]) for one in listed]

    def _send(self, store: Store, *modes: str) -> None:
        for _, output in self._outputs():
            if output["S3UploadMode"] in modes:
                for host in self.cluster.hosts:
                    store.send(host.path(output["LocalPath"]), output["S3Uri"])

    def _message(self) -> Document:
        said = next((text for host in self.cluster.hosts if (text := host.said("message"))), "")
        return {"ExitMessage": said} if said else {}


def _faults(params: Document) -> Iterator[str]:
    if params.get("ExperimentConfig"):
        yield "ExperimentConfig"
    cluster = params["ProcessingResources"]["ClusterConfig"]
    if encrypts_in_vain(params.get("NetworkConfig", {}), cluster.get("InstanceCount", 1)):
        yield ENCRYPTION
    if cluster.get("InstancePreferences"):
        yield "ClusterConfig.InstancePreferences"
    if not params["AppSpecification"].get("ContainerEntrypoint"):
        yield "no ContainerEntrypoint (an image's own)"
    for one in params.get("ProcessingInputs", []):
        yield from _input_faults(one)
    for one in params.get("ProcessingOutputConfig", {}).get("Outputs", []):
        if not one.get("S3Output", {}).get("LocalPath"):
            yield f"an output without S3Output.LocalPath ({one['OutputName']})"


def _input_faults(one: Document) -> Iterator[str]:
    source, name = one.get("S3Input", {}), one["InputName"]
    if not source.get("LocalPath") or one.get("AppManaged"):
        yield f"an input without S3Input.LocalPath ({name})"
    elif source["S3DataType"] != "S3Prefix":
        yield f"an input with S3DataType {source['S3DataType']} ({name})"
    elif source.get("S3InputMode", "File") != "File":
        yield f"an input with S3InputMode {source['S3InputMode']} ({name})"
    elif source.get("S3CompressionType", "None") != "None":
        yield f"an input with S3CompressionType {source['S3CompressionType']} ({name})"
