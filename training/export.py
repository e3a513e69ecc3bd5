"""From the trained network to model.onnx, refused when ONNX Runtime answers something else than PyTorch."""

import copy
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import nn

from training.errors import TrainingError
from training.preprocess import Pixels, Recipe
from training.runtime import logits_of, open_session
from training.sources import to_input

INPUT, OUTPUT = "image", "logits"
OPSET = 17
# Of the largest logit, or of 1: float32 sums in another order differ by about 1e-5, a wrong graph by whole logits.
TOLERANCE = 1e-3


def export(network: nn.Module, recipe: Recipe, path: Path) -> None:
    """Write one self-contained ONNX file that takes any batch size."""
    plain = copy.deepcopy(network).to("cpu").eval()
    example = torch.zeros(1, 3, recipe.height, recipe.width)
    with warnings.catch_warnings():
        # The exporter that torch prefers needs onnxscript, which the AWS training image does not carry.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            plain,
            (example,),
            path,
            dynamo=False,
            external_data=False,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_axes={INPUT: {0: "batch"}, OUTPUT: {0: "batch"}},
        )


def check_parity(network: nn.Module, recipe: Recipe, path: Path, pixels: Pixels) -> float:
    """The largest difference between the two engines' logits on real pictures; above TOLERANCE an error."""
    images = to_input(pixels, recipe)
    plain = copy.deepcopy(network).to("cpu").eval()
    with torch.inference_mode():
        expected = plain(images).numpy()
    actual = logits_of(open_session(path, torch.get_num_threads()), pixels, recipe)
    difference, allowed = float(np.abs(actual - expected).max()), TOLERANCE * max(1.0, float(np.abs(expected).max()))
    if not difference <= allowed:
        raise TrainingError(
            f"{path.name}: its logits differ from PyTorch's by {difference:.2g}, allowed is {allowed:.2g}; "
            "the export of this architecture is wrong and the model is not written"
        )
    return difference
