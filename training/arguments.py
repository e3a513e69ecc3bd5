"""The flags of training, which are the hyperparameters of a SageMaker job."""

import argparse
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, NoReturn

from training import models
from training.augment import AUGMENTATIONS
from training.errors import TrainingError
from training.feature_set import is_complete
from training.hyperparameters import Hyperparameters

CHANNELS = ("train", "valid", "test")
CHANNELS_OF_A_TRIAL = ("train", "valid")
STAGES = ("finetune", "head", "both")
SMALLEST_SIDE_PIXELS, LARGEST_SIDE_PIXELS = 16, 1024
LARGEST_SEED = 2**31 - 1

HELP = {
    "epochs": "passes over the training pictures; the best on the validation pictures is kept",
    "batch_size": "pictures in one step, over all ranks together",
    "learning_rate": "the highest, at the head",
    "weight_decay": "AdamW's",
    "warm_up": "share of all steps in which the rate rises; then it falls along a cosine",
    "layer_decay": "each block's rate is this times that of the block behind it; 1: one rate for all",
    "clip_norm": "longest gradient; 0: any",
    "label_smoothing": "share of each label that is spread over all classes",
    "flip": "mirror half of the training pictures",
    "augment": f"{' or '.join(AUGMENTATIONS)}: crops in the margin, and TrivialAugment as well",
    "mixup": "MixUp's alpha; 0: none",
    "cutmix": "CutMix's alpha, of pictures only, not of features; 0: none. With both, each batch draws one",
    "ema": "decay of the averaged weights that are scored and kept; 0: none",
    "freeze_norm": "batch norm keeps the statistics that it has",
    "precision": "fp32, or bf16 where that is safe (autocast)",
    "seed": "where every random choice begins",
}


class Parser(argparse.ArgumentParser):
    """Reports a wrong flag as an error of training, so that it reaches the job's failure reason too."""

    def error(self, message: str) -> NoReturn:
        raise TrainingError(f"{message}; see {self.prog} --help")


def boolean(text: str) -> bool:
    """SageMaker hands booleans over as True, true or 1."""
    if text.lower() in {"true", "1", "yes"}:
        return True
    if text.lower() in {"false", "0", "no"}:
        return False
    raise argparse.ArgumentTypeError(f"'{text}' is neither true nor false")


def model_name(text: str) -> str:
    """Part of the model's version, which travels in HTTP answers and file names."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,39}", text):
        raise argparse.ArgumentTypeError(f"'{text}' must be 1 to 40 of a-z, 0-9 and -, the first no -")
    return text


def parse(words: Sequence[str], description: str, program: str = "python -m training.train") -> argparse.Namespace:
    """Read the flags; folders default to what SageMaker's environment variables name."""
    parser = Parser(
        prog=program,
        description=description,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _places(parser)
    _network(parser)
    _machine(parser)
    group = parser.add_argument_group("optimisation")
    for option in fields(Hyperparameters):
        kind: Any = boolean if option.type is bool else option.type
        flag = "--" + option.name.replace("_", "-")
        group.add_argument(flag, type=kind, default=option.default, help=f"{HELP[option.name]} (%(default)s)")
    arguments = parser.parse_args(words)
    if arguments.input_size is None:
        arguments.input_size = models.input_size(arguments.architecture)
    _check(arguments)
    if arguments.report_dir is None:
        arguments.report_dir = arguments.model_dir / "report"
    return arguments


def _places(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("places")
    for channel in CHANNELS:
        variable = f"SM_CHANNEL_{channel.upper()}"
        group.add_argument(f"--{channel}", type=Path, default=os.environ.get(variable), help=f"folder; or {variable}")
    group.add_argument("--model-dir", type=Path, default=os.environ.get("SM_MODEL_DIR"), help="or SM_MODEL_DIR")
    group.add_argument(
        "--report-dir",
        type=Path,
        default=os.environ.get("SM_OUTPUT_DATA_DIR"),
        help="where the report goes; or SM_OUTPUT_DATA_DIR (MODEL_DIR/report)",
    )
    group.add_argument(
        "--trial", type=boolean, default=False, help="only print the number that a tuner judges by (%(default)s)"
    )
    group.add_argument(
        "--cache", type=Path, help="folder for decoded and resized pictures, for later runs (one that goes at the end)"
    )
    group.add_argument(
        "--features",
        type=Path,
        default=os.environ.get("SM_CHANNEL_FEATURES"),
        help="folder for what a frozen network makes of the pictures; or SM_CHANNEL_FEATURES",
    )
    group.add_argument(
        "--checkpoints",
        type=Path,
        default=_checkpoints(),
        help="folder from which an interrupted run goes on; in a SageMaker job /opt/ml/checkpoints",
    )
    group.add_argument("--checkpoint-seconds", type=float, default=120.0, help="between two checkpoints (%(default)s)")
    group.add_argument(
        "--on-bad-image", choices=("fail", "skip"), default="fail", help="what an unusable picture does (%(default)s)"
    )
    group.add_argument(
        "--on-duplicate",
        choices=("report", "drop", "fail"),
        default="report",
        help="what a picture does that stands in two splits; drop leaves it out of the earlier one (%(default)s)",
    )


def _network(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("network")
    group.add_argument("--name", type=model_name, default="model", help="start of the model's version (%(default)s)")
    group.add_argument(
        "--architecture",
        default="small_cnn",
        help=f"{', '.join(models.ARCHITECTURES)}, torchvision/NAME or timm/NAME (%(default)s)",
    )
    group.add_argument("--input-size", type=int, help="side of the input in pixels (64 for small_cnn, else 224)")
    group.add_argument(
        "--weights",
        default=os.environ.get("SM_CHANNEL_WEIGHTS", ""),
        help="file, folder or https address of a state_dict to begin from; or SM_CHANNEL_WEIGHTS",
    )
    group.add_argument("--weights-sha256", default="", help="what that file must have, unless its name says it")
    group.add_argument(
        "--stage",
        choices=STAGES,
        default="finetune",
        help="head: the network is frozen, a head is trained on its features; finetune: all weights are trained; "
        "both: the one, then the other (%(default)s)",
    )
    group.add_argument(
        "--normalise",
        choices=("auto", "imagenet", "data"),
        default="auto",
        help="mean and deviation of ImageNet's or the training pictures; auto: ImageNet's with --weights (%(default)s)",
    )


def _machine(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("machine")
    group.add_argument("--threads", type=int, default=0, help="compute threads; 0 leaves it to PyTorch")
    group.add_argument("--ranks", type=int, default=0, help="processes on this machine; 0: one a GPU, or one")


def hyperparameters(arguments: argparse.Namespace) -> Hyperparameters:
    """The part of the flags that drives the optimisation."""
    return Hyperparameters(**{option.name: getattr(arguments, option.name) for option in fields(Hyperparameters)})


def needs_no_pictures(arguments: argparse.Namespace) -> bool:
    """A trial of a head whose features are all there already; the final training is scored and exported on pictures."""
    return arguments.trial and arguments.stage == "head" and is_complete(arguments.features)


def _checkpoints() -> Path | None:
    """No variable names it; SageMaker makes the folder where a job asks for checkpoints."""
    folder = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml")) / "checkpoints"
    return folder if folder.is_dir() else None


# flag -> what it must be, in words and as a test
LIMITS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    **dict.fromkeys(("epochs", "batch_size", "learning_rate"), ("above 0", lambda value: value > 0)),
    **dict.fromkeys(
        ("weight_decay", "threads", "ranks", "clip_norm", "mixup", "cutmix", "checkpoint_seconds"),
        ("0 or more", lambda value: value >= 0),
    ),
    **dict.fromkeys(("label_smoothing", "ema"), ("from 0 to below 1", lambda value: 0 <= value < 1)),
    "warm_up": ("above 0 and below 1", lambda value: 0 < value < 1),
    "layer_decay": ("above 0 and at most 1", lambda value: 0 < value <= 1),
    "seed": (f"from 0 to {LARGEST_SEED}", lambda value: 0 <= value <= LARGEST_SEED),
    "augment": (" or ".join(AUGMENTATIONS), lambda value: value in AUGMENTATIONS),
    "precision": ("fp32 or bf16", lambda value: value in {"fp32", "bf16"}),
    "weights_sha256": ("64 hexadecimal digits", lambda value: bool(re.fullmatch(r"([0-9a-fA-F]{64})?", value))),
    "input_size": (
        f"{SMALLEST_SIDE_PIXELS} to {LARGEST_SIDE_PIXELS} pixels",
        lambda value: SMALLEST_SIDE_PIXELS <= value <= LARGEST_SIDE_PIXELS,
    ),
}


def _check(arguments: argparse.Namespace) -> None:
    channels = CHANNELS_OF_A_TRIAL if arguments.trial else CHANNELS
    for name in (*(() if needs_no_pictures(arguments) else channels), "model_dir"):
        if getattr(arguments, name) is None:
            variable = "SM_MODEL_DIR" if name == "model_dir" else f"SM_CHANNEL_{name.upper()}"
            raise TrainingError(f"--{name.replace('_', '-')} is missing: name a folder, or set {variable}")
    if not models.known(arguments.architecture):
        models.build(arguments.architecture, 2)  # says what is allowed
    for name, (allowed, holds) in LIMITS.items():
        value = getattr(arguments, name)
        if not holds(value):
            raise TrainingError(f"--{name.replace('_', '-')} {value}: it must be {allowed}")
    if arguments.stage == "head" and arguments.cutmix:
        raise TrainingError(
            f"--cutmix {arguments.cutmix}: lays boxes of pictures in others, and --stage head has only features; "
            "leave it out, or take --mixup"
        )
