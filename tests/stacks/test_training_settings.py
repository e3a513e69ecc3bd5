"""What a stage file says of training reaches the pipeline's arguments, weights to begin from among it."""

import pytest

from tests import synth
from tests.stacks import pipelines, variants
from tests.stacks.pipelines import WEIGHTS, job, shape_faults, training, uri

pytestmark = pytest.mark.xdist_group("synth")

SETTINGS = {
    "training__instance_type": ("ml.m6i.large", "Train", "ResourceConfig.InstanceType"),
    "training__instance_count": (3, "Train", "ResourceConfig.InstanceCount"),
    "training__volume_gb": (31, "Train", "ResourceConfig.VolumeSizeInGB"),
    "training__max_run_seconds": (3601, "Train", "StoppingCondition.MaxRuntimeInSeconds"),
    "training__encrypt_between_instances": (False, "Train", "EnableInterContainerTrafficEncryption"),
    "training__minimum_accuracy": (0.77, "Decide", "Conditions.0.RightValue"),
    "training__hyperparameters__input_size": (65, "Train", "HyperParameters.input-size"),
    "training__hyperparameters__epochs": (21, "Train", "HyperParameters.epochs"),
    "training__hyperparameters__batch_size": (67, "Train", "HyperParameters.batch-size"),
    "training__hyperparameters__seed": (9, "Train", "HyperParameters.seed"),
    "training__hyperparameters__architecture": ("torchvision/convnext_tiny", "Train", "HyperParameters.architecture"),
    "training__hyperparameters__flip": (False, "Train", "HyperParameters.flip"),
    "training__hyperparameters__stage": ("both", "Train", "HyperParameters.stage"),
    "training__hyperparameters__normalise": ("data", "Train", "HyperParameters.normalise"),
    "training__hyperparameters__learning_rate": (0.0007, "Train", "HyperParameters.learning-rate"),
    "training__hyperparameters__weight_decay": (0.0301, "Train", "HyperParameters.weight-decay"),
    "training__hyperparameters__warm_up": (0.21, "Train", "HyperParameters.warm-up"),
    "training__hyperparameters__layer_decay": (0.71, "Train", "HyperParameters.layer-decay"),
    "training__hyperparameters__freeze_norm": (True, "Train", "HyperParameters.freeze-norm"),
    "training__hyperparameters__augment": ("trivial", "Train", "HyperParameters.augment"),
    "training__hyperparameters__label_smoothing": (0.11, "Train", "HyperParameters.label-smoothing"),
    "training__hyperparameters__mixup": (0.2, "Train", "HyperParameters.mixup"),
    "training__hyperparameters__cutmix": (1.1, "Train", "HyperParameters.cutmix"),
    "training__hyperparameters__ema": (0.998, "Train", "HyperParameters.ema"),
    "training__hyperparameters__precision": ("bf16", "Train", "HyperParameters.precision"),
    "training__tuning__instance_type": ("ml.c6i.xlarge", "Tune", "TrainingJobDefinition.ResourceConfig.InstanceType"),
    "training__tuning__jobs": (8, "Tune", "HyperParameterTuningJobConfig.ResourceLimits.MaxNumberOfTrainingJobs"),
    "training__tuning__parallel": (4, "Tune", "HyperParameterTuningJobConfig.ResourceLimits.MaxParallelTrainingJobs"),
    "training__tuning__space": (
        [{"name": "clip_norm", "range": [0.001, 0.5], "scale": "logarithmic"}],
        "Tune",
        "HyperParameterTuningJobConfig.ParameterRanges.ContinuousParameterRanges.0.MaxValue",
    ),
    "training__processing__instance_type": (
        "ml.r5.large",
        "Evaluate",
        "ProcessingResources.ClusterConfig.InstanceType",
    ),
    "training__processing__volume_gb": (37, "Prepare", "ProcessingResources.ClusterConfig.VolumeSizeInGB"),
    "training__processing__max_run_seconds": (3700, "Prepare", "StoppingCondition.MaxRuntimeInSeconds"),
}


@pytest.fixture(scope="module")
def set_anew():
    changes = {key: value for key, (value, *_) in SETTINGS.items()}
    return variants.rooms(**changes, training__weights=WEIGHTS)["training"]


@pytest.mark.parametrize("key", SETTINGS)
def test_setting_reaches_its_argument(set_anew, key):
    value, step, path = SETTINGS[key]
    found = pipelines.arguments(set_anew, step)
    for part in path.split("."):
        found = found[int(part) if part.isdigit() else part]
    wanted = value[0]["range"][1] if isinstance(value, list) else value
    assert str(found).lower() == str(wanted).lower()


@pytest.mark.parametrize("step", ["Tune", "Train"])
def test_weights_come_as_a_channel_with_the_hash_that_they_must_have(set_anew, step):
    found = job(set_anew, step)
    channels = {one["ChannelName"]: one["DataSource"]["S3DataSource"]["S3Uri"] for one in found["InputDataConfig"]}
    assert uri(channels["weights"]) == f"s3://BUCKET/{WEIGHTS['key']}"
    values = found.get("HyperParameters") or found["StaticHyperParameters"]
    assert values["weights-sha256"] == "SHA256"
    assert str(synth.only(set_anew, "AWS::SageMaker::Pipeline")).count(WEIGHTS["sha256"]) == 3  # each step's, in full
    assert shape_faults(pipelines.steps(set_anew)[step]) == ""


def test_without_weights_nothing_speaks_of_them():
    assert "weights" not in str(pipelines.definition(training()))
