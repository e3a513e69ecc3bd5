"""From files to batches of floats: our decoding and cache against PIL and a DataLoader with as many workers as CPUs."""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from bench.train import course
from training.data import Split, labels_of, read_split
from training.decoded import decode
from training.preprocess import Recipe
from training.sources import Examples, Pictures

SIZE, RESIZE, BATCH = 224, 252, 32
DEVICE = torch.device("cpu")


@dataclass(frozen=True)
class Pair:
    pil: float
    """Seconds for the whole set, as the two below."""
    cold: float
    warm: float


def measure(folder: Path, cache: Path, pairs: int, tick: Callable[[], None]) -> list[Pair]:
    """The one and the other in turn, the first of each turn about; a pair before them warms up and is not counted."""
    split = read_split(folder, labels_of(folder))
    found = []
    for number in range(pairs + 1):
        if number % 2:
            cold, warm = ours(split, cache)
            pil = with_pil(split)
        else:
            pil = with_pil(split)
            cold, warm = ours(split, cache)
        found.append(Pair(pil, cold, warm))
        tick()
    return found[1:]


def with_pil(split: Split) -> float:
    began = time.monotonic()
    seen = sum(len(images) for images, _ in course.loader(split, SIZE, RESIZE))
    return _checked(split, seen, began)


def ours(split: Split, cache: Path) -> tuple[float, float]:
    """The first epoch, into an empty cache, and one of a later run."""
    shutil.rmtree(cache, ignore_errors=True)
    return _once(split, cache), _once(split, cache)


def _once(split: Split, cache: Path) -> float:
    began = time.monotonic()
    recipe = Recipe(height=SIZE, width=SIZE, resize=RESIZE, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    decoded = decode(split, recipe, cache)
    source = Pictures(Examples(decoded.pixels, torch.tensor(split.targets), split.names), recipe)
    seen = 0
    for start in range(0, len(split.files), BATCH):
        indices = np.arange(start, min(start + BATCH, len(split.files)))
        seen += len(source.to_network(source.gather(indices, None, indices), DEVICE))
    return _checked(split, seen, began)


def _checked(split: Split, seen: int, began: float) -> float:
    if seen != len(split.files):
        raise RuntimeError(f"{seen} of {len(split.files)} pictures came")
    return time.monotonic() - began
