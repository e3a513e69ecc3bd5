"""The model registry: numbered versions of a group, each with where it came from and whether it is approved."""

import functools

from local.json_service import AwsError, Call, JsonService, Operation, now
from local.listing import listing
from local.records import Document
from local.sagemaker import condition_keys
from local.sagemaker.control_plane import named
from local.sagemaker.names import arn, not_available, validation

KIND, GROUP = "ModelPackage", "ModelPackageGroup"
UNAVAILABLE = (
    "ModelPackageName",
    "SourceAlgorithmSpecification",
    "ValidationSpecification",
    "CertifyForMarketplace",
    "AdditionalInferenceSpecifications",
    "SecurityConfig",
    "ModelCard",
    "ModelLifeCycle",
    "ManagedStorageType",
)
UPDATED = ("ModelApprovalStatus", "ApprovalDescription", "SourceUri", "InferenceSpecification")
UNAVAILABLE_UPDATE = ("AdditionalInferenceSpecificationsToAdd", "ModelCard", "ModelLifeCycle")


def add_model_packages(service: JsonService) -> None:
    service.add(
        f"Create{KIND}", Operation(functools.partial(_create, service), _created, condition_keys.of_model_package)
    )
    service.add(
        f"Update{KIND}",
        Operation(
            functools.partial(_update, service),
            lambda call: (_arn(call, f"{KIND}Arn"),),
            condition_keys.of_model_package,
        ),
    )
    for verb, run in {"Describe": _describe, "Delete": _delete}.items():
        operation = Operation(functools.partial(run, service), lambda call: (_arn(call, f"{KIND}Name"),))
        service.add(f"{verb}{KIND}", operation)
    service.add(f"List{KIND}s", Operation(functools.partial(_list, service)))
    # In place of what the group's own kind does: a group that holds packages stays.
    remove = service.operations[f"Delete{GROUP}"].run

    def delete_group(call: Call) -> Document:
        held = _versions(service, call, call.params[f"{GROUP}Name"])
        if held:
            raise AwsError(
                "ConflictException",
                f"Model package group {call.params[f'{GROUP}Name']} cannot be deleted: it contains {len(held)} model "
                "package(s). Delete them first.",
            )
        return remove(call)

    service.add(f"Delete{GROUP}", Operation(delete_group, functools.partial(named, GROUP)))


def _arn(call: Call, member: str) -> str:
    """Calls take an ARN, or the name of a package without a group, of which there are none here."""
    given = str(call.params.get(member, ""))
    return given if given.startswith("arn:") else arn(call.scope, KIND, given)


def _created(call: Call) -> tuple[str, ...]:
    """IAM is asked about the group and about the package, whose number nobody knows yet."""
    group = str(call.params.get(f"{GROUP}Name", "")).rsplit("/", 1)[-1]
    return arn(call.scope, GROUP, group), arn(call.scope, KIND, f"{group}/*")


def _create(service: JsonService, call: Call) -> Document:
    for member in UNAVAILABLE:
        if call.params.get(member):
            raise not_available(f"A model package with {member}")
    if call.params.get("Tags"):
        raise validation("A model package of a group has the group's tags: Tags must not be given.")
    specification = call.params.get("InferenceSpecification") or {}
    if not specification.get("Containers"):
        raise validation("InferenceSpecification.Containers is required to create a model package.")
    group = str(call.params.get(f"{GROUP}Name", "")).rsplit("/", 1)[-1]
    service.required(call.scope, GROUP, group)
    with service.records.edit(call.scope, GROUP, group) as record:
        # Never that of a package that is gone.
        number = record["_versions"] = record.get("_versions", 0) + 1
    package = arn(call.scope, KIND, f"{group}/{number}")
    document = {
        "ModelApprovalStatus": "PendingManualApproval",
        **{key: value for key, value in call.params.items() if key != "ClientToken"},
        f"{GROUP}Name": group,
        f"{KIND}Version": number,
        f"{KIND}Arn": package,
        f"{KIND}Status": "Completed",
        f"{KIND}StatusDetails": {"ValidationStatuses": [], "ImageScanStatuses": []},
        "CertifyForMarketplace": False,
        "CreationTime": now(),
        "LastModifiedTime": now(),
        "_name": f"{group}/{number}",
    }
    service.records.put(call.scope, KIND, package, document)
    return document


def _required(service: JsonService, call: Call, member: str) -> Document:
    package = _arn(call, member)
    found = service.records.get(call.scope, KIND, package)
    if found is None:
        raise validation(f"ModelPackage {package} does not exist.")
    return found


def _describe(service: JsonService, call: Call) -> Document:
    return _required(service, call, f"{KIND}Name")


def _update(service: JsonService, call: Call) -> Document:
    for member in UNAVAILABLE_UPDATE:
        if call.params.get(member):
            raise not_available(f"UpdateModelPackage with {member}")
    document = _required(service, call, f"{KIND}Arn")
    document |= {key: call.params[key] for key in UPDATED if key in call.params} | {"LastModifiedTime": now()}
    removed = call.params.get("CustomerMetadataPropertiesToRemove", [])
    properties = document.get("CustomerMetadataProperties", {}) | call.params.get("CustomerMetadataProperties", {})
    kept = {key: value for key, value in properties.items() if key not in removed}
    document |= {"CustomerMetadataProperties": kept} if kept or properties else {}
    service.records.put(call.scope, KIND, document[f"{KIND}Arn"], document)
    return document


def _delete(service: JsonService, call: Call) -> Document:
    document = _required(service, call, f"{KIND}Name")
    service.records.remove(call.scope, KIND, document[f"{KIND}Arn"])
    return {}


def _versions(service: JsonService, call: Call, group: str) -> list[Document]:
    name = group.rsplit("/", 1)[-1]
    return [one for one in service.records.all(call.scope, KIND) if one[f"{GROUP}Name"].lower() == name.lower()]


def _list(service: JsonService, call: Call) -> Document:
    group, wanted = call.params.get(f"{GROUP}Name"), call.params.get("ModelApprovalStatus")
    found = service.records.all(call.scope, KIND) if group is None else _versions(service, call, group)
    found = [one for one in found if wanted in (None, one["ModelApprovalStatus"])]
    # Two of one moment are told apart by their numbers.
    found.sort(key=lambda one: one[f"{KIND}Version"], reverse=call.params.get("SortOrder") == "Descending")
    return listing(found, f"{KIND}SummaryList", call.params)
