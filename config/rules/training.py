"""Instances and images of jobs, their storage, spot and tuning."""

from collections.abc import Iterator

from config.instances import (
    BURSTABLE_FAMILIES,
    NVME_FAMILIES,
    PROCESSED_TYPES,
    TOO_OLD_FOR_CUDA_13,
    TRAINED_TYPES,
    WITHOUT_TRAINING_IMAGE,
    family,
)
from config.registries import training_account
from config.rules.table import Finding, rule
from config.sections.stage import Stage
from config.sections.training import Dimension, Training

WHOLE_NUMBERS = frozenset({"batch_size", "epochs"})


def _types(training: Training) -> Iterator[tuple[str, str]]:
    yield "training.instance_type", training.instance_type
    yield "training.tuning.instance_type", training.tuning.instance_type
    yield "training.processing.instance_type", training.processing.instance_type


@rule("stage", "training")
def region_has_training_images(stage: Stage, training: Training) -> Iterator[Finding]:
    if training_account(stage.region) is None:
        message = "has no registry of AWS's training images that is known here (config/registries.py); choose another"
        yield Finding("stage.region", stage.region, message)


@rule("training")
def jobs_run_on_types_that_sagemaker_offers(training: Training) -> Iterator[Finding]:
    for key, kind in _types(training):
        processes = key == "training.processing.instance_type"
        if kind not in (PROCESSED_TYPES if processes else TRAINED_TYPES):
            jobs = "processing" if processes else "training"
            yield Finding(
                key, kind, f"is no type on which SageMaker runs {jobs} jobs; choose ml.m5.xlarge or ml.g5.xlarge"
            )
        elif family(kind) in TOO_OLD_FOR_CUDA_13:
            message = "has GPUs that CUDA 13 dropped, and AWS's training image is built for it; choose ml.g5.xlarge"
            yield Finding(key, kind, message)
        elif family(kind) in WITHOUT_TRAINING_IMAGE:
            message = (
                "needs an image of its own kind, and training runs in AWS's for x86-64 and CUDA; choose ml.g5.xlarge"
            )
            yield Finding(key, kind, message)


@rule("training")
def burstable_types_slow_down_in_long_jobs(training: Training) -> Iterator[Finding]:
    for key, kind in _types(training):
        if family(kind) in BURSTABLE_FAMILIES:
            message = (
                "is burstable: once its credits are spent it computes at a fraction of its speed; ml.m5.large does not"
            )
            yield Finding(key, kind, message, refused=False)


@rule("training")
def jobs_take_no_volume_key_on_nvme(training: Training) -> Iterator[Finding]:
    if not training.encrypt_volume:
        return
    for key, kind in _types(training):
        if family(kind) in NVME_FAMILIES:
            message = (
                "keeps its data on local NVMe, for which SageMaker takes no key of a job's; set "
                "training.encrypt_volume = false (the hardware encrypts NVMe by itself), or choose ml.m5.xlarge"
            )
            yield Finding(key, kind, message)


@rule("training")
def spot_waits_at_least_as_long_as_it_runs(training: Training) -> Iterator[Finding]:
    if training.spot is not None and training.spot.max_wait_seconds < training.max_run_seconds:
        message = (
            f"is below training.max_run_seconds = {training.max_run_seconds}, and the wait includes the run; "
            "raise it to that or more"
        )
        yield Finding("training.spot.max_wait_seconds", training.spot.max_wait_seconds, message)


@rule("training")
def trials_at_once_are_among_all_trials(training: Training) -> Iterator[Finding]:
    own = training.tuning
    if own.parallel > own.jobs:
        message = f"is above training.tuning.jobs = {own.jobs}; lower it, or raise that"
        yield Finding("training.tuning.parallel", own.parallel, message)
    elif own.parallel == own.jobs and own.jobs > 1:
        message = f"starts all training.tuning.jobs = {own.jobs} at once: no trial learns from another; lower it"
        yield Finding("training.tuning.parallel", own.parallel, message, refused=False)


@rule("training")
def dimensions_have_a_range_or_values(training: Training) -> Iterator[Finding]:
    names = [dimension.name for dimension in training.tuning.space]
    for number, dimension in enumerate(training.tuning.space):
        key = f"training.tuning.space[{number}]"
        if dimension.name in names[:number]:
            yield Finding(f"{key}.name", dimension.name, "stands there twice; keep one of the two")
        if (dimension.range is None) == (dimension.values is None):
            message = "needs either range, as [0.001, 0.1], which is searched in between, or values, as [32, 64]"
            yield Finding(f"{key}.name", dimension.name, message)
        yield from _range_faults(key, dimension)


def _range_faults(key: str, dimension: Dimension) -> Iterator[Finding]:
    if dimension.range is None:
        return
    low, high = dimension.range
    if low >= high:
        yield Finding(f"{key}.range", dimension.range, "must be the smallest value, then a larger one")
    elif dimension.scale == "logarithmic" and low <= 0:
        message = 'has no logarithm at its start; begin above 0, or set scale = "linear"'
        yield Finding(f"{key}.range", dimension.range, message)
    elif dimension.name in WHOLE_NUMBERS and not all(isinstance(bound, int) for bound in dimension.range):
        message = f"must be two whole numbers, as {dimension.name} is one"
        yield Finding(f"{key}.range", dimension.range, message)


@rule("training")
def every_instance_has_a_part_of_each_batch(training: Training) -> Iterator[Finding]:
    chosen = training.hyperparameters.batch_size
    if chosen < training.instance_count:
        message = (
            f"is below training.instance_count = {training.instance_count}, so that an instance would have no picture "
            "of it; raise it to that or more"
        )
        yield Finding("training.hyperparameters.batch_size", chosen, message)
