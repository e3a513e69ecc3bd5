"""CreateTrainingJob as far as IAM goes: who may start which job, shaped how, under which role. Nothing runs it yet."""

from local.authority import CannotAssume, assume_role
from local.json_service import Call, JsonService, Operation
from local.records import Document
from local.sagemaker.names import SERVICE_PRINCIPAL, arn, not_available, validation

KIND = "TrainingJob"


def add_training_jobs(service: JsonService) -> None:
    service.add(f"Create{KIND}", Operation(_create, lambda call: (_arn(call),), _conditions))


def _arn(call: Call) -> str:
    return arn(call.scope, KIND, str(call.params.get(f"{KIND}Name", "")))


def _conditions(call: Call) -> Document:
    """The condition keys that SageMaker gives IAM; what a request leaves out has no key, but for the two switches."""
    params = call.params
    resources, vpc = _part(params, "ResourceConfig"), _part(params, "VpcConfig")
    groups = [group.get("InstanceType") for group in resources.get("InstanceGroups") or []]
    found = {
        "sagemaker:InstanceTypes": [resources["InstanceType"]] if "InstanceType" in resources else groups,
        "sagemaker:VolumeKmsKey": resources.get("VolumeKmsKeyId"),
        "sagemaker:OutputKmsKey": _part(params, "OutputDataConfig").get("KmsKeyId"),
        "sagemaker:MaxRuntimeInSeconds": _part(params, "StoppingCondition").get("MaxRuntimeInSeconds"),
        "sagemaker:VpcSubnets": vpc.get("Subnets"),
        "sagemaker:VpcSecurityGroupIds": vpc.get("SecurityGroupIds"),
        "sagemaker:NetworkIsolation": _switch(params, "EnableNetworkIsolation"),
        "sagemaker:InterContainerTrafficEncryption": _switch(params, "EnableInterContainerTrafficEncryption"),
        **{f"aws:RequestTag/{tag['Key']}": tag["Value"] for tag in params.get("Tags") or []},
    }
    return {key: value for key, value in found.items() if value}


def _part(params: Document, name: str) -> Document:
    found = params.get(name)
    return found if isinstance(found, dict) else {}


def _switch(params: Document, name: str) -> str:
    return str(bool(params.get(name))).lower()


def _create(call: Call) -> Document:
    if call.params.get("Tags"):
        call.authority.require("sagemaker:AddTags", _arn(call))
    role = call.params["RoleArn"]
    call.require_pass_role(role, SERVICE_PRINCIPAL)
    try:
        assume_role(call.scope, role, SERVICE_PRINCIPAL, "SageMaker", _arn(call))
    except CannotAssume as error:
        raise validation(f"Could not assume role {role}: {error}.") from error
    raise not_available("Running a training job")
