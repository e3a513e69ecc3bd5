"""Jobs of a pipeline's steps as SageMaker's definition language has them, shaped as the stage file says."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from config.sections.training import Training
from stacks.constructs.buckets import RUNS_PREFIX
from stacks.constructs.training_metrics import training_metrics

Json = dict[str, Any]
CODE = "/opt/ml/input/data/code"
PROCESSING = "/opt/ml/processing"
METRICS = training_metrics()


@dataclass(frozen=True)
class Places:
    """What steps point to: texts, or tokens that the template resolves."""

    bucket: str
    code_uri: str
    code_file: str
    key: str
    training_image: str
    tuning_image: str
    processing_image: str
    registered_image: str
    group: str
    vpc: Json | None
    roles: Mapping[str, str]
    """Step -> ARN."""


def run_folder(places: Places, folder: str) -> Json:
    """A folder of this run's own."""
    return join("/", f"s3://{places.bucket}/{RUNS_PREFIX}", get("Execution.PipelineExecutionId"), folder)


def get(path: str) -> Json:
    return {"Get": path}


def join(between: str, *values: object) -> Json:
    return {"Std:Join": {"On": between, "Values": list(values)}}


def algorithm(image: str) -> Json:
    return {
        "TrainingImage": image,
        "TrainingInputMode": "File",
        "MetricDefinitions": METRICS.definitions(),
    }


def training_job(
    config: Training,
    places: Places,
    *,
    step: str,
    instance_type: str,
    count: int,
    output: str,
    channels: Mapping[str, object],
) -> Json:
    inputs = {**channels, "code": places.code_uri}
    if config.weights:
        inputs["weights"] = f"s3://{places.bucket}/{config.weights.key}"
    resources: Json = {"InstanceType": instance_type, "InstanceCount": count, "VolumeSizeInGB": config.volume_gb}
    stopping: Json = {"MaxRuntimeInSeconds": config.max_run_seconds}
    if config.encrypt_volume:
        resources["VolumeKmsKeyId"] = places.key
    if config.spot is not None:
        stopping["MaxWaitTimeInSeconds"] = config.spot.max_wait_seconds
    return {
        "RoleArn": places.roles[step],
        "InputDataConfig": [_channel(name, uri) for name, uri in inputs.items()],
        "OutputDataConfig": {"S3OutputPath": run_folder(places, output), "KmsKeyId": places.key},
        "CheckpointConfig": {"S3Uri": run_folder(places, f"checkpoints/{step.lower()}")},
        "ResourceConfig": resources,
        "StoppingCondition": stopping,
        "EnableManagedSpotTraining": config.spot is not None,
        "EnableNetworkIsolation": True,
        "EnableInterContainerTrafficEncryption": config.encrypt_between_instances,
        **({"VpcConfig": places.vpc} if places.vpc else {}),
    }


def _channel(name: str, uri: object) -> Json:
    source = {"S3DataType": "S3Prefix", "S3Uri": uri, "S3DataDistributionType": "FullyReplicated"}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}}


def processing_step(
    name: str,
    config: Training,
    places: Places,
    *,
    inputs: Mapping[str, object],
    outputs: Mapping[str, object],
    module: str,
    arguments: list[str],
) -> Json:
    own = config.processing
    cluster: Json = {"InstanceType": own.instance_type, "InstanceCount": 1, "VolumeSizeInGB": own.volume_gb}
    if config.encrypt_volume:
        cluster["VolumeKmsKeyId"] = places.key
    network: Json = {
        "EnableNetworkIsolation": True,
        "EnableInterContainerTrafficEncryption": config.encrypt_between_instances,
    }
    if places.vpc:
        network["VpcConfig"] = places.vpc
    unpack = f"mkdir -p /tmp/code && tar -xzf {PROCESSING}/code/{places.code_file} -C /tmp/code"
    return {
        "Name": name,
        "Type": "Processing",
        "Arguments": {
            "ProcessingResources": {"ClusterConfig": cluster},
            "AppSpecification": {
                "ImageUri": places.processing_image,
                "ContainerEntrypoint": [
                    "/bin/bash",
                    "-c",
                    f'{unpack} && cd /tmp/code && exec python3 -m {module} "$@"',
                    name,
                ],
                "ContainerArguments": arguments,
            },
            "RoleArn": places.roles[name],
            "ProcessingInputs": [
                _processing_input(input_name, uri) for input_name, uri in {**inputs, "code": places.code_uri}.items()
            ],
            "ProcessingOutputConfig": {
                "Outputs": [_processing_output(output_name, uri) for output_name, uri in outputs.items()],
                "KmsKeyId": places.key,
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": own.max_run_seconds},
            "NetworkConfig": network,
        },
    }


def _processing_input(name: str, uri: object) -> Json:
    return {
        "InputName": name,
        "S3Input": {
            "S3Uri": uri,
            "LocalPath": f"{PROCESSING}/{name}",
            "S3DataType": "S3Prefix",
            "S3InputMode": "File",
            "S3DataDistributionType": "FullyReplicated",
        },
    }


def _processing_output(name: str, uri: object) -> Json:
    return {
        "OutputName": name,
        "S3Output": {"S3Uri": uri, "LocalPath": f"{PROCESSING}/{name}", "S3UploadMode": "EndOfJob"},
    }
