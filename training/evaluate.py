"""Score a model artefact on a folder of labelled images, with the engine that serves it.

    python -m training.evaluate --model MODEL_DIR_OR_TAR_GZ --data DATA/test
    python -m training.evaluate ... --precision int8
    python -m training.evaluate ... --report evaluation.json --publish MODELS

Prints as JSON: accuracy, macro-F1, cross-entropy and calibration error, each over samples and not over batches; then
class by class, and what was taken for what. With --publish, the artefact is packed again, byte for byte the same for
the same files, into a folder that is named by its SHA-256: what the stage file names as model.artifact, and what the
pipeline registers. Beside it, for whoever would not fetch it whole: its model.json, and what is printed.
"""

import argparse
import json
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from training.arguments import Parser
from training.artifact import (
    FILES,
    METADATA,
    NETWORK,
    OPTIONAL,
    QUANTISED,
    WEIGHTS,
    file_sha256,
    pack,
    read_metadata,
)
from training.console import progress
from training.data import Split, read_split
from training.decoded import load_split
from training.draft import exported, is_draft
from training.errors import TrainingError
from training.failure import report_failure
from training.preprocess import Recipe
from training.report import evaluation
from training.runtime import logits_of, open_session
from training.scoring import Floats

# Pictures in memory at once.
CHUNK = 512
PUBLISHED_BELOW, EVALUATION = "models", "evaluation.json"
NETWORKS = {"fp32": NETWORK, "int8": QUANTISED}


def recipe_of(metadata: dict[str, Any]) -> Recipe:
    """The preprocessing that a model.json asks for."""
    size = {side: metadata["input"][side] for side in ("height", "width")}
    return Recipe.from_json({**metadata["preprocessing"], **size})


def unpack(model: Path, folder: Path) -> Path:
    """The folder of an artefact: the one given, or `folder` with the archive's files in it."""
    if model.is_dir():
        return model
    try:
        with tarfile.open(model) as tar:
            there = {name.removeprefix("./"): name for name in tar.getnames()}
            # A trial's draft has no network that is exported yet.
            optional = (*OPTIONAL, *([NETWORK] if WEIGHTS in there else []))
            for name in (*FILES, *OPTIONAL):
                if name in there or name not in optional:
                    tar.extract(there.get(name, name), folder, filter="data")
    except (OSError, tarfile.TarError, KeyError) as error:
        raise TrainingError(
            f"{model}: no readable model artefact ({error}); name a model.tar.gz or a folder"
        ) from error
    return folder


def network_of(folder: Path, metadata: dict[str, Any], precision: str) -> Path:
    """The network's file; a sentence with the recorded reason where there is none of that precision."""
    verdict = metadata.get("int8", {"kept": False, "reason": "its training did not try"})
    if precision == "int8" and not verdict["kept"]:
        raise TrainingError(
            f"--precision int8: model {metadata['version']} has no network in 8 bits ({verdict['reason']}); "
            "evaluate it with --precision fp32"
        )
    return folder / NETWORKS[precision]


def answers_of(network: Path, split: Split, recipe: Recipe) -> Floats:
    """The logits of every picture, decoded some at a time, so that a large split needs no large memory."""
    session, answers = open_session(network), []
    count = len(split.files)
    with progress("evaluating", count) as tick:
        for start in range(0, count, CHUNK):
            part = replace(
                split, files=split.files[start : start + CHUNK], targets=split.targets[start : start + CHUNK]
            )
            answers.append(logits_of(session, load_split(part, recipe), recipe))
            for _ in part.files:
                tick()
    return np.concatenate(answers).astype(np.float64)


def evaluate(model: Path, data: Path, precision: str = "fp32") -> dict[str, Any]:
    """Score an artefact, packed or not, on one split's folder."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = unpack(model, Path(temporary))
        metadata = read_metadata(folder)
        network, split = network_of(folder, metadata, precision), read_split(data, metadata["labels"])
        recipe = recipe_of(metadata)
        if is_draft(folder):
            network = exported(folder, metadata, recipe, Path(temporary))
        answers = answers_of(network, split, recipe)
        return evaluation(answers, np.array(split.targets), metadata, precision=precision)


def publish(model: Path, models: Path, result: dict[str, Any]) -> dict[str, Any]:
    """Put the artefact where its content says, MODELS/<sha256>/model.tar.gz, and what is known of it beside it."""
    with tempfile.TemporaryDirectory() as temporary:
        folder, archive = unpack(model, Path(temporary)), Path(temporary) / "model.tar.gz"
        if is_draft(folder):
            raise TrainingError(
                f"--publish: {model} is a trial's draft; train with its hyperparameters, and publish that"
            )
        pack(folder, archive)
        sha256 = file_sha256(archive)
        (models / sha256).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(archive, models / sha256 / archive.name)
        shutil.copyfile(folder / METADATA, models / sha256 / METADATA)
    whole = result | {"artifact": f"{PUBLISHED_BELOW}/{sha256}/{archive.name}", "artifact_sha256": sha256}
    (models / sha256 / EVALUATION).write_text(json.dumps(whole, indent=2) + "\n")
    return whole


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    result = evaluate(arguments.model, arguments.data, arguments.precision)
    try:
        if arguments.publish:
            result = publish(arguments.model, arguments.publish, result)
        if arguments.report:
            arguments.report.parent.mkdir(parents=True, exist_ok=True)
            arguments.report.write_text(json.dumps(result, indent=2) + "\n")
    except OSError as error:
        raise TrainingError(f"{error.filename}: cannot be written ({error.strerror})") from error
    return result


def main(words: Sequence[str]) -> int:
    parser = Parser(prog="python -m training.evaluate", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--precision", choices=sorted(NETWORKS), default="fp32", help="which network (%(default)s)")
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
