"""A real small set: handwritten digits that scikit-learn carries (1,797 scans of 8 x 8 greys by 13 people, from UCI).

Splits are cut from the file's own order and not drawn, since scans that stand together are often by one hand: a network
is scored on hands that it has seen less of.
"""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

SPLITS = {"train": (0, 1100), "valid": (1100, 1400), "test": (1400, 1797)}
LARGEST = 16  # the set's own scale
SIDE = 16


@cache
def digits() -> Any:
    return load_digits()


def write_digits(folder: Path) -> None:
    """`train/0/0000.png` and so on; each grey enlarged to a square, so that nothing is added."""
    greys = np.round(digits().images * (255 / LARGEST)).astype(np.uint8)
    for split, (first, last) in SPLITS.items():
        for number in range(first, last):
            place = folder / split / str(digits().target[number])
            place.mkdir(parents=True, exist_ok=True)
            scan = Image.fromarray(greys[number])
            scan.resize((SIDE, SIDE), Image.Resampling.NEAREST).save(place / f"{number:04d}.png")


def of_split(split: str) -> tuple[Any, Any]:
    """Its 64 greys a scan, and what each scan shows."""
    part = slice(*SPLITS[split])
    return digits().data[part], digits().target[part]
