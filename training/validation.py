"""How well a network does on a split while it is trained: as the server would see it, no augmentation."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from training.group import Group
from training.sources import Source

SCORED_AT_ONCE = 64


@dataclass(frozen=True)
class Score:
    """Fractions and means over samples, not over batches."""

    accuracy: float
    loss: float
    samples: int


def score_of(network: nn.Module, source: Source, device: torch.device, group: Group) -> Score:
    """Score a whole split, each rank its share of it."""
    network.eval()
    correct, loss_sum, samples = 0.0, 0.0, len(source.targets)
    own = np.arange(group.rank, samples, group.ranks)
    with torch.inference_mode():
        for start in range(0, len(own), SCORED_AT_ONCE):
            indices = own[start : start + SCORED_AT_ONCE]
            targets = source.targets[indices].to(device)
            logits = network(source.to_network(source.gather(indices, None, indices), device))
            correct += int((logits.argmax(dim=1) == targets).sum())
            loss_sum += float(functional.cross_entropy(logits, targets, reduction="sum"))
    all_correct, all_loss = group.sums(correct, loss_sum)
    return Score(all_correct / samples, all_loss / samples, samples)
