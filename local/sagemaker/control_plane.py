"""SageMaker's API for models, endpoint configs and model package groups: documents, created, read and deleted."""

import functools
from collections.abc import Callable

from local.authority import CannotAssume, assume_role
from local.json_service import Call, JsonService, Operation, now
from local.listing import listing
from local.records import Document
from local.sagemaker.names import SERVICE_PRINCIPAL, arn, not_available, validation
from local.sagemaker.serverless import refuse_config

# The checks of one kind, and what they add to its document.
Creator = Callable[[JsonService, Call], Document]
# Each would need a data plane that is not here yet; accepting it would lose traffic or data without a word.
UNAVAILABLE_MODEL = ("Containers", "InferenceExecutionConfig")
UNAVAILABLE_CONTAINER = (
    "MultiModelConfig",
    "InferenceSpecificationName",
    "ModelPackageName",
    "AdditionalModelDataSources",
)
UNAVAILABLE_CONFIG = ("ShadowProductionVariants", "ExplainerConfig", "MetricsConfig")
UNAVAILABLE_VARIANT = ("ManagedInstanceScaling", "InferenceAmiVersion", "CapacityReservationConfig")


def hosting_service() -> JsonService:
    service = JsonService("sagemaker", "SageMaker.", "sagemaker", missing="ValidationException")
    _add_kind(service, "Model", _create_model)
    _add_kind(service, "EndpointConfig", _create_endpoint_config)
    _add_kind(service, "ModelPackageGroup", lambda service, call: {"ModelPackageGroupStatus": "Completed"})
    tag_operations = {"AddTags": _add_tags, "ListTags": _list_tags, "DeleteTags": _delete_tags}
    for name, run in tag_operations.items():
        service.add(name, Operation(functools.partial(run, service), lambda call: (_resource_arn(call),)))
    return service


def named(kind: str, call: Call) -> tuple[str, ...]:
    return (arn(call.scope, kind, str(call.params.get(f"{kind}Name", ""))),)


def _add_kind(service: JsonService, kind: str, check: Creator) -> None:
    def create(call: Call) -> Document:
        name = call.params[f"{kind}Name"]
        service.refuse_taken(call.scope, kind, name)
        added = check(service, call)
        document = {
            **{key: value for key, value in call.params.items() if key != "Tags"},
            **added,
            f"{kind}Arn": arn(call.scope, kind, name),
            "CreationTime": now(),
            "_name": name,
        }
        service.records.put(call.scope, kind, name, document)
        put_tags(service, call, document[f"{kind}Arn"])
        return document

    def describe(call: Call) -> Document:
        return service.required(call.scope, kind, call.params[f"{kind}Name"])

    def delete(call: Call) -> Document:
        document = service.required(call.scope, kind, call.params[f"{kind}Name"])
        service.records.remove(call.scope, kind, call.params[f"{kind}Name"])
        service.records.remove(call.scope, "Tags", document[f"{kind}Arn"])
        return {}

    def list_all(call: Call) -> Document:
        key = f"{kind}SummaryList" if kind == "ModelPackageGroup" else f"{kind}s"
        return listing(service.records.all(call.scope, kind), key, call.params)

    service.add(f"Create{kind}", Operation(create, lambda call: named(kind, call)))
    service.add(f"Describe{kind}", Operation(describe, lambda call: named(kind, call)))
    service.add(f"Delete{kind}", Operation(delete, lambda call: named(kind, call)))
    service.add(f"List{kind}s", Operation(list_all))


def _create_model(service: JsonService, call: Call) -> Document:
    _refuse(call.params, UNAVAILABLE_MODEL, "A model with")
    container = call.params.get("PrimaryContainer") or {}
    _refuse(container, UNAVAILABLE_CONTAINER, "A container with")
    if not container.get("Image"):
        raise validation("PrimaryContainer.Image is required to create a model.")
    source = container.get("ModelDataSource")
    if source and source["S3DataSource"]["CompressionType"] != "Gzip":
        raise not_available("ModelDataSource with CompressionType None")
    role = call.params.get("ExecutionRoleArn", "")
    if role:
        call.require_pass_role(role, SERVICE_PRINCIPAL)
    try:
        source_arn = arn(call.scope, "Model", call.params["ModelName"])
        assume_role(call.scope, role, SERVICE_PRINCIPAL, "SageMaker", source_arn)
    except CannotAssume as error:
        raise validation(f"Could not assume role {role}. Please ensure that the role exists: {error}.") from error
    return {}


def _create_endpoint_config(service: JsonService, call: Call) -> Document:
    _refuse(call.params, UNAVAILABLE_CONFIG, "An endpoint config with")
    variants = call.params["ProductionVariants"]
    names = [variant["VariantName"] for variant in variants]
    if len(set(names)) != len(names):
        raise validation(f"Variant names must be unique within one endpoint config, not {names}.")
    for variant in variants:
        _refuse(variant, UNAVAILABLE_VARIANT, "A production variant with")
        if not variant.get("ModelName"):
            raise not_available("A production variant without ModelName (inference components)")
        model = service.required(call.scope, "Model", variant["ModelName"])
        if variant.get("ServerlessConfig"):
            refuse_config(call.params, variant, model)
        elif not variant.get("InstanceType") or not variant.get("InitialInstanceCount"):
            raise validation(
                f"Variant {variant['VariantName']} needs InstanceType and InitialInstanceCount, or a ServerlessConfig."
            )
    return {}


def _refuse(document: Document, members: tuple[str, ...], what: str) -> None:
    for member in members:
        if document.get(member):
            raise not_available(f"{what} {member}")


def _resource_arn(call: Call) -> str:
    return str(call.params.get("ResourceArn", "*"))


def put_tags(service: JsonService, call: Call, resource: str) -> None:
    if call.params.get("Tags"):
        service.records.put(call.scope, "Tags", resource, {"Tags": call.params["Tags"]})


def tags_of(service: JsonService, call: Call, resource: str) -> dict[str, str]:
    found = service.records.get(call.scope, "Tags", resource) or {"Tags": []}
    return {tag["Key"]: tag["Value"] for tag in found["Tags"]}


def _store_tags(service: JsonService, call: Call, tags: dict[str, str]) -> Document:
    listed = [{"Key": key, "Value": value} for key, value in tags.items()]
    service.records.put(call.scope, "Tags", call.params["ResourceArn"], {"Tags": listed})
    return {"Tags": listed}


def _add_tags(service: JsonService, call: Call) -> Document:
    added = {tag["Key"]: tag["Value"] for tag in call.params["Tags"]}
    return _store_tags(service, call, tags_of(service, call, call.params["ResourceArn"]) | added)


def _delete_tags(service: JsonService, call: Call) -> Document:
    kept = tags_of(service, call, call.params["ResourceArn"])
    return _store_tags(service, call, {key: value for key, value in kept.items() if key not in call.params["TagKeys"]})


def _list_tags(service: JsonService, call: Call) -> Document:
    tags = tags_of(service, call, call.params["ResourceArn"])
    return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}
