"""What a run starts from: a seed, a data set, a network and its weights.

One place for all programs, so that features which were computed once are those that a training would have computed.
"""

import argparse
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from training import models, weights
from training.dataset import Choices, Dataset, load
from training.errors import TrainingError
from training.group import Group
from training.preprocess import Recipe

# The margin on each side that the crop cuts away: a 16th of the input; 64 -> 72, 224 -> 252.
MARGINS = 16


def seed(arguments: argparse.Namespace, group: Group) -> torch.device:
    """Seed every source of randomness, and choose the device."""
    random.seed(arguments.seed)
    torch.manual_seed(arguments.seed)
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    return torch.device("cuda", group.local_rank) if torch.cuda.is_available() else torch.device("cpu")


def weights_of(arguments: argparse.Namespace) -> weights.Weights | None:
    """What the network begins from; None is at random."""
    return weights.read(arguments.weights, arguments.weights_sha256) if arguments.weights else None


def normalisation(arguments: argparse.Namespace, begin: weights.Weights | None) -> str:
    """`imagenet` or `data`."""
    if arguments.normalise != "auto":
        return str(arguments.normalise)
    return "data" if begin is None else "imagenet"


def traits(arguments: argparse.Namespace, begin: weights.Weights | None) -> dict[str, Any]:
    """What features depend on beside the pictures, by the names of FeatureSet's fields."""
    return {
        "architecture": arguments.architecture,
        "weights": begin.sha256 if begin else None,
        "normalise": normalisation(arguments, begin),
        "flip": arguments.flip,
    }


def recipe_of(arguments: argparse.Namespace) -> Recipe:
    """Without mean and deviation, which may be the data's own."""
    size = arguments.input_size
    return Recipe(height=size, width=size, resize=size + 2 * round(size / MARGINS))


def data_of(
    arguments: argparse.Namespace, begin: weights.Weights | None, splits: Sequence[str], cache: Path, group: Group
) -> Dataset:
    return load(
        {split: getattr(arguments, split) for split in splits},
        recipe_of(arguments),
        cache,
        Choices(arguments.on_bad_image, arguments.on_duplicate),
        imagenet=normalisation(arguments, begin) == "imagenet",
        says=sys.stdout.write if group.leads else None,
    )


def network_of(arguments: argparse.Namespace, begin: weights.Weights | None, classes: int, group: Group) -> nn.Module:
    """The network with the weights that it begins from; random ones are said loudly."""
    network = models.build(arguments.architecture, classes)
    if begin is not None:
        kept = weights.apply(network, begin, classes)
        said = (
            f"beginning from {begin.source} (SHA-256 {begin.sha256}), {'its head kept' if kept else 'with a new head'}"
        )
    elif arguments.stage == "finetune":
        said = (
            f"RANDOM INITIALISATION: {arguments.architecture} begins from random weights; --weights begins from others"
        )
    else:
        said = (
            f"RANDOM INITIALISATION: {arguments.architecture} is frozen with random weights, and a head on features "
            "that nobody trained learns little; give --weights"
        )
    if group.leads:
        sys.stdout.write(f"{said}\n")
    return network


def make_folder(flag: str, folder: Path) -> None:
    """Before hours of work rather than after."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainingError(
            f"{flag} {folder}: cannot be made ({error.strerror}); name a folder you may write"
        ) from error
