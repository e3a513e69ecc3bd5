"""SageMaker's API for pipelines: kept, described and started. Running one is not built yet, and a run says so.

A run that is started exists, with its parameters and whoever started it, and has failed with that reason.
"""

import functools
import secrets
import string

from local.authority import CannotAssume, assume_role
from local.json_service import AwsError, Call, JsonService, Operation, listing, now
from local.records import Document
from local.sagemaker import pipeline_definition
from local.sagemaker.control_plane import put_tags
from local.sagemaker.names import SERVICE_PRINCIPAL, arn, validation

KIND, RUN = "Pipeline", "PipelineExecution"
NOT_RUN = "The embedded AWS does not run pipelines yet: the definition was taken, and no step was started."
RUN_ID_CHARACTERS = string.ascii_lowercase + string.digits
RUN_ID_LENGTH = 12
KEPT = ("PipelineDisplayName", "PipelineDescription", "RoleArn", "ParallelismConfiguration")


def add_pipelines(service: JsonService) -> None:
    one = {
        "CreatePipeline": _create,
        "UpdatePipeline": _update,
        "DeletePipeline": _delete,
        "DescribePipeline": _describe,
        "StartPipelineExecution": _start,
        "ListPipelineExecutions": _list_runs,
    }
    for name, run in one.items():
        service.add(name, Operation(functools.partial(run, service), _pipeline_arn))
    for name, run in {"DescribePipelineExecution": _describe_run, "ListPipelineExecutionSteps": _list_steps}.items():
        service.add(name, Operation(functools.partial(run, service), lambda call: (_run_arn(call),)))
    service.add("ListPipelines", Operation(functools.partial(_list, service)))


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


def _start(service: JsonService, call: Call) -> Document:
    pipeline = _required(service, call)
    token = call.params["ClientRequestToken"]
    for run in _runs(service, call, pipeline["PipelineArn"]):
        if run["_token"] == token:
            return run
    given = {one["Name"]: one["Value"] for one in call.params.get("PipelineParameters", [])}
    _check_parameters(pipeline, given)
    identity = "".join(secrets.choice(RUN_ID_CHARACTERS) for _ in range(RUN_ID_LENGTH))
    run_arn = f"{pipeline['PipelineArn']}/execution/{identity}"
    time = now()
    document = {
        "PipelineArn": pipeline["PipelineArn"],
        "PipelineExecutionArn": run_arn,
        "PipelineExecutionDisplayName": call.params.get("PipelineExecutionDisplayName", f"execution-{identity}"),
        **{key: call.params[key] for key in ("PipelineExecutionDescription",) if key in call.params},
        "PipelineExecutionStatus": "Failed",
        "FailureReason": NOT_RUN,
        # Under the names that its summary in a list has.
        "PipelineExecutionFailureReason": NOT_RUN,
        "CreationTime": time,
        "StartTime": time,
        "LastModifiedTime": time,
        "_parameters": given,
        "_token": token,
    }
    service.records.put(call.scope, RUN, run_arn, document)
    return document


def _check_parameters(pipeline: Document, given: dict[str, str]) -> None:
    declared = pipeline_definition.read(pipeline["PipelineDefinition"]).get("Parameters", [])
    unknown = sorted(set(given) - {one["Name"] for one in declared})
    if unknown:
        raise validation(f"Pipeline parameters {', '.join(unknown)} are not in the pipeline's definition.")
    missing = [one["Name"] for one in declared if one["Name"] not in given and "DefaultValue" not in one]
    if missing:
        raise validation(f"Pipeline parameters {', '.join(missing)} have no default and need a value.")


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


def _list_steps(service: JsonService, call: Call) -> Document:
    _required_run(service, call)
    return {"PipelineExecutionSteps": []}
