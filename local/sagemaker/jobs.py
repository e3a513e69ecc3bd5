"""Jobs of every kind: made, described, listed and stopped alike; each runs in a thread of its own.

They are kept by their names in lower case, as ARNs have them, and found by either. A job that was on its way when the
embedded AWS ended has failed, and says so at the next start.
"""

import contextlib
import functools
import logging
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from local.authority import CannotAssume, Credentials, assume_role
from local.clock import Clock
from local.images import ImageRegistry
from local.json_service import AwsError, Call, JsonService, Operation, now
from local.listing import listing
from local.network.interfaces import CannotPlug, Placement, Plugged, plug
from local.records import Document, Records, Scope
from local.sagemaker.capacity import JOB_BYTES, Capacity
from local.sagemaker.control_plane import named, put_tags
from local.sagemaker.instance import LaunchFailed
from local.sagemaker.names import SERVICE_PRINCIPAL, arn, validation
from local.sagemaker.store import TransferFailed
from local.volume_keys import may_grant

logger = logging.getLogger("embedded-aws.sagemaker.jobs")
RUNNING = ("InProgress", "Stopping")
ENDED = ("Completed", "Failed", "Stopped")
# When the embedded AWS ends, for all jobs together; what StopTrainingJob leaves a job is in cluster.py.
STOP_SECONDS = 10.0
INTERRUPTED = "InternalServerError: The embedded AWS ended while the job ran; start the job again."


class JobFailed(Exception):
    """Why a job ended badly, in the words of its FailureReason."""


@dataclass
class Job:
    """One that runs."""

    scope: Scope
    kind: str
    name: str
    folder: Path
    records: Records
    changed: threading.Condition
    # Asked by the API, or because the embedded AWS ends: then nothing more is written about it.
    stopping: threading.Event = field(default_factory=threading.Event)
    closing: threading.Event = field(default_factory=threading.Event)
    _plugged: list[Plugged] = field(default_factory=list)

    @property
    def arn(self) -> str:
        return arn(self.scope, self.kind, self.name)

    def document(self) -> Document:
        found = self.records.get(self.scope, self.kind, self.name.lower())
        if found is None:
            raise JobFailed(f"InternalServerError: there is no record of {self.arn}")
        return found

    def update(self, **changes: Any) -> None:  # noqa: ANN401 - members of the record
        with self.changed:
            with self.records.edit(self.scope, self.kind, self.name.lower()) as record:
                record.update(changes, LastModifiedTime=now())
            self.changed.notify_all()

    def assume(self, role: str) -> Credentials:
        try:
            return assume_role(self.scope, role, SERVICE_PRINCIPAL, "SageMaker", self.arn)
        except CannotAssume as error:
            raise JobFailed(f"ClientError: Unable to assume the job's role: {error}.") from error

    def inside(self, role: str, outside: Credentials, vpc_config: object) -> Credentials:
        """For the container and what moves its data, which are in the VPC that the request names, if it names one.

        What `outside` is for, images, logs and metrics, goes over the network of SageMaker itself.
        """
        placement = Placement.of(vpc_config)
        if placement is None:
            return outside
        credentials = self.assume(role)
        try:
            self._plugged.append(plug(self.scope, placement, credentials, self.arn))
        except CannotPlug as error:
            raise JobFailed(f"ClientError: The job has no network interface in its VPC: {error}.") from error
        return credentials

    def unplug(self) -> str:
        """Its interfaces go; the answer is what its network stopped, "" for nothing."""
        for one in self._plugged:
            one.unplug()
        return "; ".join(stopped for one in self._plugged if (stopped := one.why_stopped()))


class Kind(Protocol):
    """What tells one kind of job from another."""

    @property
    def name(self) -> str:
        """As its calls have it: TrainingJob."""

    def check(self, call: Call) -> None:
        """Refuse what cannot run."""

    def role(self, call: Call) -> str: ...

    def passes_role(self) -> bool:
        """Whether the request hands over the role itself."""

    def first(self, call: Call) -> Document:
        """What its description says from the start, beside the request."""

    def instances(self, call: Call) -> int: ...

    def context(self, call: Call) -> Document:
        """The condition keys of its Create call."""

    def run(self, job: Job) -> Document:
        """To its end; the answer is what its description says then. JobFailed, LaunchFailed or TransferFailed else."""

    def failed(self, job: Job) -> Document:
        """What its description says beside the reason when it failed."""

    def stop(self, job: Job) -> Document:
        """What its description says while it stops."""


class Jobs:
    """The jobs that run, and how many instances they hold."""

    def __init__(  # noqa: PLR0917 - what every job needs
        self,
        service: JsonService,
        images: ImageRegistry,
        folder: Path,
        gateway: Mapping[str, str],
        clock: Clock,
        capacity: Capacity,
    ) -> None:
        self.service = service
        self.images = images
        self.folder = folder
        self.gateway = gateway
        self.clock = clock
        self.changed = threading.Condition()
        self.capacity = capacity
        capacity.add(lambda: self._held * JOB_BYTES)
        self._kinds: dict[str, Kind] = {}
        self._running: dict[tuple[str, str, str], tuple[Job, threading.Thread]] = {}
        self._held = 0
        self._closed = False

    def add(self, kind: Kind) -> None:
        self._kinds[kind.name] = kind
        resources = functools.partial(named, kind.name)
        for verb, run in {"Create": self._create, "Describe": self._describe, "Stop": self._stop}.items():
            context = kind.context if verb == "Create" else lambda call: {}
            operation = Operation(functools.partial(run, kind), resources, context)
            self.service.add(f"{verb}{kind.name}", operation)
        self.service.add(f"List{kind.name}s", Operation(functools.partial(self._list, kind)))

    # --- the API -------------------------------------------------------------------------------------------------

    def _create(self, kind: Kind, call: Call) -> Document:
        kind.check(call)
        role = kind.role(call)
        if kind.passes_role():
            call.require_pass_role(role, SERVICE_PRINCIPAL)
        name = call.params[f"{kind.name}Name"]
        if call.params.get("Tags"):
            call.authority.require("sagemaker:AddTags", arn(call.scope, kind.name, name))
        try:
            assume_role(call.scope, role, SERVICE_PRINCIPAL, "SageMaker", arn(call.scope, kind.name, name))
        except CannotAssume as error:
            raise validation(f"Could not assume role {role}. Please ensure that the role exists: {error}.") from error
        key = kind.context(call).get("sagemaker:VolumeKmsKey")
        by_caller = bool(key) and may_grant(call.scope, str(key), call.authority, SERVICE_PRINCIPAL.split(".")[0])
        first = {**kind.first(call), "_key_by_caller": by_caller}
        document = self.begin(kind, call.scope, call.params, first, kind.instances(call))
        put_tags(self.service, call, document[f"{kind.name}Arn"])
        return document

    def begin(self, kind: Kind, scope: Scope, params: Document, first: Document, instances: int) -> Document:
        """The record, and the thread that works on it."""
        name = params[f"{kind.name}Name"]
        with self.changed:
            self._refuse_taken(kind, scope, name)
            with self.capacity.lock:
                self.capacity.refuse_beyond(instances, JOB_BYTES, "jobs")
                self._held += instances
            document = {
                **{key: value for key, value in params.items() if key != "Tags"},
                **first,
                f"{kind.name}Arn": arn(scope, kind.name, name),
                f"{kind.name}Status": "InProgress",
                "CreationTime": now(),
                "LastModifiedTime": now(),
                "_name": name,
            }
            self.service.records.put(scope, kind.name, name.lower(), document)
            job = Job(scope, kind.name, name, self.folder / name, self.service.records, self.changed)
            thread = threading.Thread(
                target=self._work, args=(kind, job, instances), daemon=True, name=f"job-{name[:40]}"
            )
            self._running[kind.name, scope.key, name.lower()] = job, thread
        thread.start()
        return document

    def _refuse_taken(self, kind: Kind, scope: Scope, name: str) -> None:
        if self._closed:
            raise AwsError("InternalFailure", "The embedded AWS is stopping.", status=500)
        if self.service.records.get(scope, kind.name, name.lower()) is not None:
            raise AwsError(
                "ResourceInUse",
                f"Job names must be unique within an AWS account and region: {arn(scope, kind.name, name)} exists.",
            )

    def _describe(self, kind: Kind, call: Call) -> Document:
        return self.service.required(call.scope, kind.name, call.params[f"{kind.name}Name"].lower())

    def _list(self, kind: Kind, call: Call) -> Document:
        found = self.service.records.all(call.scope, kind.name)
        wanted = call.params.get("StatusEquals")
        found = [one for one in found if wanted in (None, one[f"{kind.name}Status"])]
        return listing(found, f"{kind.name}Summaries", call.params)

    def _stop(self, kind: Kind, call: Call) -> Document:
        name = call.params[f"{kind.name}Name"]
        self.service.required(call.scope, kind.name, name.lower())
        self.stop_one(call.scope, kind.name, name)
        return {}

    def stop_one(self, scope: Scope, kind: str, name: str) -> None:
        """One that has ended stays as it is."""
        with self.changed:
            job, _ = self._running.get((kind, scope.key, name.lower()), (None, None))
            if job is None or job.stopping.is_set():
                return
            job.update(**{f"{kind}Status": "Stopping"}, **self._kinds[kind].stop(job))
            job.stopping.set()
            self.changed.notify_all()

    # --- behind the answer ---------------------------------------------------------------------------------------

    def _work(self, kind: Kind, job: Job, instances: int) -> None:
        ended: Document
        try:
            ended = kind.run(job)
        except (JobFailed, LaunchFailed, TransferFailed) as error:
            ended = self._failed(kind, job, error)
        except Exception as error:
            logger.exception("%s: an error of the embedded AWS itself", job.arn)
            ended = self._failed(kind, job, JobFailed(f"InternalServerError: {error}"))
        job.unplug()
        shutil.rmtree(job.folder, ignore_errors=True)
        with self.changed:
            self._held -= instances
            if not job.closing.is_set():
                with contextlib.suppress(KeyError):
                    job.update(**ended)
            self._running.pop((kind.name, job.scope.key, job.name.lower()), None)
            self.changed.notify_all()

    @staticmethod
    def _failed(kind: Kind, job: Job, error: Exception) -> Document:
        reason = str(error) if isinstance(error, JobFailed) else f"ClientError: {error}."
        if stopped := job.unplug():
            reason = f"{reason[:512]} [network: {stopped}]"
        if job.closing.is_set():
            return {}
        logger.warning("%s failed: %s", job.arn, reason)
        return {f"{kind.name}Status": "Failed", "FailureReason": reason[:1024], **kind.failed(job)}

    def wait(self, scope: Scope, kind: str, name: str, until: Callable[[], bool] = lambda: False) -> Document:
        """Until the job has ended, or `until` says that nobody waits any more: its record."""

        def settled() -> bool:
            return until() or (kind, scope.key, name.lower()) not in self._running

        with self.changed:
            self.changed.wait_for(settled)
        return self.service.required(scope, kind, name.lower())

    # --- the life of the embedded AWS ----------------------------------------------------------------------------

    def resume(self) -> None:
        for kind in self._kinds.values():
            for scope, name, document in self.service.records.everywhere(kind.name):
                if document[f"{kind.name}Status"] in RUNNING:
                    job = Job(scope, kind.name, name, self.folder / name, self.service.records, self.changed)
                    job.update(**{f"{kind.name}Status": "Failed"}, FailureReason=INTERRUPTED, **kind.failed(job))

    def stop(self) -> None:
        """Every process; a record that says InProgress tells the next start that its job was interrupted."""
        with self.changed:
            self._closed = True
            running = list(self._running.values())
            for job, _ in running:
                job.closing.set()
                job.stopping.set()
            self.changed.notify_all()
        until = time.monotonic() + STOP_SECONDS
        for _, thread in running:
            thread.join(max(0.0, until - time.monotonic()))
