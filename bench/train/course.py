"""What users had: a pretrained ResNet50 with a frozen body, PIL and a DataLoader, every picture through it every epoch.

Written from their descriptions (accuracy is counted rightly here). Made harder to beat in one respect: their DataLoader
ran in the training process, this one has a worker for each processor.
"""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from training.data import Split
from training.dataset import IMAGENET_MEAN, IMAGENET_STD

BATCH = 32
LEARNING_RATE = 0.001
MEAN, STD = torch.tensor(IMAGENET_MEAN).view(3, 1, 1), torch.tensor(IMAGENET_STD).view(3, 1, 1)


class Photographs(Dataset[tuple[Tensor, int]]):
    """What torchvision's Resize, CenterCrop, ToTensor and Normalize do, on PIL as they do it."""

    def __init__(self, split: Split, size: int, resize: int) -> None:
        self._split, self._size, self._resize = split, size, resize

    def __len__(self) -> int:
        return len(self._split.files)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        with Image.open(self._split.files[index]) as opened:
            image = opened.convert("RGB")
        factor = self._resize / min(image.size)
        image = image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.BILINEAR)
        left, top = (image.width - self._size) // 2, (image.height - self._size) // 2
        image = image.crop((left, top, left + self._size, top + self._size))
        levels = torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous().float().div(255)
        return (levels - MEAN) / STD, self._split.targets[index]


def loader(split: Split, size: int, resize: int, *, shuffle: bool = False) -> DataLoader[tuple[Tensor, int]]:
    workers = os.cpu_count() or 1
    return DataLoader(Photographs(split, size, resize), batch_size=BATCH, shuffle=shuffle, num_workers=workers)


@dataclass(frozen=True)
class Pass:
    """An epoch's end."""

    seconds: float
    accuracy: float


def train(
    network: nn.Module, seen: Split, held_out: Split, *, size: int, resize: int, epochs: int, tick: Callable[[], None]
) -> Iterator[Pass]:
    """Their loop; `network` ends in `fc`."""
    for parameter in network.parameters():
        parameter.requires_grad = False
    head = network.get_submodule("fc")
    for parameter in head.parameters():
        parameter.requires_grad = True
    optimiser = torch.optim.Adam(head.parameters(), lr=LEARNING_RATE)
    began = time.monotonic()
    for _ in range(epochs):
        network.train()
        for images, targets in loader(seen, size, resize, shuffle=True):
            optimiser.zero_grad()
            functional.cross_entropy(network(images), targets).backward()
            optimiser.step()
        network.eval()
        right = 0
        with torch.no_grad():
            for images, targets in loader(held_out, size, resize):
                right += int((network(images).argmax(dim=1) == targets).sum())
        tick()
        yield Pass(time.monotonic() - began, right / len(held_out.targets))
