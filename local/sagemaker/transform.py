"""Batch transform jobs: objects in, each sent to the model's container whole or line by line, its answers out."""

import http.client
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath

from local.authority import Credentials
from local.json_service import Call, JsonService, now
from local.records import Document
from local.sagemaker import condition_keys
from local.sagemaker.artefact import fetch, s3_client, unpack
from local.sagemaker.container_log import ContainerLog
from local.sagemaker.execution_parameters import STRATEGIES, wishes
from local.sagemaker.instance import Instance, LaunchFailed
from local.sagemaker.jobs import Job, JobFailed, Jobs
from local.sagemaker.keys import require_of_role
from local.sagemaker.names import not_available, validation
from local.sagemaker.pull import pull
from local.sagemaker.role_client import role_client
from local.sagemaker.store import Store, TransferFailed, place

LOG_GROUP = "/aws/sagemaker/TransformJobs"
UNAVAILABLE = ("DataProcessing", "ModelClientConfig", "DataCaptureConfig", "ExperimentConfig")
MEGABYTE = 1024**2
DEFAULT_PAYLOAD_MB, ANSWER_SECONDS = 6, 600.0
SUCCESS = range(200, 300)
# In the request, and in a container's environment.
SHAPE = {
    "MaxConcurrentTransforms": "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS",
    "MaxPayloadInMB": "SAGEMAKER_MAX_PAYLOAD_IN_MB",
    "BatchStrategy": "SAGEMAKER_BATCH_STRATEGY",
}


@dataclass(frozen=True)
class TransformJobs:
    """One kind of job; it works as its model's role."""

    jobs: Jobs
    launch_seconds: float
    name: str = "TransformJob"

    @property
    def service(self) -> JsonService:
        return self.jobs.service

    def check(self, call: Call) -> None:
        for fault in _faults(call.params):
            raise not_available(f"A transform job with {fault}")
        params = call.params
        self.service.required(call.scope, "Model", params["ModelName"])
        splits = params["TransformInput"].get("SplitType", "None") == "Line"
        if params.get("BatchStrategy") == "SingleRecord" and not splits:
            raise validation("BatchStrategy SingleRecord needs SplitType Line: without it there are no records.")
        if params.get("MaxConcurrentTransforms", 1) * params.get("MaxPayloadInMB", DEFAULT_PAYLOAD_MB) > 100:  # noqa: PLR2004
            raise validation("MaxConcurrentTransforms * MaxPayloadInMB must not be above 100 MB.")

    def role(self, call: Call) -> str:
        return str(self.service.required(call.scope, "Model", call.params["ModelName"])["ExecutionRoleArn"])

    def passes_role(self) -> bool:
        """Whoever made the model has passed it."""
        return False

    def first(self, call: Call) -> Document:
        return {"_model": self.service.required(call.scope, "Model", call.params["ModelName"])}

    def instances(self, call: Call) -> int:
        return int(call.params["TransformResources"]["InstanceCount"])

    def context(self, call: Call) -> Document:
        return condition_keys.of_transform(call)

    def failed(self, job: Job) -> Document:
        return {"TransformEndTime": now()}

    def stop(self, job: Job) -> Document:
        return {}

    def run(self, job: Job) -> Document:
        request = job.document()
        role = request["_model"]["ExecutionRoleArn"]
        credentials = job.assume(role)
        require_of_role(
            job.scope,
            request["TransformResources"].get("VolumeKmsKeyId"),
            credentials,
            request.get("_key_by_caller", False),
        )
        inside = job.inside(role, credentials, request["_model"].get("VpcConfig"))
        inputs = Store(inside, self.jobs.gateway)
        outputs = Store(inside, self.jobs.gateway, request["TransformOutput"].get("KmsKeyId") or None)
        keys = inputs.keys(request["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"])
        if not keys:
            raise JobFailed("ClientError: No S3 objects found under the input's S3Uri")
        with self._instances(job, request, credentials, inside) as instances:
            job.update(TransformStartTime=now())
            request = {**wishes(instances[0]), **_given(request)}
            work = Transform(job, request, inputs, outputs, instances)
            ahead = request.get("MaxConcurrentTransforms", 1) * len(instances)
            with ThreadPoolExecutor(ahead) as pool:
                failures = [one for one in pool.map(work.attempt, range(len(keys)), keys) if one is not None]
        if failures:
            raise failures[0]
        status = "Stopped" if job.stopping.is_set() else "Completed"
        return {"TransformJobStatus": status, "TransformEndTime": now()}

    @contextmanager
    def _instances(
        self, job: Job, request: Document, outside: Credentials, inside: Credentials
    ) -> Iterator[list[Instance]]:
        model, found = request["_model"], list[Instance]()
        container = model["PrimaryContainer"]
        image = pull(self.jobs.images, container["Image"], outside)
        if not image.command:
            raise LaunchFailed(f"The image '{container['Image']}' serves nothing: its registry entry has no command")
        # An isolated container reaches nothing, so that it gets nobody's credentials either.
        isolated = model.get("EnableNetworkIsolation", False)
        reach = {} if isolated else {**self.jobs.gateway, **inside.environment()}
        environment = {
            **container.get("Environment", {}),
            **request.get("Environment", {}),
            **_told(_given(request)),
            **reach,
        }
        try:
            for number in range(1, request["TransformResources"]["InstanceCount"] + 1):
                folder = job.folder / f"instance-{number}"
                (folder / "ml" / "model").mkdir(parents=True)
                instance = Instance(
                    f"i-{number}", "transform", image, folder, environment, sys.executable, isolated=isolated
                )
                instance.delivery = ContainerLog(
                    instance.log,
                    LOG_GROUP,
                    f"{job.name}/{instance.name}",
                    lambda: role_client("logs", outside, self.jobs.gateway, read_seconds=5),
                )
                found.append(instance)
                if container.get("ModelDataUrl"):
                    archive = folder / "model.tar.gz"
                    client = s3_client(inside, self.jobs.gateway)
                    fetch(container["ModelDataUrl"], model["ExecutionRoleArn"], client, archive)
                    unpack(archive, folder / "ml" / "model")
                instance.start()
                instance.wait_healthy(self.launch_seconds)
            yield found
        finally:
            for instance in found:
                instance.stop(grace_seconds=1)


@dataclass(frozen=True)
class Transform:
    """One job's objects, on its way to its instances and back."""

    job: Job
    request: Document
    inputs: Store
    outputs: Store
    instances: list[Instance]

    def attempt(self, number: int, key: str) -> JobFailed | None:
        """One object that fails fails the job in the end, and not the objects after it."""
        try:
            self.one(number, key)
        except JobFailed as error:
            return error
        return None

    def one(self, number: int, key: str) -> None:
        """An object's answers, beside where it stood below the input's prefix, as KEY.out."""
        bucket, prefix = place(self.request["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"])
        target = self.request["TransformOutput"]
        answers = []
        for body in self._bodies(self.inputs.read(f"s3://{bucket}/{key}")):
            if self.job.stopping.is_set():
                return
            answers.append(self._ask(self.instances[number % len(self.instances)], body, key))
        whole = b"".join(_line(one) for one in answers) if target.get("AssembleWith") == "Line" else b"".join(answers)
        name = PurePosixPath(key).name if key == prefix else key[len(prefix) :].lstrip("/")
        if ".." in PurePosixPath(name).parts:
            raise TransferFailed(f"the key {key} leads out of its folder")
        file = self.job.folder / f"answer-{number}"
        file.write_bytes(whole)
        self.outputs.write(file, f"{target['S3OutputPath'].rstrip('/')}/{name}.out")
        file.unlink()

    def _bodies(self, content: bytes) -> Iterator[bytes]:
        """What one request holds: everything, a line, or as many lines as fit."""
        limit = self.request.get("MaxPayloadInMB", DEFAULT_PAYLOAD_MB) * MEGABYTE
        records = [content]
        if self.request["TransformInput"].get("SplitType", "None") == "Line":
            records = [_line(line) for line in content.splitlines() if line.strip()]
        for record in records:
            if limit and len(record) > limit:
                raise JobFailed(f"ClientError: A record has {len(record)} bytes, more than MaxPayloadInMB allows")
        single = self.request.get("BatchStrategy", "MultiRecord") == "SingleRecord"
        yield from records if single else _batches(records, limit)

    def _ask(self, instance: Instance, body: bytes, key: str) -> bytes:
        told = {"Content-Type": self.request["TransformInput"].get("ContentType", "application/octet-stream")}
        if self.request["TransformOutput"].get("Accept"):
            told["Accept"] = self.request["TransformOutput"]["Accept"]
        try:
            answer = instance.request("POST", "/invocations", told, body, ANSWER_SECONDS)
        except (OSError, http.client.HTTPException) as error:
            raise JobFailed(f"AlgorithmError: The container did not answer to {key}: {error}") from error
        if answer.status not in SUCCESS:
            said = answer.body[:300].decode(errors="replace").strip()
            raise JobFailed(f"ClientError: The container answered {answer.status} to {key}: {said}")
        return answer.body


def _given(request: Document) -> Document:
    """MaxConcurrentTransforms = 0 says nothing."""
    return {name: value for name, value in request.items() if name != "MaxConcurrentTransforms" or value}


def _told(request: Document) -> dict[str, str]:
    """What every container of a transform job finds in its environment, and what it finds where the request says so."""
    told = {"SAGEMAKER_BATCH": "true"}
    for key, variable in SHAPE.items():
        if key in request:
            told[variable] = STRATEGIES.get(request[key], str(request[key]))
    return told


def _line(text: bytes) -> bytes:
    return text if text.endswith(b"\n") else text + b"\n"


def _batches(records: Iterable[bytes], limit: int) -> Iterator[bytes]:
    batch = b""
    for record in records:
        if batch and limit and len(batch) + len(record) > limit:
            yield batch
            batch = b""
        batch += record
    if batch:
        yield batch


def _faults(params: Document) -> Iterator[str]:
    yield from [name for name in UNAVAILABLE if params.get(name)]
    source = params["TransformInput"]
    if source["DataSource"]["S3DataSource"]["S3DataType"] != "S3Prefix":
        yield f"S3DataType {source['DataSource']['S3DataSource']['S3DataType']}"
    if source.get("CompressionType", "None") != "None":
        yield f"CompressionType {source['CompressionType']}"
    if source.get("SplitType", "None") not in ("None", "Line"):
        yield f"SplitType {source['SplitType']}"
    if params["TransformResources"].get("TransformAmiVersion"):
        yield "TransformAmiVersion"
