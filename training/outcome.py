"""What becomes of trained weights: scored, calibrated, exported, checked, quantised, written and reported.

Training hands over a network that holds its best weights; everything after that is here.
"""

import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import PIL
import torch
from torch import nn

from training.artifact import NETWORK, QUANTISED, WEIGHTS, write_metadata
from training.calibration import fit_temperature
from training.console import metric_line
from training.errors import TrainingError
from training.export import INPUT, OPSET, OUTPUT, check_parity, export
from training.preprocess import Recipe
from training.quantise import offer, spread
from training.report import write_report
from training.run import Epoch
from training.scoring import Counts, Floats, score
from training.sources import Examples, centre, to_input

PARITY_SAMPLES = 64
BATCH = 64


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


def finish(trained: Trained, *, model_dir: Path, report_dir: Path) -> dict[str, Any]:
    """Decide the temperature and the 8 bits on the validation split, and only then read the test split, once."""
    difference = write_models(trained, model_dir)
    answers, targets = predict(trained, "valid")
    temperature = fit_temperature(answers, targets)
    int8 = offer_int8(trained, model_dir)
    metrics = {"best_epoch": trained.best_epoch, "valid": measured(answers, targets, temperature)}
    answers, targets = predict(trained, "test")
    metrics |= {"test": measured(answers, targets, temperature), "onnx_difference": float(f"{difference:.2g}")}
    print_metrics(metrics, temperature, int8)
    facts = describe(trained, metrics=metrics, temperature=temperature, int8=int8)
    metadata = write_metadata(model_dir, trained.name, facts)
    sys.stdout.write(f"model {metadata['version']} is in {model_dir}\n")
    report(trained, metadata, report_dir, answers, targets)
    return metadata


def write_models(trained: Trained, folder: Path) -> float:
    """Write model.pt and model.onnx; answer with the largest difference between the two engines."""
    network, samples = trained.network, trained.examples["valid"]
    weights = {name: value.cpu() for name, value in network.state_dict().items()}
    torch.save(weights, folder / WEIGHTS)
    export(network, trained.recipe, folder / NETWORK)
    chosen = spread(len(samples.targets), PARITY_SAMPLES)
    try:
        return check_parity(network, trained.recipe, folder / NETWORK, samples.pixels[chosen])
    except TrainingError:
        for name in (NETWORK, WEIGHTS):
            (folder / name).unlink()
        raise


def predict(trained: Trained, split: str) -> tuple[Floats, Counts]:
    """The network's logits for a split, and the class of each picture."""
    network, examples = trained.network, trained.examples[split]
    device = next(network.parameters()).device
    network.eval()
    answers = []
    with torch.inference_mode():
        for start in range(0, len(examples.targets), BATCH):
            images = to_input(examples.pixels[start : start + BATCH], trained.recipe)
            answers.append(network(images.to(device)).float().cpu().numpy())
    return np.concatenate(answers).astype(np.float64), examples.targets.numpy()


def offer_int8(trained: Trained, folder: Path) -> dict[str, Any]:
    """The network in 8 bits where it is as good: ranges from training pictures, the verdict from validation ones."""
    seen, held_out = trained.examples["train"], trained.examples["valid"]
    return offer(
        folder / NETWORK,
        folder / QUANTISED,
        ranges=centre(seen.pixels[spread(len(seen.targets))], trained.recipe),
        pixels=held_out.pixels,
        targets=held_out.targets.numpy(),
        recipe=trained.recipe,
    )


def measured(answers: Floats, targets: Counts, temperature: float) -> dict[str, Any]:
    """The numbers of a split, as model.json has them; what the temperature changed beside what it was."""
    served, raw = score(answers, targets, temperature), score(answers, targets)
    uncalibrated = {"loss": raw.loss, "calibration_error": raw.calibration_error}
    return {**served.as_json(), "uncalibrated": uncalibrated}


def print_metrics(metrics: Mapping[str, Any], temperature: float, int8: Mapping[str, Any]) -> None:
    """What metric definitions read; their names are in training/metrics.toml."""
    test = metrics["test"]
    metric_line(
        test_accuracy=test["accuracy"],
        test_macro_f1=test["macro_f1"],
        test_loss=test["loss"],
        test_calibration_error=test["calibration_error"],
        test_samples=test["samples"],
        temperature=temperature,
    )
    if int8["kept"]:
        metric_line(int8_accuracy=int8["accuracy"], int8_lost=int8["lost"])
    else:
        sys.stdout.write(f"no network in 8 bits: {int8['reason']}\n")


def report(trained: Trained, metadata: dict[str, Any], folder: Path, answers: Floats, targets: Counts) -> None:
    """A model is worth more than its report: where that cannot be written, the model stays and the log says so."""
    try:
        written = write_report(
            folder,
            metadata=metadata,
            history=trained.history,
            test=trained.examples["test"],
            logits=answers,
            targets=targets,
        )
    except OSError as error:
        sys.stderr.write(f"training: --report-dir {folder}: the report cannot be written ({error.strerror})\n")
        return
    sys.stdout.write(f"report is in {written}\n")


def describe(trained: Trained, *, metrics: dict[str, Any], temperature: float, int8: dict[str, Any]) -> dict[str, Any]:
    """What model.json tells about the model, in the order of docs/artefact.md."""
    recipe = trained.recipe
    return {
        "labels": list(trained.labels),
        "input": {"name": INPUT, "channels": 3, "height": recipe.height, "width": recipe.width},
        "output": {"name": OUTPUT},
        "preprocessing": recipe.preprocessing(),
        "temperature": temperature,
        "int8": int8,
        "architecture": trained.architecture,
        "hyperparameters": dict(trained.hyperparameters),
        "metrics": metrics,
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
