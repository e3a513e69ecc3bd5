"""Photographs of the size that people have: figures of the synthetic set, enlarged, with a sensor's grain."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from training.figures import draw
from training.synthetic import LABELS

QUALITY = 88
GRAIN = 15  # levels; 4000 x 3000 pixels become 3.2 MB, as a telephone's do


def write(folder: Path, splits: dict[str, int], size: tuple[int, int], tick: Callable[[], None]) -> None:
    """JPEGs of `size` in folders as training reads them; the same bytes every time."""
    for split_number, (split, count) in enumerate(splits.items()):
        for index in range(count):
            label = LABELS[index % len(LABELS)]
            file = folder / split / label / f"{index:05d}.jpg"
            file.parent.mkdir(parents=True, exist_ok=True)
            photograph(label, size, np.random.default_rng([7, split_number, index])).save(file, quality=QUALITY)
            tick()


def photograph(label: str, size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """Grain is what makes a JPEG as large, and as slow to decode, as a camera's."""
    image = draw(label, rng).resize(size, Image.Resampling.BICUBIC)
    grain = rng.integers(-GRAIN, GRAIN + 1, size=(size[1], size[0], 3), dtype=np.int16)
    return Image.fromarray(np.clip(np.asarray(image).astype(np.int16) + grain, 0, 255).astype(np.uint8))
