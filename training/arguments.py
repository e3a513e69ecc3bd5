"""The flags of training, which are the hyperparameters of a SageMaker job."""

import argparse
import os
import re
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, NoReturn

from training.errors import TrainingError
from training.loop import Hyperparameters
from training.models import ARCHITECTURES

CHANNELS = ("train", "valid", "test")
CHANNELS_OF_A_TRIAL = ("train", "valid")
SMALLEST_SIDE_PIXELS, LARGEST_SIDE_PIXELS = 16, 1024


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


def parse(words: Sequence[str], description: str) -> argparse.Namespace:
    """Read the flags; folders default to what SageMaker's environment variables name."""
    parser = Parser(
        prog="python -m training.train",
        description=description,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for channel in CHANNELS:
        variable = f"SM_CHANNEL_{channel.upper()}"
        parser.add_argument(f"--{channel}", type=Path, default=os.environ.get(variable), help=f"folder; or {variable}")
    parser.add_argument("--model-dir", type=Path, default=os.environ.get("SM_MODEL_DIR"), help="or SM_MODEL_DIR")
    parser.add_argument(
        "--report-dir",
        type=Path,
        default=os.environ.get("SM_OUTPUT_DATA_DIR"),
        help="where the report goes; or SM_OUTPUT_DATA_DIR (MODEL_DIR/report)",
    )
    parser.add_argument(
        "--trial", type=boolean, default=False, help="only print the number that a tuner judges by (%(default)s)"
    )
    parser.add_argument("--name", type=model_name, default="model", help="start of the model's version (%(default)s)")
    parser.add_argument("--architecture", choices=sorted(ARCHITECTURES), default="small_cnn")
    parser.add_argument("--input-size", type=int, default=64, help="side of the input in pixels (%(default)s)")
    parser.add_argument("--threads", type=int, default=0, help="compute threads; 0 leaves it to PyTorch")
    for option in fields(Hyperparameters):
        kind: Any = boolean if option.type is bool else option.type
        flag = "--" + option.name.replace("_", "-")
        parser.add_argument(flag, type=kind, default=option.default, help="(%(default)s)")
    arguments = parser.parse_args(words)
    _check(arguments)
    if arguments.report_dir is None:
        arguments.report_dir = arguments.model_dir / "report"
    return arguments


def hyperparameters(arguments: argparse.Namespace) -> Hyperparameters:
    """The part of the flags that drives the optimisation."""
    return Hyperparameters(**{option.name: getattr(arguments, option.name) for option in fields(Hyperparameters)})


def _check(arguments: argparse.Namespace) -> None:
    for name in (*(CHANNELS_OF_A_TRIAL if arguments.trial else CHANNELS), "model_dir"):
        if getattr(arguments, name) is None:
            variable = "SM_MODEL_DIR" if name == "model_dir" else f"SM_CHANNEL_{name.upper()}"
            raise TrainingError(f"--{name.replace('_', '-')} is missing: name a folder, or set {variable}")
    for name in ("epochs", "batch_size", "learning_rate"):
        if not getattr(arguments, name) > 0:
            raise TrainingError(f"--{name.replace('_', '-')} {getattr(arguments, name)}: it must be above 0")
    for name in ("weight_decay", "threads", "seed"):
        if not getattr(arguments, name) >= 0:
            raise TrainingError(f"--{name.replace('_', '-')} {getattr(arguments, name)}: it must not be negative")
    if not SMALLEST_SIDE_PIXELS <= arguments.input_size <= LARGEST_SIDE_PIXELS:
        allowed = f"{SMALLEST_SIDE_PIXELS} to {LARGEST_SIDE_PIXELS} pixels"
        raise TrainingError(f"--input-size {arguments.input_size}: allowed is {allowed}")
