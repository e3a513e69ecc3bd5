"""What a training job may ask for here, and what is refused by name."""

from collections.abc import Iterator
from typing import Any

from local.records import Document
from local.sagemaker import channels, metric_lines
from local.sagemaker.names import not_available, validation

UNAVAILABLE = (
    "DebugHookConfig",
    "DebugRuleConfigurations",
    "TensorBoardOutputConfig",
    "ProfilerRuleConfigurations",
    "ExperimentConfig",
    "RetryStrategy",
    "InfraCheckConfig",
    "SessionChainingConfig",
    "ServerlessJobConfig",
    "MlflowConfig",
    "ModelPackageConfig",
)
UNAVAILABLE_ALGORITHM = ("AlgorithmName", "TrainingImageConfig")
UNAVAILABLE_RESOURCES = (
    "InstanceGroups",
    "KeepAlivePeriodInSeconds",
    "TrainingPlanArn",
    "InstancePlacementConfig",
    "InstancePreferences",
)
NEEDED = (
    ("AlgorithmSpecification", "TrainingImage"),
    ("ResourceConfig", "InstanceType"),
    ("ResourceConfig", "InstanceCount"),
    ("ResourceConfig", "VolumeSizeInGB"),
    ("StoppingCondition",),
    ("OutputDataConfig", "S3OutputPath"),
)

ENCRYPTION = "EnableInterContainerTrafficEncryption of several instances without EnableNetworkIsolation"


def refuse(params: Document) -> None:
    """Also of a tuning job's trials, which have the same shape."""
    for path in NEEDED:
        if _at(params, path) is None:
            raise validation(f"{'.'.join(path)} is required to create a training job.")
    for fault in _faults(params):
        raise not_available(f"A training job with {fault}")
    algorithm = params["AlgorithmSpecification"]
    channels.refuse(params.get("InputDataConfig", []), algorithm["TrainingInputMode"])
    metric_lines.patterns(algorithm.get("MetricDefinitions", []))
    _refuse_spot(params)


def _faults(params: Document) -> Iterator[str]:
    algorithm, resources = params["AlgorithmSpecification"], params["ResourceConfig"]
    yield from [name for name in UNAVAILABLE if params.get(name)]
    yield from [f"AlgorithmSpecification.{name}" for name in UNAVAILABLE_ALGORITHM if algorithm.get(name)]
    yield from [f"ResourceConfig.{name}" for name in UNAVAILABLE_RESOURCES if resources.get(name)]
    if encrypts_in_vain(params, resources["InstanceCount"]):
        yield ENCRYPTION
    if algorithm["TrainingInputMode"] == "Pipe":
        yield "TrainingInputMode Pipe"
    if params["OutputDataConfig"].get("CompressionType") == "NONE":
        yield "OutputDataConfig.CompressionType NONE"
    if params.get("RemoteDebugConfig", {}).get("EnableRemoteDebug"):
        yield "RemoteDebugConfig"
    if params.get("ProfilerConfig") and not params["ProfilerConfig"].get("DisableProfiler"):
        yield "ProfilerConfig"


def _refuse_spot(params: Document) -> None:
    stopping = params["StoppingCondition"]
    wait, run = stopping.get("MaxWaitTimeInSeconds"), stopping.get("MaxRuntimeInSeconds", 86400)
    if not params.get("EnableManagedSpotTraining"):
        if wait is not None:
            raise validation("MaxWaitTimeInSeconds is for jobs with EnableManagedSpotTraining only.")
    elif wait is None or wait < run:
        raise validation(
            f"Invalid MaxWaitTimeInSeconds {wait}. It must be present and be greater than or equal to "
            f"MaxRuntimeInSeconds {run}."
        )


def encrypts_in_vain(flags: Document, instances: int) -> bool:
    """Nobody else is in the network of an isolated job; others talk where this machine's root could listen."""
    asked = flags.get("EnableInterContainerTrafficEncryption", False)
    return bool(asked and instances > 1 and not flags.get("EnableNetworkIsolation"))


def _at(document: Any, path: tuple[str, ...]) -> Any:  # noqa: ANN401 - any JSON value
    for name in path:
        document = document.get(name) if isinstance(document, dict) else None
    return document
