"""A head, trained on what the rest of a network, frozen, makes of the pictures."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from training import features, loop
from training.body import Body
from training.console import progress
from training.dataset import Dataset
from training.feature_set import SPLITS
from training.group import Group
from training.hyperparameters import Hyperparameters
from training.run import Best, Epoch


def compute_features(
    body: Body, found: Dataset, store: Path, *, flip: bool, group: Group
) -> dict[str, features.Values]:
    """Of both splits that a head is trained with, from the store or into it."""
    with progress("features", sum(len(found.hashes[name]) for name in SPLITS)) as tick:
        return {
            name: features.compute(
                body,
                found.examples[name],
                found.hashes[name],
                store,
                flip=flip and name == "train",
                group=group,
                tick=tick,
            )
            for name in SPLITS
        }


def train(
    head: nn.Linear,
    values: Mapping[str, features.Values],
    labelled: Mapping[str, features.Labelled],
    chosen: Hyperparameters,
    around: loop.Surroundings,
) -> tuple[Best, list[Epoch]]:
    """Train a network's last layer alone."""
    sources, mean, std = features.sources(values, labelled)
    unfold(head, mean, std)
    # Features have no area of which a box could be cut.
    found = loop.train(head, sources["train"], sources["valid"], replace(chosen, cutmix=0.0), around)
    fold(head, mean, std)
    return found


def unfold(head: nn.Linear, mean: Tensor, std: Tensor) -> None:
    """Have a head that takes features as they are take them centred and scaled; the same answers."""
    mean, std = mean.to(head.weight.device), std.to(head.weight.device)
    with torch.no_grad():
        head.bias.add_(head.weight @ mean)
        head.weight.mul_(std)


def fold(head: nn.Linear, mean: Tensor, std: Tensor) -> None:
    """The other way round, after training."""
    mean, std = mean.to(head.weight.device), std.to(head.weight.device)
    with torch.no_grad():
        head.weight.div_(std)
        head.bias.sub_(head.weight @ mean)
