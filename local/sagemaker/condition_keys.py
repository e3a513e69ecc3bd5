"""What SageMaker tells IAM of a request beside its action and resource: the condition keys of jobs."""

from typing import Any

from local.json_service import Call
from local.records import Document

Keys = dict[str, Any]


def of_training(call: Call) -> Document:
    return _definition(call.params) | _tags(call.params)


def of_tuning(call: Call) -> Document:
    """The trials' own shape, asked about once, for all of them."""
    definition = call.params.get("TrainingJobDefinition")
    return _definition(definition if isinstance(definition, dict) else {}) | _tags(call.params)


def of_processing(call: Call) -> Document:
    params, network = call.params, _at(call.params, "NetworkConfig") or {}
    cluster = _at(params, "ProcessingResources", "ClusterConfig") or {}
    return _present(
        {
            "sagemaker:InstanceTypes": _list(_at(cluster, "InstanceType")),
            "sagemaker:VolumeKmsKey": _at(cluster, "VolumeKmsKeyId"),
            "sagemaker:OutputKmsKey": _at(params, "ProcessingOutputConfig", "KmsKeyId"),
            "sagemaker:MaxRuntimeInSeconds": _at(params, "StoppingCondition", "MaxRuntimeInSeconds"),
            **_network(network, network),
            **_tags(params),
        }
    )


def of_transform(call: Call) -> Document:
    resources = _at(call.params, "TransformResources") or {}
    return _present(
        {
            "sagemaker:InstanceTypes": _list(_at(resources, "InstanceType")),
            "sagemaker:VolumeKmsKey": _at(resources, "VolumeKmsKeyId"),
            "sagemaker:OutputKmsKey": _at(call.params, "TransformOutput", "KmsKeyId"),
            **_tags(call.params),
        }
    )


def of_model_package(call: Call) -> Document:
    return _present(
        {"sagemaker:ModelApprovalStatus": _at(call.params, "ModelApprovalStatus"), **_tags(call.params)},
    )


def _definition(params: Document) -> Keys:
    resources = _at(params, "ResourceConfig") or {}
    return _present(
        {
            "sagemaker:InstanceTypes": _list(_at(resources, "InstanceType")),
            "sagemaker:VolumeKmsKey": _at(resources, "VolumeKmsKeyId"),
            "sagemaker:OutputKmsKey": _at(params, "OutputDataConfig", "KmsKeyId"),
            "sagemaker:MaxRuntimeInSeconds": _at(params, "StoppingCondition", "MaxRuntimeInSeconds"),
            **_network(params, params),
        }
    )


def _network(params: Document, flags: Document) -> Keys:
    return {
        "sagemaker:VpcSubnets": _at(params, "VpcConfig", "Subnets"),
        "sagemaker:VpcSecurityGroupIds": _at(params, "VpcConfig", "SecurityGroupIds"),
        "sagemaker:NetworkIsolation": _flag(flags, "EnableNetworkIsolation"),
        "sagemaker:InterContainerTrafficEncryption": _flag(flags, "EnableInterContainerTrafficEncryption"),
    }


def _tags(params: Document) -> Keys:
    tags = [one for one in params.get("Tags") or [] if isinstance(one, dict) and "Key" in one]
    keys: Keys = {f"aws:RequestTag/{one['Key']}": one.get("Value", "") for one in tags}
    return keys | ({"aws:TagKeys": [one["Key"] for one in tags]} if tags else {})


def _present(keys: Keys) -> Keys:
    return {key: value for key, value in keys.items() if value not in (None, [])}


def _flag(params: Document, name: str) -> str:
    return "true" if params.get(name) is True else "false"


def _list(value: object) -> list[object] | None:
    return None if value is None else [value]


def _at(document: Any, *path: str) -> Any:  # noqa: ANN401 - IAM is asked before the request is known to be well formed
    for name in path:
        document = document.get(name) if isinstance(document, dict) else None
    return document
