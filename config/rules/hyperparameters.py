"""Hyperparameters that contradict each other, their weights, their trials, or what they run on."""

import re
from collections.abc import Iterator

from pydantic import TypeAdapter, ValidationError

from config.instances import computes_bf16
from config.rules.table import Finding, rule, toml
from config.rules.training import WHOLE_NUMBERS
from config.sections.hyperparameters import Hyperparameters
from config.sections.training import Training

OWN = "training.hyperparameters"
# Those of training/models.py.
ARCHITECTURES = ("small_cnn", "resnet18", "resnet34", "resnet50")
# Library -> where a job may import it. Of AWS's images by the lock file that they are built from.
LIBRARIES = {
    "torchvision": "which AWS's training images carry, in version 0.28.0, and this app's own environment does not: "
    "here, in the embedded AWS too, it must be installed",
    "timm": "which AWS's training images do not carry, and a job has no network to fetch it: every trial fails at its "
    "start, but where somebody has installed it, as in the embedded AWS; torchvision/NAME runs in those images",
}
# As torchvision publishes them: resnet50-11ad3fa6.pth.
SHA256_IN_NAME = re.compile(r"-([0-9a-f]{8,64})\.[a-z]+$")
# What only a network that is trained whole makes something of -> the value that asks for nothing.
OF_FINETUNING = {"layer_decay": 1.0, "freeze_norm": False, "augment": "crop"}


@rule("training")
def weights_have_the_hash_that_their_name_says(training: Training) -> Iterator[Finding]:
    weights = training.weights
    named = SHA256_IN_NAME.search(weights.key) if weights else None
    if weights and named and not weights.sha256.startswith(named[1]):
        message = f"begins otherwise than training.weights.key says, if {named[1]} is a hash; take that of the file"
        # A date has eight such digits too, and a job goes by the whole hash alone.
        yield Finding("training.weights.sha256", weights.sha256, message, refused=False)


@rule("training")
def networks_are_known_or_another_librarys(training: Training) -> Iterator[Finding]:
    key, chosen = f"{OWN}.architecture", training.hyperparameters.architecture
    if chosen in ARCHITECTURES:
        return
    library, _, name = chosen.partition("/")
    if library not in LIBRARIES or not re.fullmatch(r"[A-Za-z0-9_.-]+", name):
        yield Finding(key, chosen, f"is no network; choose {', '.join(ARCHITECTURES)}, torchvision/NAME or timm/NAME")
        return
    message = (
        f"is built by {library}, {LIBRARIES[library]}. Whether it can be exported to ONNX shows at the end of a "
        "training: a model for which ONNX Runtime answers otherwise than PyTorch is refused, so try one epoch first"
    )
    yield Finding(key, chosen, message, refused=False)


@rule("training")
def what_is_held_fast_was_trained_before(training: Training) -> Iterator[Finding]:
    own = training.hyperparameters
    if training.weights is not None:
        return
    if own.stage != "finetune":
        message = (
            "freezes random weights, since there is no [training.weights], and a head on features that nobody trained "
            'learns little; add that section, or set stage = "finetune"'
        )
        yield Finding(f"{OWN}.stage", own.stage, message, refused=False)
    for key in ("layer_decay", "freeze_norm"):
        chosen, nothing = getattr(own, key), OF_FINETUNING[key]
        if own.stage == "finetune" and chosen != nothing:
            message = (
                "holds back what begins from random weights, since there is no [training.weights]; add that section, "
                f"or set {key} = {toml(nothing)}"
            )
            yield Finding(f"{OWN}.{key}", chosen, message, refused=False)


@rule("training")
def a_head_is_trained_with_what_works_on_features(training: Training) -> Iterator[Finding]:
    own = training.hyperparameters
    if own.stage != "head":
        return
    if own.cutmix > 0:
        message = 'lays boxes of pictures in others, and with stage = "head" there are only features; set cutmix = 0.0'
        yield Finding(f"{OWN}.cutmix", own.cutmix, message)
    for key, nothing in OF_FINETUNING.items():
        if (chosen := getattr(own, key)) != nothing:
            message = f'has no effect with stage = "head", which freezes the network; set {key} = {toml(nothing)}'
            yield Finding(f"{OWN}.{key}", chosen, message, refused=False)
    for number, dimension in enumerate(training.tuning.space):
        if dimension.name in {"cutmix", *OF_FINETUNING}:
            message = 'is of no use with stage = "head", which freezes the network; take it out of the space'
            yield Finding(f"training.tuning.space[{number}].name", dimension.name, message)


@rule("training")
def trials_get_values_that_training_takes(training: Training) -> Iterator[Finding]:
    for number, dimension in enumerate(training.tuning.space):
        key = "values" if dimension.range is None else "range"
        tried = dimension.values if dimension.range is None else dimension.range
        field = Hyperparameters.model_fields[dimension.name]
        allowed = TypeAdapter[object](field.rebuild_annotation())
        for value in tried or ():
            if dimension.range is not None and dimension.name in WHOLE_NUMBERS and not isinstance(value, int):
                continue  # the rule on ranges says so
            try:
                allowed.validate_python(value, strict=True)
            except ValidationError as error:
                reason = error.errors()[0]["msg"].replace("Input should be", "must be")
                message = f"holds {toml(value)}, and {dimension.name} {reason}; take that out"
                yield Finding(f"training.tuning.space[{number}].{key}", tried, message)


@rule("training")
def short_floats_run_where_there_are_units_for_them(training: Training) -> Iterator[Finding]:
    if training.hyperparameters.precision != "bf16":
        return
    for key, kind in (
        ("training.instance_type", training.instance_type),
        ("training.tuning.instance_type", training.tuning.instance_type),
    ):
        if not computes_bf16(kind):
            message = (
                f'has no units for bf16, so that {OWN}.precision = "bf16" saves no time on it; set that to "fp32", '
                "or choose ml.m7i.xlarge or ml.g5.xlarge"
            )
            yield Finding(key, kind, message, refused=False)
