"""SageMaker's API for pipelines and their runs; what a run does is in pipeline_run.

A run that was on its way when the embedded AWS ended has failed, and says so at the next start.
"""

import functools
import secrets
import string
import threading

from local.authority import CannotAssume, assume_role
from local.json_service import AwsError, Call, JsonService, Operation, now
from local.listing import listing
from local.records import Document
from local.sagemaker import pipeline_definition
from local.sagemaker.control_plane import put_tags
from local.sagemaker.jobs import Jobs
from local.sagemaker.names import SERVICE_PRINCIPAL, arn, not_available, validation
from local.sagemaker.pipeline_run import ENDED, RUN, PipelineRun
from local.sagemaker.pipeline_values import parameter

KIND = "Pipeline"
ON_ITS_WAY = ("Executing", "Stopping")
INTERRUPTED = "The embedded AWS ended while the run was on its way; start it again."
RUN_ID_CHARACTERS = string.ascii_lowercase + string.digits
RUN_ID_LENGTH = 12
KEPT = ("PipelineDisplayName", "PipelineDescription", "RoleArn", "ParallelismConfiguration")


class Pipelines:
    """Every pipeline, and the runs under way."""

    def __init__(self, service: JsonService, jobs: Jobs) -> None:
        self.service = service
        self.jobs = jobs
        self._running: dict[str, tuple[PipelineRun, threading.Thread]] = {}
        by_name = {
            "CreatePipeline": _create,
            "UpdatePipeline": _update,
            "DeletePipeline": _delete,
            "DescribePipeline": _describe,
            "ListPipelineExecutions": _list_runs,
        }
        for name, run in by_name.items():
            service.add(name, Operation(functools.partial(run, service), _pipeline_arn))
        service.add("StartPipelineExecution", Operation(self._start, _pipeline_arn))
        by_arn = {
            "DescribePipelineExecution": _describe_run,
            "UpdatePipelineExecution": _update_run,
            "ListPipelineExecutionSteps": _list_steps,
            "ListPipelineParametersForExecution": _list_parameters,
            "DescribePipelineDefinitionForExecution": _describe_definition,
        }
        for name, run in by_arn.items():
            service.add(name, Operation(functools.partial(run, service), lambda call: (_run_arn(call),)))
        service.add("StopPipelineExecution", Operation(self._stop, lambda call: (_run_arn(call),)))
        service.add("ListPipelines", Operation(functools.partial(_list, service)))

    def _start(self, call: Call) -> Document:
        document, is_new = _started(self.service, call)
        if is_new:
            run_arn = document["PipelineExecutionArn"]
            pipeline = _required(self.service, call)
            definition = pipeline_definition.read(pipeline["PipelineDefinition"])
            run = PipelineRun(self.service, self.jobs, call.scope, run_arn, pipeline, definition)
            thread = threading.Thread(target=self._run, args=(run,), daemon=True, name=f"run-{run_arn[-12:]}")
            self._running[run_arn] = run, thread
            thread.start()
        return document

    def _run(self, run: PipelineRun) -> None:
        run.run()
        self._running.pop(run.arn, None)

    def _stop(self, call: Call) -> Document:
        document = _required_run(self.service, call)
        run, _ = self._running.get(document["PipelineExecutionArn"], (None, None))
        if run is not None and document["PipelineExecutionStatus"] == "Executing":
            run.stop()
        return document

    def resume(self) -> None:
        for scope, name, document in self.service.records.everywhere(RUN):
            if document["PipelineExecutionStatus"] in ON_ITS_WAY:
                with self.service.records.edit(scope, RUN, name) as record:
                    record.update(
                        PipelineExecutionStatus="Failed",
                        FailureReason=INTERRUPTED,
                        PipelineExecutionFailureReason=INTERRUPTED,
                        LastModifiedTime=now(),
                        EndTime=now(),
                    )
                    for step in record["_steps"].values():
                        if step["StepStatus"] not in ENDED:
                            step.update(StepStatus="Failed", FailureReason=INTERRUPTED, EndTime=now())

    def stop(self) -> None:
        """Before the jobs stop: no step may start another one."""
        for run, _ in list(self._running.values()):
            run.close()


def _name(call: Call) -> str:
    """Calls take a name or an ARN."""
    return str(call.params.get("PipelineName", "")).rsplit("/", 1)[-1]


def _pipeline_arn(call: Call) -> tuple[str, ...]:
    return (arn(call.scope, KIND, _name(call)),)


def _run_arn(call: Call) -> str:
    return str(call.params.get("PipelineExecutionArn", "*"))


def _required(service: JsonService, call: Call) -> Document:
    found = service.records.get(call.scope, KIND, _name(call).lower())
    if found is None:
        raise AwsError("ResourceNotFound", f"Pipeline '{_pipeline_arn(call)[0]}' does not exist.")
    return found


def _definition(call: Call) -> str:
    if call.params.get("PipelineDefinitionS3Location"):
        raise validation("PipelineDefinitionS3Location is not available in the embedded AWS.")
    text = str(call.params["PipelineDefinition"])
    pipeline_definition.read(text)
    return text


def _create(service: JsonService, call: Call) -> Document:
    name = _name(call)
    if service.records.get(call.scope, KIND, name.lower()) is not None:
        raise validation(f"Pipeline names must be unique within an AWS account and region: {name} exists.")
    if "PipelineDefinition" not in call.params and "PipelineDefinitionS3Location" not in call.params:
        raise validation("PipelineDefinition is required to create a pipeline.")
    text = _definition(call)
    call.require_pass_role(call.params["RoleArn"], SERVICE_PRINCIPAL)
    document = {
        "PipelineName": name,
        "PipelineDisplayName": name,
        **{key: call.params[key] for key in KEPT if key in call.params},
        "PipelineDefinition": text,
        "PipelineArn": _pipeline_arn(call)[0],
        "PipelineStatus": "Active",
        "CreationTime": now(),
        "LastModifiedTime": now(),
        "_name": name,
    }
    _require_trust(call, document)
    service.records.put(call.scope, KIND, name.lower(), document)
    put_tags(service, call, document["PipelineArn"])
    return document


def _update(service: JsonService, call: Call) -> Document:
    document = _required(service, call)
    document |= {key: call.params[key] for key in KEPT if key in call.params} | {"LastModifiedTime": now()}
    if "RoleArn" in call.params:
        call.require_pass_role(call.params["RoleArn"], SERVICE_PRINCIPAL)
        _require_trust(call, document)
    if {"PipelineDefinition", "PipelineDefinitionS3Location"} & set(call.params):
        document["PipelineDefinition"] = _definition(call)
    service.records.put(call.scope, KIND, _name(call).lower(), document)
    return document


def _require_trust(call: Call, pipeline: Document) -> None:
    try:
        assume_role(call.scope, pipeline["RoleArn"], SERVICE_PRINCIPAL, "SageMaker", pipeline["PipelineArn"])
    except CannotAssume as error:
        raise validation(f"Could not assume role {pipeline['RoleArn']}: {error}.") from error


def _delete(service: JsonService, call: Call) -> Document:
    document = _required(service, call)
    running = [
        one for one in _runs(service, call, document["PipelineArn"]) if one["PipelineExecutionStatus"] in ON_ITS_WAY
    ]
    if running:
        raise AwsError("ConflictException", f"{len(running)} run(s) of the pipeline are on their way: stop them first.")
    service.records.remove(call.scope, KIND, _name(call).lower())
    service.records.remove(call.scope, "Tags", document["PipelineArn"])
    for run in _runs(service, call, document["PipelineArn"]):
        service.records.remove(call.scope, RUN, run["PipelineExecutionArn"])
    return document


def _describe(service: JsonService, call: Call) -> Document:
    return _required(service, call)


def _list(service: JsonService, call: Call) -> Document:
    start = call.params.get("PipelineNamePrefix", "")
    found = [one for one in service.records.all(call.scope, KIND) if one["PipelineName"].startswith(start)]
    return listing(found, "PipelineSummaries", call.params)


def _runs(service: JsonService, call: Call, pipeline: str) -> list[Document]:
    return [one for one in service.records.all(call.scope, RUN) if one["PipelineArn"] == pipeline]


def _started(service: JsonService, call: Call) -> tuple[Document, bool]:
    """The run's record, and whether it is a new one."""
    pipeline = _required(service, call)
    if call.params.get("SelectiveExecutionConfig"):
        raise not_available("SelectiveExecutionConfig")
    token = call.params["ClientRequestToken"]
    for run in _runs(service, call, pipeline["PipelineArn"]):
        if run["_token"] == token:
            return run, False
    given: dict[str, str] = {one["Name"]: one["Value"] for one in call.params.get("PipelineParameters", [])}
    _check_parameters(pipeline, given)
    identity = "".join(secrets.choice(RUN_ID_CHARACTERS) for _ in range(RUN_ID_LENGTH))
    run_arn = f"{pipeline['PipelineArn']}/execution/{identity}"
    time = now()
    document: Document = {
        "PipelineArn": pipeline["PipelineArn"],
        "PipelineExecutionArn": run_arn,
        "PipelineExecutionDisplayName": call.params.get("PipelineExecutionDisplayName", f"execution-{identity}"),
        **{
            key: call.params[key]
            for key in ("PipelineExecutionDescription", "ParallelismConfiguration")
            if key in call.params
        },
        "PipelineExecutionStatus": "Executing",
        "CreationTime": time,
        "StartTime": time,
        "LastModifiedTime": time,
        "_definition": pipeline["PipelineDefinition"],
        "_parameters": given,
        "_steps": {},
        "_token": token,
    }
    service.records.put(call.scope, RUN, run_arn, document)
    return document, True


def _check_parameters(pipeline: Document, given: dict[str, str]) -> None:
    declared = pipeline_definition.read(pipeline["PipelineDefinition"]).get("Parameters", [])
    unknown = sorted(set(given) - {one["Name"] for one in declared})
    if unknown:
        raise validation(f"Pipeline parameters {', '.join(unknown)} are not in the pipeline's definition.")
    for one in declared:
        if one["Name"] in given:
            _refuse_value(one, given[one["Name"]])
    missing = [one["Name"] for one in declared if one["Name"] not in given and "DefaultValue" not in one]
    if missing:
        raise validation(f"Pipeline parameters {', '.join(missing)} have no default and need a value.")


def _refuse_value(declared: Document, text: str) -> None:
    try:
        value = parameter(declared, {declared["Name"]: text})
    except (ValueError, KeyError):
        raise validation(f"Pipeline parameter {declared['Name']} = {text!r} is no {declared['Type']}.") from None
    allowed = declared.get("EnumValues")
    if allowed and value not in allowed:
        raise validation(f"Pipeline parameter {declared['Name']} = {text!r}: allowed are {allowed}.")


def _required_run(service: JsonService, call: Call) -> Document:
    found = service.records.get(call.scope, RUN, _run_arn(call))
    if found is None:
        raise AwsError("ResourceNotFound", f"Pipeline execution '{_run_arn(call)}' does not exist.")
    return found


def _describe_run(service: JsonService, call: Call) -> Document:
    return _required_run(service, call)


def _list_runs(service: JsonService, call: Call) -> Document:
    found = _runs(service, call, _required(service, call)["PipelineArn"])
    return listing(found, "PipelineExecutionSummaries", call.params)


def _update_run(service: JsonService, call: Call) -> Document:
    _required_run(service, call)
    changed = {key: value for key, value in call.params.items() if key != "PipelineExecutionArn"}
    with service.records.edit(call.scope, RUN, _run_arn(call)) as record:
        record.update(changed, LastModifiedTime=now())
    return _required_run(service, call)


def _list_steps(service: JsonService, call: Call) -> Document:
    """The youngest first, unless asked otherwise."""
    steps = list(_required_run(service, call)["_steps"].values())
    # Those that began in one millisecond stay in their order.
    listed = steps if call.params.get("SortOrder") == "Ascending" else steps[::-1]
    return listing(listed, "PipelineExecutionSteps", call.params, sort_by="StartTime")


def _list_parameters(service: JsonService, call: Call) -> Document:
    given = _required_run(service, call)["_parameters"]
    return {"PipelineParameters": [{"Name": name, "Value": value} for name, value in given.items()]}


def _describe_definition(service: JsonService, call: Call) -> Document:
    run = _required_run(service, call)
    return {"PipelineDefinition": run["_definition"], "CreationTime": run["CreationTime"]}
