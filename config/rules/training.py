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
from config.sections.training import Training


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
def ranges_rise(training: Training) -> Iterator[Finding]:
    for key in ("learning_rate", "weight_decay"):
        low, high = getattr(training.tuning, key)
        if low >= high:
            yield Finding(f"training.tuning.{key}", [low, high], "must be the smallest value, then a larger one")


@rule("training")
def several_instances_share_nothing_yet(training: Training) -> Iterator[Finding]:
    if training.instance_count > 1:
        message = "trains that many copies, each alone: training/train.py does not share its work yet; set it to 1"
        yield Finding("training.instance_count", training.instance_count, message, refused=False)
