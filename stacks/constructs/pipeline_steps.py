"""The pipeline's steps as SageMaker's definition language has them; what each runs is in training/.

Everything that a run leaves lies below its own id: no checkpoint or result of another run can be taken for its own.
"""

from collections.abc import Sequence

from config.sections.training import Dimension, Training
from stacks.constructs.pipeline_jobs import (
    CODE,
    METRICS,
    PROCESSING,
    Json,
    Places,
    algorithm,
    get,
    join,
    processing_step,
    run_folder,
    training_job,
)

DATASET_PARAMETER = "DatasetPrefix"
# The whole set goes to the final training only; a trial never sees what the model is judged by in the end.
CHANNELS, CHANNELS_OF_A_TRIAL = ("train", "valid", "test"), ("train", "valid")
# What the features of a frozen network depend on beside its weights and the pictures.
OF_FEATURES = ("architecture", "input_size", "normalise", "flip", "seed")


def freezes(config: Training) -> bool:
    """Whether a head is trained on a frozen network, whose features are then computed once for all jobs."""
    return config.hyperparameters.stage != "finetune"


def splits_of_a_trial(config: Training) -> tuple[str, ...]:
    """A trial of a head alone needs no picture."""
    return () if config.hyperparameters.stage == "head" else CHANNELS_OF_A_TRIAL


def definition(config: Training, places: Places, *, model_name: str) -> Json:
    steps = [
        _prepare(config, places),
        *([_features(config, places)] if freezes(config) else []),
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
    return processing_step(
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


def _split(name: str) -> Json:
    """A split of the prepared set."""
    return join("/", get("Steps.Prepare.ProcessingOutputConfig.Outputs['data'].S3Output.S3Uri"), name, "")


def _features(config: Training, places: Places) -> Json:
    weights, own = config.weights, config.hyperparameters
    inputs: dict[str, object] = {name: _split(name) for name in CHANNELS_OF_A_TRIAL}
    words = [word for name in CHANNELS_OF_A_TRIAL for word in (f"--{name}", f"{PROCESSING}/{name}")]
    if weights:
        inputs["weights"] = f"s3://{places.bucket}/{weights.key}"
        words += ["--weights", f"{PROCESSING}/weights", "--weights-sha256", weights.sha256]
    flags = [(flag_of(name), text_of(getattr(own, name))) for name in OF_FEATURES]
    return processing_step(
        "Features",
        config,
        places,
        inputs=inputs,
        outputs={"features": run_folder(places, "features")},
        module="training.precompute",
        arguments=[
            *("--features", f"{PROCESSING}/features"),
            *words,
            *(word for name, value in flags for word in (f"--{name}", value)),
        ],
    )


def _channels(config: Training, splits: Sequence[str]) -> dict[str, object]:
    """The splits that a job reads, and the features of a frozen network where there is one."""
    features = get("Steps.Features.ProcessingOutputConfig.Outputs['features'].S3Output.S3Uri")
    return {
        **{name: _split(name) for name in splits},
        **({"features": join("/", features, "")} if freezes(config) else {}),
    }


def _tune(config: Training, places: Places, model_name: str) -> Json:
    own = config.tuning
    tuned = {flag_of(dimension.name) for dimension in own.space}
    fixed = {name: value for name, value in hyperparameters(config, places, model_name).items() if name not in tuned}
    trial = {
        "StaticHyperParameters": {**fixed, "trial": "true"},
        "AlgorithmSpecification": algorithm(places.tuning_image),
        **training_job(
            config,
            places,
            step="Tune",
            instance_type=own.instance_type,
            count=1,
            output="trials",
            channels=_channels(config, splits_of_a_trial(config)),
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


def flag_of(name: str) -> str:
    """The hyperparameter of a key of the stage file, which is a flag of training/train.py."""
    return name.replace("_", "-")


def _ranges(space: Sequence[Dimension]) -> Json:
    """The search space by kind; SageMaker takes bounds and values as texts."""
    found: dict[str, list[Json]] = {}
    for dimension in space:
        if dimension.range is None:
            values = [str(value) for value in dimension.values or ()]
            found.setdefault("CategoricalParameterRanges", []).append(
                {"Name": flag_of(dimension.name), "Values": values}
            )
            continue
        low, high = (f"{bound:.12g}" for bound in dimension.range)
        whole = all(isinstance(bound, int) for bound in dimension.range)
        kind = "IntegerParameterRanges" if whole else "ContinuousParameterRanges"
        bounds = {"MinValue": low, "MaxValue": high, "ScalingType": dimension.scale.capitalize()}
        found.setdefault(kind, []).append({"Name": flag_of(dimension.name), **bounds})
    return found


def _train(config: Training, places: Places, model_name: str) -> Json:
    tuned = [flag_of(dimension.name) for dimension in config.tuning.space]
    best = {name: get(f"Steps.Tune.BestTrainingJob.TunedHyperParameters['{name}']") for name in tuned}
    return {
        "Name": "Train",
        "Type": "Training",
        "Arguments": {
            "HyperParameters": {**hyperparameters(config, places, model_name), **best},
            "AlgorithmSpecification": algorithm(places.training_image),
            **training_job(
                config,
                places,
                step="Train",
                instance_type=config.instance_type,
                count=config.instance_count,
                output="training",
                channels=_channels(config, CHANNELS),
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
        **{flag_of(name): text_of(value) for name, value in own.model_dump().items()},
        **({"weights-sha256": config.weights.sha256} if config.weights else {}),
    }


def text_of(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _evaluate(config: Training, places: Places) -> Json:
    """Publishes too: the artefact's bytes name its place under models/, which is what the stage file then names."""
    test = _split("test")
    step = processing_step(
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
