"""One run of a pipeline: its steps as jobs, in the order that their references ask for, under the pipeline's role."""

import json
import logging
import re
import secrets
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from local.authority import CannotAssume, Credentials, KeyAuthority, assume_role
from local.json_service import AwsError, Call, JsonService, now
from local.records import Document, Scope
from local.sagemaker import pipeline_events
from local.sagemaker.jobs import Jobs
from local.sagemaker.names import SERVICE_PRINCIPAL
from local.sagemaker.pipeline_values import Values, WrongValue, parameter
from local.sagemaker.store import Store, TransferFailed
from local.shapes import coerced

logger = logging.getLogger("embedded-aws.sagemaker.pipelines")
RUN = "PipelineExecution"
# Step type -> the kind of its job, and under which name its metadata holds the job's ARN.
JOBS = {
    "Processing": ("ProcessingJob", "ProcessingJob"),
    "Training": ("TrainingJob", "TrainingJob"),
    "Tuning": ("HyperParameterTuningJob", "TuningJob"),
    "Transform": ("TransformJob", "TransformJob"),
}
DEFAULT_AT_ONCE = 50
# A tuning job's name has at most 32 characters.
TUNING_STEP_CHARACTERS = 7
ENDED = ("Succeeded", "Failed", "Stopped")


class StepFailed(Exception):
    """Why a step ended badly."""


class StepStopped(Exception):
    """The run was stopped while the step was on its way."""


@dataclass
class PipelineRun:
    """Its record is the run's state; the threads of its steps write it."""

    service: JsonService
    jobs: Jobs
    scope: Scope
    arn: str
    pipeline: Document
    definition: Document
    stopping: threading.Event = field(default_factory=threading.Event)
    closing: threading.Event = field(default_factory=threading.Event)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _described: dict[str, Document] = field(default_factory=dict)
    _credentials: Credentials | None = None
    _store: Store | None = None

    # --- the record ----------------------------------------------------------------------------------------------

    def record(self) -> Document:
        return self.service.required(self.scope, RUN, self.arn)

    def _set(self, **changes: Any) -> None:  # noqa: ANN401 - members of the record
        with self._changed:
            if self.closing.is_set():
                return
            with self.service.records.edit(self.scope, RUN, self.arn) as record:
                record.update(changes, LastModifiedTime=now())
            self._changed.notify_all()

    def _set_step(self, step: Document, **changes: Any) -> None:  # noqa: ANN401 - members of the step
        with self._changed:
            if self.closing.is_set():
                return
            with self.service.records.edit(self.scope, RUN, self.arn) as record:
                found = record["_steps"].setdefault(
                    step["Name"], {"StepName": step["Name"], "StartTime": now(), "AttemptCount": 1}
                )
                before = found.get("StepStatus")
                found.update(changes)
                after = dict(found)
            self._changed.notify_all()
        if after.get("StepStatus") != before:
            pipeline_events.step_changed(self.scope, self.arn, self.pipeline["PipelineArn"], step, before, after)

    def _steps(self) -> dict[str, Document]:
        steps: dict[str, Document] = self.record()["_steps"]
        return steps

    # --- the run -------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """To its end. No step starts after one has failed; those on their way go on to theirs."""
        pipeline_events.run_changed(self.scope, self.record(), None)
        try:
            waiting = {step["Name"]: step for step in self.definition["Steps"]}
            threads = self._all(waiting)
            for thread in threads:
                thread.join()
            status, reason = self._outcome()
        except CannotAssume as error:
            status, reason = "Failed", f"Could not assume the pipeline's role: {error}"
        more = {"FailureReason": reason, "PipelineExecutionFailureReason": reason} if reason else {}
        self._set(PipelineExecutionStatus=status, EndTime=now(), **more)
        if not self.closing.is_set():
            pipeline_events.run_changed(self.scope, self.record(), "Executing")

    def _all(self, waiting: dict[str, Document]) -> list[threading.Thread]:
        threads: list[threading.Thread] = []
        self._assume()
        asked = self.record().get("ParallelismConfiguration") or self.pipeline.get("ParallelismConfiguration") or {}
        limit = asked.get("MaxParallelExecutionSteps", DEFAULT_AT_ONCE)
        while True:
            with self._changed:
                steps = self._steps()
                ended = {name for name, one in steps.items() if one["StepStatus"] in ENDED}
                halted = self.stopping.is_set() or any(one["StepStatus"] == "Failed" for one in steps.values())
                ready = [] if halted else [one for one in waiting.values() if self._may_start(one, steps, waiting)]
                running = len(steps) - len(ended)
                for step in ready[: max(0, limit - running)]:
                    del waiting[step["Name"]]
                    waiting |= self._begin(step, threads)
                if not ready and not running:
                    return threads
                if not ready or running >= limit:
                    self._changed.wait()

    @staticmethod
    def _may_start(step: Document, steps: dict[str, Document], waiting: dict[str, Document]) -> bool:
        """After all that it refers to or depends on; a branch not taken holds nobody up."""
        needed = {*step.get("DependsOn", []), *referred(step.get("Arguments", {}))}
        to_come = {one["Name"] for one in steps_of(waiting.values())}
        return all(
            steps[name]["StepStatus"] == "Succeeded" if name in steps else name not in to_come for name in needed
        )

    def _begin(self, step: Document, threads: list[threading.Thread]) -> dict[str, Document]:
        """Start it; the answer is what a condition adds to the steps that wait."""
        self._set_step(step, StepStatus="Starting")
        if step["Type"] == "Condition":
            return self._decide(step)
        thread = threading.Thread(target=self._work, args=(step,), daemon=True, name=f"step-{step['Name']}")
        threads.append(thread)
        thread.start()
        return {}

    def _decide(self, step: Document) -> dict[str, Document]:
        arguments = step["Arguments"]
        try:
            holds = all(self._values().holds(one) for one in arguments["Conditions"])
        except (WrongValue, TransferFailed) as error:
            self._set_step(step, StepStatus="Failed", EndTime=now(), FailureReason=f"ClientError: {error}.")
            return {}
        self._set_step(
            step, StepStatus="Succeeded", EndTime=now(), Metadata={"Condition": {"Outcome": str(holds).lower()}}
        )
        return {one["Name"]: one for one in arguments.get("IfSteps" if holds else "ElseSteps", [])}

    def _work(self, step: Document) -> None:
        try:
            self._set_step(step, StepStatus="Executing")
            self._described[step["Name"]] = self._done(step)
            self._set_step(step, StepStatus="Succeeded", EndTime=now())
        except StepStopped:
            self._set_step(step, StepStatus="Stopped", EndTime=now())
        except (StepFailed, WrongValue, TransferFailed) as error:
            self._set_step(step, StepStatus="Failed", EndTime=now(), FailureReason=str(error)[:1024])
        except AwsError as error:
            reason = f"ClientError: {error.message} (Service: SageMaker, Error Code: {error.code})"
            self._set_step(step, StepStatus="Failed", EndTime=now(), FailureReason=reason[:1024])
        except Exception as error:
            logger.exception("%s: an error of the embedded AWS itself", self.arn)
            reason = f"InternalServerError: {error}"
            self._set_step(step, StepStatus="Failed", EndTime=now(), FailureReason=reason[:1024])

    def _done(self, step: Document) -> Document:
        """Its description once it has ended well."""
        arguments = self._values().of(step.get("Arguments", {}))
        if step["Type"] == "Fail":
            message = str(arguments.get("ErrorMessage", ""))
            self._set_step(step, Metadata={"Fail": {"ErrorMessage": message}})
            raise StepFailed(message)
        if step["Type"] == "RegisterModel":
            made = self._call("CreateModelPackage", arguments)
            self._set_step(step, Metadata={"RegisterModel": {"Arn": made["ModelPackageArn"]}})
            return self._call("DescribeModelPackage", {"ModelPackageName": made["ModelPackageArn"]})
        return self._job(step, arguments)

    def _job(self, step: Document, arguments: Document) -> Document:
        kind, named = JOBS[step["Type"]]
        name = self._job_name(step)
        self._call(f"Create{kind}", {**arguments, f"{kind}Name": name, "Tags": self._tags(arguments)})
        described = self._call(f"Describe{kind}", {f"{kind}Name": name})
        self._set_step(step, Metadata={named: {"Arn": described[f"{kind}Arn"]}})
        self.jobs.wait(self.scope, kind, name, self.stopping.is_set)
        if self.stopping.is_set() and not self.closing.is_set():
            self._set_step(step, StepStatus="Stopping")
            self._call(f"Stop{kind}", {f"{kind}Name": name})
            self.jobs.wait(self.scope, kind, name, self.closing.is_set)
        described = self._call(f"Describe{kind}", {f"{kind}Name": name})
        status = described[f"{kind}Status"]
        if self.stopping.is_set() and status != "Completed":
            raise StepStopped
        if status != "Completed":
            why = described.get("FailureReason") or f"the job ended with the status {status}"
            raise StepFailed(why)
        return described

    def _job_name(self, step: Document) -> str:
        identity = self.arn.rsplit("/", 1)[-1]
        letters = "".join(secrets.choice("abcdefghijklmnopqrstuvwxyz0123456789") for _ in range(10))
        if step["Type"] == "Tuning":
            return f"{identity}-{step['Name'][:TUNING_STEP_CHARACTERS]}-{letters}"
        return f"pipelines-{identity}-{step['Name'][:24]}-{letters}"

    def _tags(self, arguments: Document) -> list[Document]:
        return [*arguments.get("Tags", []), {"Key": "sagemaker:pipeline-execution-arn", "Value": self.arn}]

    # --- as the pipeline's role ----------------------------------------------------------------------------------

    def _assume(self) -> Credentials:
        if self._credentials is None:
            role = self.pipeline["RoleArn"]
            source = self.pipeline["PipelineArn"]
            self._credentials = assume_role(self.scope, role, SERVICE_PRINCIPAL, "SageMaker-Pipelines", source)
        return self._credentials

    def _call(self, operation: str, params: Document) -> Document:
        """As any caller, so that IAM is asked; texts become what the call wants."""
        authority = KeyAuthority(self._assume().access_key, self.scope.region)
        known = coerced("sagemaker", operation, params)
        return self.service.call(Call(operation, known, self.scope, authority))

    def _values(self) -> Values:
        record = self.record()
        given = record["_parameters"]
        return Values(
            parameters={one["Name"]: parameter(one, given) for one in self.definition.get("Parameters", [])},
            execution={
                "PipelineExecutionId": self.arn.rsplit("/", 1)[-1],
                "PipelineExecutionArn": self.arn,
                "PipelineName": self.pipeline["PipelineName"],
                "PipelineArn": self.pipeline["PipelineArn"],
                "StartDateTime": record["StartTime"],
                "CurrentDateTime": now(),
            },
            described=self._description,
            read=self._property_file,
        )

    def _description(self, step: str) -> Document:
        if step not in self._described:
            raise WrongValue(f"ClientError: the step {step} has not run")
        return self._described[step]

    def _property_file(self, step: str, name: str) -> Any:  # noqa: ANN401 - any JSON value
        declared = next(one for one in steps_of(self.definition["Steps"]) if one["Name"] == step)
        file = next(one for one in declared.get("PropertyFiles", []) if one["PropertyFileName"] == name)
        listed = self._description(step)["ProcessingOutputConfig"]["Outputs"]
        output = next((one for one in listed if one["OutputName"] == file["OutputName"]), None)
        if output is None:
            raise WrongValue(f"property file {name}: the step {step} has no output {file['OutputName']}")
        uri = f"{output['S3Output']['S3Uri'].rstrip('/')}/{file['FilePath']}"
        if self._store is None:
            self._store = Store(self._assume(), self.jobs.gateway)
        try:
            return json.loads(self._store.read(uri))
        except ValueError:
            raise WrongValue(f"property file {name}: {uri} is no JSON") from None

    # --- its end -------------------------------------------------------------------------------------------------

    def _outcome(self) -> tuple[str, str]:
        steps = self._steps()
        failed = [one for one in steps.values() if one["StepStatus"] == "Failed"]
        if self.stopping.is_set():
            return "Stopped", ""
        if failed:
            return (
                "Failed",
                f"Step failure: One or multiple steps failed: {', '.join(one['StepName'] for one in failed)}",
            )
        return "Succeeded", ""

    def stop(self) -> None:
        self._set(PipelineExecutionStatus="Stopping")
        self.stopping.set()
        self._wake()

    def close(self) -> None:
        """The embedded AWS ends: the record stays as it is."""
        self.closing.set()
        self.stopping.set()
        self._wake()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()
        with self.jobs.changed:
            self.jobs.changed.notify_all()


def steps_of(steps: Iterable[Document]) -> Iterator[Document]:
    """Those behind conditions among them."""
    waiting = list(steps)
    while waiting:
        step = waiting.pop(0)
        yield step
        if step["Type"] == "Condition":
            waiting += [*step["Arguments"].get("IfSteps", []), *step["Arguments"].get("ElseSteps", [])]


def referred(value: Any, *, top: bool = True) -> set[str]:  # noqa: ANN401 - any JSON value
    """Names of the steps that a step's arguments refer to. What is behind a condition asks for itself."""
    if isinstance(value, dict):
        if top:
            value = {key: inner for key, inner in value.items() if key not in ("IfSteps", "ElseSteps")}
        path = value.get("Get")
        found = re.match(r"Steps\.([\w-]+)", path) if isinstance(path, str) and len(value) == 1 else None
        own = {found[1]} if found else set()
        return own.union(*(referred(inner, top=False) for inner in value.values()))
    if isinstance(value, list):
        return set[str]().union(*(referred(inner, top=False) for inner in value))
    return set()
