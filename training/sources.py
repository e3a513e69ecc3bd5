"""Where batches come from: pictures that are cut and changed on the way, or features that were computed before."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from training.augment import Draws, Indices, crop, trivial
from training.preprocess import Pixels, Recipe

AHEAD = 2  # batches made while the network works on another


@dataclass(frozen=True)
class Examples:
    """A split: pixels in memory or mapped into it, class numbers, and the files' names."""

    pixels: Pixels
    targets: Tensor
    names: list[str]


class Source(Protocol):
    """Samples by their numbers, in two halves: one for any thread, one for the device."""

    @property
    def targets(self) -> Tensor: ...

    @property
    def names(self) -> Sequence[str]: ...

    def gather(self, indices: Indices, draws: Draws | None, rows: Indices) -> Tensor:
        """The samples on the host; `draws` changes them, sample by sample as its rows say; None leaves them alone."""

    def to_network(self, gathered: Tensor, device: torch.device) -> Tensor:
        """As the network takes them."""


class Pictures:
    """A split of pictures, cropped, mirrored and changed as asked."""

    def __init__(self, examples: Examples, recipe: Recipe, *, flip: bool = False, augment: str = "crop") -> None:
        self.targets, self.names = examples.targets, examples.names
        self._pixels, self._recipe, self._flip, self._augment = examples.pixels, recipe, flip, augment

    def gather(self, indices: Indices, draws: Draws | None, rows: Indices) -> Tensor:
        pixels = np.asarray(self._pixels[indices])
        if draws is not None:
            pixels = crop(pixels, (self._recipe.height, self._recipe.width), draws, rows, flip=self._flip)
            if self._augment == "trivial":
                pixels = trivial(pixels, draws, rows)
        return torch.from_numpy(pixels)

    def to_network(self, gathered: Tensor, device: torch.device) -> Tensor:
        return normalised(gathered.to(device, non_blocking=True), self._recipe)


def to_input(pixels: Pixels, recipe: Recipe) -> Tensor:
    """N x height x width x 3 bytes of the host as the network's floats."""
    return normalised(torch.from_numpy(np.ascontiguousarray(pixels)), recipe)


def centre(pixels: Pixels, recipe: Recipe) -> Pixels:
    """The middle of pictures that have a margin: what the server would see of them."""
    top, left = (pixels.shape[1] - recipe.height) // 2, (pixels.shape[2] - recipe.width) // 2
    return pixels[:, top : top + recipe.height, left : left + recipe.width]


def normalised(pixels: Tensor, recipe: Recipe) -> Tensor:
    """N x height x width x 3 bytes as the network's floats, channels last in memory, which CPUs and GPUs like best."""
    levels: Tensor = pixels.permute(0, 3, 1, 2).float()
    mean, std = (torch.tensor(values, device=levels.device).view(1, 3, 1, 1) for values in (recipe.mean, recipe.std))
    # two passes over the floats instead of three: each costs as much as reading the pixels
    return levels.mul_(recipe.scale / std).sub_(mean / std)


@dataclass(frozen=True)
class Batch:
    """One rank's part of a batch, on the host."""

    indices: Indices
    whole: int
    """Samples of the batch on all ranks."""
    draws: Draws
    inputs: Tensor
    others: Tensor | None
    """The pictures that `inputs` are mixed with."""
    targets: Tensor
    other_targets: Tensor


def batches(
    source: Source,
    order: Sequence[Indices],
    first: int,
    *,
    seed: int,
    epoch: int,
    rank: int,
    ranks: int,
    mixup: float,
    cutmix: float,
) -> Iterator[Batch]:
    """The batches of an epoch from number `first` on, made in threads while the last one is in use."""

    def make(number: int) -> Batch:
        whole = order[number]
        draws = Draws.of(seed, epoch, number + 1, len(whole), mixup=mixup, cutmix=cutmix)
        rows = np.arange(rank, len(whole), ranks)
        partners = rows if draws.partners is None else draws.partners[rows]
        return Batch(
            indices=whole[rows],
            whole=len(whole),
            draws=draws,
            inputs=source.gather(whole[rows], draws, rows),
            others=None if draws.partners is None else source.gather(whole[partners], draws, partners),
            targets=source.targets[whole[rows]],
            other_targets=source.targets[whole[partners]],
        )

    with ThreadPoolExecutor(AHEAD) as pool:
        waiting: list[Future[Batch]] = []
        numbers = iter(range(first, len(order)))
        for number in numbers:
            waiting.append(pool.submit(make, number))
            if len(waiting) > AHEAD:
                yield waiting.pop(0).result()
        for future in waiting:
            yield future.result()
