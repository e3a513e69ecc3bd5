"""What a tuning trial leaves: its weights and what they are, in a second. Not calibrated, not exported, never served.

The best trial of many is scored on the test pictures: `training.evaluate` takes a draft, and exports it for that.
"""

import json
from pathlib import Path
from typing import Any

import torch

from training import models, weights
from training.artifact import FORMAT, METADATA, NETWORK, WEIGHTS, file_sha256
from training.errors import TrainingError
from training.export import export
from training.outcome import Trained, describe
from training.preprocess import Recipe


def leave(trained: Trained, folder: Path) -> None:
    """Where the folder is there, as in a job; who tunes on a machine of their own wants no model a trial."""
    if not folder.is_dir():
        return
    torch.save({name: value.cpu() for name, value in trained.network.state_dict().items()}, folder / WEIGHTS)
    sha256 = file_sha256(folder / WEIGHTS)
    facts = describe(
        trained,
        metrics={"best_epoch": trained.best_epoch, "valid": {"accuracy": trained.best.valid.accuracy}},
        temperature=1.0,
        int8={"kept": False, "reason": "a trial tries none"},
    )
    files = {WEIGHTS: {"sha256": sha256, "bytes": (folder / WEIGHTS).stat().st_size}}
    metadata = {"format": FORMAT, "version": f"{trained.name}-trial-{sha256[:8]}", "draft": True, **facts}
    (folder / METADATA).write_text(json.dumps(metadata | {"files": files}, indent=2, ensure_ascii=False) + "\n")


def is_draft(folder: Path) -> bool:
    return (folder / WEIGHTS).is_file() and not (folder / NETWORK).exists()


def exported(folder: Path, metadata: dict[str, Any], recipe: Recipe, into: Path) -> Path:
    """The network of a draft, in a folder of the caller's."""
    network = models.build(metadata["architecture"], len(metadata["labels"]))
    if not weights.apply(network, weights.read(str(folder / WEIGHTS)), len(metadata["labels"])):
        raise TrainingError(f"{folder / WEIGHTS}: has another number of classes than its {METADATA} has labels")
    export(network, recipe, into / NETWORK)
    return into / NETWORK
