"""Score a model artefact on a folder of labelled images, with the engine that serves it.

    python -m training.evaluate --model MODEL_DIR_OR_TAR_GZ --data DATA/test
    python -m training.evaluate ... --report evaluation.json --publish MODELS

Prints accuracy and recall of each class as JSON; fractions of samples, not of batches. With --publish, the artefact is
packed again, byte for byte the same for the same files, into a folder that is named by its SHA-256: what the stage file
names as model.artifact, and what the pipeline registers.
"""

import argparse
import json
import os
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from training.artifact import FILES, NETWORK, file_sha256, pack, read_metadata
from training.data import Split, load_split, read_split
from training.errors import TrainingError
from training.failure import report_failure
from training.preprocess import Pixels, Recipe, normalise

BATCH = 64
PUBLISHED_BELOW = "models"


def recipe_of(metadata: dict[str, Any]) -> Recipe:
    """The preprocessing that a model.json asks for."""
    size, steps = metadata["input"], metadata["preprocessing"]
    known = {field.name for field in fields(Recipe)}
    as_tuples: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in steps.items() if key in known
    }
    return Recipe(height=size["height"], width=size["width"], **as_tuples)


def unpack(model: Path, folder: Path) -> Path:
    """The folder of an artefact: the one given, or `folder` with the archive's files in it."""
    if model.is_dir():
        return model
    try:
        with tarfile.open(model) as tar:
            for name in FILES:
                tar.extract(name, folder, filter="data")
    except (OSError, tarfile.TarError, KeyError) as error:
        raise TrainingError(
            f"{model}: no readable model artefact ({error}); name a model.tar.gz or a folder"
        ) from error
    return folder


def probabilities(folder: Path, metadata: dict[str, Any], pixels: Pixels) -> NDArray[np.float64]:
    """What the network says to each picture, as the server computes it; docs/artefact.md has the keys."""
    recipe = recipe_of(metadata)
    try:
        session = onnxruntime.InferenceSession(folder / NETWORK, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's exceptions share no base class of their own
        raise TrainingError(f"{folder / NETWORK}: ONNX Runtime cannot load it ({error}); train it again") from error
    rows = []
    for start in range(0, len(pixels), BATCH):
        batch = normalise(pixels[start : start + BATCH], recipe)
        rows.append(session.run([metadata["output"]["name"]], {metadata["input"]["name"]: batch})[0])
    scaled = np.concatenate(rows).astype(np.float64) / metadata["temperature"]
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def scores(metadata: dict[str, Any], split: Split, answers: NDArray[np.float64]) -> dict[str, Any]:
    """Accuracy over all samples and over each class's."""
    targets = np.array(split.targets)
    right = answers.argmax(axis=1) == targets
    recall = {
        label: float(right[targets == number].mean())
        for number, label in enumerate(metadata["labels"])
        if (targets == number).any()
    }
    version, accuracy = metadata["version"], float(right.mean())
    return {"model_version": version, "samples": len(targets), "accuracy": accuracy, "recall": recall}


def evaluate(model: Path, data: Path) -> dict[str, Any]:
    """Score an artefact, packed or not, on one split's folder."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = unpack(model, Path(temporary))
        metadata = read_metadata(folder)
        split = read_split(data, metadata["labels"])
        pixels = load_split(split, recipe_of(metadata), os.cpu_count() or 1)
        return scores(metadata, split, probabilities(folder, metadata, pixels))


def publish(model: Path, models: Path) -> dict[str, str]:
    """Put the artefact where its content says: MODELS/<sha256>/model.tar.gz."""
    with tempfile.TemporaryDirectory() as temporary:
        folder, archive = unpack(model, Path(temporary)), Path(temporary) / "model.tar.gz"
        pack(folder, archive)
        sha256 = file_sha256(archive)
        (models / sha256).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(archive, models / sha256 / archive.name)
    return {"artifact": f"{PUBLISHED_BELOW}/{sha256}/{archive.name}", "artifact_sha256": sha256}


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    result = evaluate(arguments.model, arguments.data)
    try:
        if arguments.publish:
            result |= publish(arguments.model, arguments.publish)
        if arguments.report:
            arguments.report.parent.mkdir(parents=True, exist_ok=True)
            arguments.report.write_text(json.dumps(result, indent=2) + "\n")
    except OSError as error:
        raise TrainingError(f"{error.filename}: cannot be written ({error.strerror})") from error
    return result


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m training.evaluate", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--report", type=Path, help="file for what is printed")
    parser.add_argument("--publish", type=Path, help="folder to put the artefact in, below its SHA-256")
    try:
        result = run(parser.parse_args(words))
    except TrainingError as error:
        report_failure(str(error))
        sys.stderr.write(f"evaluate: {error}\n")
        return 1
    except Exception as error:  # a defect: the log gets the trace, the job its reason
        report_failure(f"{type(error).__name__}: {error}")
        raise
    sys.stdout.write(json.dumps(result, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
