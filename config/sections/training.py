"""The pipeline that makes a model of a data set: prepare, tune, train, evaluate, register."""

from typing import Annotated, Literal

from pydantic import Field

from config.sections.hyperparameters import Hyperparameters
from config.sections.section import InstanceType, LogDays, Section

# SageMaker ends any job after 28 days.
RunSeconds = Annotated[int, Field(ge=60, le=2_419_200)]
VolumeGb = Annotated[int, Field(ge=1, le=16_384)]


class Weights(Section):
    key: Annotated[str, Field(pattern=r"^weights/[A-Za-z0-9._-]{1,200}\.(pt|pth|bin)$")]
    """The file, in this stage's bucket: a state_dict, as torchvision publishes them."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """The SHA-256 that the file must have; a job that finds another one ends before it reads the weights."""


class Dimension(Section):
    name: Literal[
        "learning_rate",
        "weight_decay",
        "batch_size",
        "epochs",
        "warm_up",
        "layer_decay",
        "clip_norm",
        "label_smoothing",
        "mixup",
        "cutmix",
    ]
    """What is varied: a flag of training/train.py, whose fixed value it replaces."""
    range: Annotated[list[int | float], Field(min_length=2, max_length=2)] | None = None
    """The smallest and the largest value that is tried; whole numbers between two whole numbers."""
    scale: Literal["linear", "logarithmic"] = "linear"
    """How a range is searched: logarithmic where 0.001 to 0.01 matters as much as 0.01 to 0.1."""
    values: Annotated[list[int | float | str], Field(min_length=2, max_length=30)] | None = None
    """The values that are tried, where they are no range."""


class Tuning(Section):
    instance_type: InstanceType
    """What each trial runs on."""
    jobs: Annotated[int, Field(ge=1, le=750)]
    """Trials in all; each is a training job."""
    parallel: Annotated[int, Field(ge=1, le=100)]
    """Trials at once; those that run together cannot learn from each other."""
    space: Annotated[list[Dimension], Field(min_length=1, max_length=30)]
    """What the trials vary, here and in `python -m training.tune`."""


class Processing(Section):
    instance_type: InstanceType
    """What the preparing and the evaluating step run on, and the one that computes a frozen network's features."""
    volume_gb: VolumeGb
    """Room for the data set, twice, on that instance."""
    max_run_seconds: Annotated[int, Field(ge=60, le=777_600)]
    """When a preparing or evaluating step that does not end is stopped; AWS allows nine days."""


class Spot(Section):
    max_wait_seconds: RunSeconds
    """How long a job may take, its wait for capacity included; at least training.max_run_seconds."""


class Training(Section):
    instance_type: InstanceType
    """What the final training runs on."""
    instance_count: Annotated[int, Field(ge=1, le=100)]
    """Instances that share the final training: each has its part of every batch."""
    volume_gb: VolumeGb
    """Room for the data set on each instance."""
    max_run_seconds: RunSeconds
    """When a training job that does not end is stopped; what it ran until then is billed."""
    encrypt_volume: bool
    """Whether the volumes of all jobs are encrypted with this stage's own key."""
    encrypt_between_instances: bool
    """Whether what the instances of one job tell each other is encrypted; slows jobs with several instances."""
    minimum_accuracy: Annotated[float, Field(ge=0, le=1)]
    """Share of the test pictures that a model must name rightly to be registered."""
    start_on_new_data: bool
    """Whether a pushed data set (its manifest, the last object of a push) starts the pipeline."""
    check_new_pictures: bool
    """Whether each file of a pushed data set is looked at, and tagged "refused" where it is no picture."""
    log_days: LogDays
    """Days for which the log of what started the pipeline is kept; the jobs' logs are SageMaker's, and stay."""
    hyperparameters: Hyperparameters
    weights: Weights | None = None
    """What trials and training begin from, instead of random weights."""
    tuning: Tuning
    processing: Processing
    spot: Spot | None = None
    """Has trials and training run on spare capacity, which AWS may take back at any time."""
