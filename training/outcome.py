"""What becomes of trained weights: scored, exported, checked, and written as an artefact.

Training hands over a network that holds its best weights; everything after that is here.
"""

import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import PIL
import torch
from torch import nn

from training.artifact import NETWORK, WEIGHTS, write_metadata
from training.console import metric_line
from training.export import INPUT, OPSET, OUTPUT, check_parity, export
from training.loop import Examples, Score, evaluate
from training.preprocess import Recipe

PARITY_SAMPLES = 64


@dataclass(frozen=True)
class Epoch:
    """One pass over the training pictures and how the network did on them and on the validation pictures."""

    number: int
    train: Score
    valid: Score
    seconds: float
    """Since training began."""


@dataclass(frozen=True)
class Trained:
    """What training hands over."""

    network: nn.Module
    """With the weights of the best epoch in it."""
    name: str
    architecture: str
    labels: Sequence[str]
    recipe: Recipe
    examples: Mapping[str, Examples]
    """train, valid and test; of train the pictures have the margin that crops move in."""
    history: Sequence[Epoch]
    best_epoch: int
    hyperparameters: Mapping[str, Any]
    data: Mapping[str, Any]
    code: str
    """SHA-256 of the sources, taken before training, since somebody may edit them meanwhile."""

    @property
    def best(self) -> Epoch:
        """The epoch whose weights are kept."""
        return next(epoch for epoch in self.history if epoch.number == self.best_epoch)


def report_best(trained: Trained) -> None:
    """What a trial is judged by: what is kept, since the last epoch is often not the best one."""
    metric_line(best_epoch=trained.best_epoch, best_valid_accuracy=trained.best.valid.accuracy)


def finish(trained: Trained, model_dir: Path) -> dict[str, Any]:
    """Score on the test split, which nothing has read so far, and write the artefact; answer with its model.json."""
    test = evaluate(trained.network, trained.examples["test"], trained.recipe)
    metric_line(test_accuracy=test.accuracy, test_loss=test.loss, test_samples=test.samples)
    difference = write_models(trained, model_dir)
    metadata = write_metadata(model_dir, trained.name, describe(trained, test=test, difference=difference))
    sys.stdout.write(f"model {metadata['version']} is in {model_dir}\n")
    return metadata


def write_models(trained: Trained, folder: Path) -> float:
    """Write model.pt and model.onnx; answer with the largest difference between the two engines."""
    network, samples = trained.network, trained.examples["valid"]
    weights = {name: value.cpu() for name, value in network.state_dict().items()}
    torch.save(weights, folder / WEIGHTS)
    export(network, trained.recipe, folder / NETWORK)
    # strided over the split, since files come sorted by class
    stride = max(1, len(samples.targets) // PARITY_SAMPLES)
    return check_parity(network, trained.recipe, folder / NETWORK, samples.pixels[::stride])


def describe(trained: Trained, *, test: Score, difference: float) -> dict[str, Any]:
    """What model.json tells about the model, in the order of docs/artefact.md."""
    recipe = trained.recipe
    return {
        "labels": list(trained.labels),
        "input": {"name": INPUT, "channels": 3, "height": recipe.height, "width": recipe.width},
        "output": {"name": OUTPUT},
        "preprocessing": recipe.preprocessing(),
        "temperature": 1.0,
        "architecture": trained.architecture,
        "hyperparameters": dict(trained.hyperparameters),
        "metrics": {
            "best_epoch": trained.best_epoch,
            "valid": asdict(trained.best.valid),
            "test": asdict(test),
            "onnx_difference": float(f"{difference:.2g}"),
        },
        "framework": {
            "name": "pytorch",
            "torch": str(torch.__version__),
            "onnx": onnx.__version__,
            "onnx_opset": OPSET,
            "onnxruntime": onnxruntime.__version__,
            "numpy": np.__version__,
            "pillow": PIL.__version__,
            "python": platform.python_version(),
        },
        "code": {"sha256": trained.code},
        "data": dict(trained.data),
    }
