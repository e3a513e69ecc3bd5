"""The pipeline's six steps as SageMaker's definition language has them; what each runs is in training/.

Everything that a run leaves lies below its own id: no checkpoint or result of another run can be taken for its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from config.sections.training import Dimension, Training
from stacks.constructs.buckets import RUNS_PREFIX
from stacks.constructs.training_metrics import training_metrics

Json = dict[str, Any]
DATASET_PARAMETER = "DatasetPrefix"
CODE = "/opt/ml/input/data/code"
PROCESSING = "/opt/ml/processing"
METRICS = training_metrics()
# The whole set goes to the final training only; a trial never sees what the model is judged by in the end.
CHANNELS, CHANNELS_OF_A_TRIAL = ("train", "valid", "test"), ("train", "valid")


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


def definition(config: Training, places: Places, *, model_name: str) -> Json:
    steps = [
        _prepare(config, places),
        _tune(config, places, model_name),
        _train(config, places, model_name),
        _evaluate(config, places),
        _decide(config, places),
    ]
    # Prefix of one data set, as "dataset/dogs"; intake fills it in from the manifest that started the run.
    parameters = [{"Name": DATASET_PARAMETER, "Type": "String"}]
    return {"Version": "2020-12-01", "Metadata": {}, "Parameters": parameters, "Steps": steps}


def _prepare(config: Training, places: Places) -> Json:
    # A slash at the end, here and below: without it "dogs" would take in "dogs-2" as well.
    dataset = join("/", f"s3://{places.bucket}", get(f"Parameters.{DATASET_PARAMETER}"), "")
    return _processing(
        "Prepare",
        config,
        places,
        inputs={"dataset": dataset},
        outputs={"data": run_folder(places, "data")},
        module="training.prepare",
        arguments=[
            "--data",
            f"{PROCESSING}/dataset",
            "--out",
            f"{PROCESSING}/data",
            "--seed",
            str(config.hyperparameters.seed),
        ],
    )


def _tune(config: Training, places: Places, model_name: str) -> Json:
    own = config.tuning
    tuned = {flag_of(dimension) for dimension in own.space}
    fixed = {name: value for name, value in hyperparameters(config, places, model_name).items() if name not in tuned}
    trial = {
        "StaticHyperParameters": {**fixed, "trial": "true"},
        "AlgorithmSpecification": _algorithm(places.tuning_image),
        **_job(
            config,
            places,
            step="Tune",
            instance_type=own.instance_type,
            count=1,
            output="trials",
            channels=CHANNELS_OF_A_TRIAL,
        ),
    }
    return {
        "Name": "Tune",
        "Type": "Tuning",
        "Arguments": {
            "HyperParameterTuningJobConfig": {
                "Strategy": "Bayesian",
                "ResourceLimits": {"MaxNumberOfTrainingJobs": own.jobs, "MaxParallelTrainingJobs": own.parallel},
                "HyperParameterTuningJobObjective": {
                    "Type": METRICS.direction.capitalize(),
                    "MetricName": METRICS.objective,
                },
                "ParameterRanges": _ranges(own.space),
                "RandomSeed": config.hyperparameters.seed,
            },
            "TrainingJobDefinition": trial,
        },
    }


def flag_of(dimension: Dimension) -> str:
    """The hyperparameter's name, which is a flag of training/train.py."""
    return dimension.name.replace("_", "-")


def _ranges(space: Sequence[Dimension]) -> Json:
    """The search space by kind; SageMaker takes bounds and values as texts."""
    found: dict[str, list[Json]] = {}
    for dimension in space:
        if dimension.range is None:
            values = [str(value) for value in dimension.values or ()]
            found.setdefault("CategoricalParameterRanges", []).append({"Name": flag_of(dimension), "Values": values})
            continue
        low, high = (f"{bound:.12g}" for bound in dimension.range)
        whole = all(isinstance(bound, int) for bound in dimension.range)
        kind = "IntegerParameterRanges" if whole else "ContinuousParameterRanges"
        bounds = {"MinValue": low, "MaxValue": high, "ScalingType": dimension.scale.capitalize()}
        found.setdefault(kind, []).append({"Name": flag_of(dimension), **bounds})
    return found


def _train(config: Training, places: Places, model_name: str) -> Json:
    tuned = [flag_of(dimension) for dimension in config.tuning.space]
    best = {name: get(f"Steps.Tune.BestTrainingJob.TunedHyperParameters['{name}']") for name in tuned}
    return {
        "Name": "Train",
        "Type": "Training",
        "Arguments": {
            "HyperParameters": {**hyperparameters(config, places, model_name), **best},
            "AlgorithmSpecification": _algorithm(places.training_image),
            **_job(
                config,
                places,
                step="Train",
                instance_type=config.instance_type,
                count=config.instance_count,
                output="training",
                channels=CHANNELS,
            ),
        },
    }


def hyperparameters(config: Training, places: Places, model_name: str) -> dict[str, str]:
    """Script mode's own, and the flags of training/train.py; SageMaker takes texts only."""
    own = config.hyperparameters
    return {
        "sagemaker_program": "training/entry.py",
        # A file of the code channel: the toolkit cannot fetch from S3 in a container without a network.
        "sagemaker_submit_directory": f"{CODE}/{places.code_file}",
        "name": model_name,
        **{name.replace("_", "-"): _text(value) for name, value in own.model_dump().items()},
        **({"weights-sha256": config.weights.sha256} if config.weights else {}),
    }


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _algorithm(image: str) -> Json:
    return {
        "TrainingImage": image,
        "TrainingInputMode": "File",
        "MetricDefinitions": METRICS.definitions(),
    }


def _job(
    config: Training,
    places: Places,
    *,
    step: str,
    instance_type: str,
    count: int,
    output: str,
    channels: Sequence[str],
) -> Json:
    data = get("Steps.Prepare.ProcessingOutputConfig.Outputs['data'].S3Output.S3Uri")
    inputs = {**{name: join("/", data, name, "") for name in channels}, "code": places.code_uri}
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


def _evaluate(config: Training, places: Places) -> Json:
    """Publishes too: the artefact's bytes name its place under models/, which is what the stage file then names."""
    test = join("/", get("Steps.Prepare.ProcessingOutputConfig.Outputs['data'].S3Output.S3Uri"), "test", "")
    step = _processing(
        "Evaluate",
        config,
        places,
        inputs={"model": get("Steps.Train.ModelArtifacts.S3ModelArtifacts"), "test": test},
        outputs={"evaluation": run_folder(places, "evaluation"), "models": f"s3://{places.bucket}/models"},
        module="training.evaluate",
        arguments=[
            *("--model", f"{PROCESSING}/model/model.tar.gz", "--data", f"{PROCESSING}/test"),
            *("--report", f"{PROCESSING}/evaluation/evaluation.json", "--publish", f"{PROCESSING}/models"),
        ],
    )
    report = {"PropertyFileName": "Evaluation", "OutputName": "evaluation", "FilePath": "evaluation.json"}
    return {**step, "PropertyFiles": [report]}


def evaluated(path: str) -> Json:
    """A value of the evaluation's report."""
    return {"Std:JsonGet": {"PropertyFile": get("Steps.Evaluate.PropertyFiles.Evaluation"), "Path": path}}


def _decide(config: Training, places: Places) -> Json:
    least = config.minimum_accuracy
    return {
        "Name": "Decide",
        "Type": "Condition",
        "Arguments": {
            "Conditions": [{"Type": "GreaterThanOrEqualTo", "LeftValue": evaluated("accuracy"), "RightValue": least}],
            "IfSteps": [_register(places)],
            "ElseSteps": [
                {
                    "Name": "Refuse",
                    "Type": "Fail",
                    "Arguments": {
                        "ErrorMessage": join(
                            "",
                            "The model names a smaller share of the test pictures rightly than "
                            f"training.minimum_accuracy = {least:g}, so that it is not registered; its scores are in ",
                            run_folder(places, "evaluation/evaluation.json"),
                        )
                    },
                }
            ],
        },
    }


def _register(places: Places) -> Json:
    report = {
        "ContentType": "application/json",
        "S3Uri": join("/", run_folder(places, "evaluation"), "evaluation.json"),
    }
    artifact = join("/", f"s3://{places.bucket}", evaluated("artifact"))
    return {
        "Name": "Register",
        "Type": "RegisterModel",
        "Arguments": {
            "ModelPackageGroupName": places.group,
            "ModelApprovalStatus": "PendingManualApproval",
            "ModelMetrics": {"ModelQuality": {"Statistics": report}},
            "InferenceSpecification": {
                "Containers": [{"Image": places.registered_image, "ModelDataUrl": artifact}],
                "SupportedContentTypes": ["image/jpeg", "image/png", "image/webp", "image/gif"],
                "SupportedResponseMIMETypes": ["application/json"],
            },
        },
    }


def _processing(
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
