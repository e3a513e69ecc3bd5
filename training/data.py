"""A folder of images, one sub-folder a class (`train/square/0001.jpg`, or the dog course's `001.Affenpinscher`)."""

import hashlib
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.errors import TrainingError
from training.preprocess import Pixels, Recipe, load

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif"})
NAMED_FAULTS = 5


@dataclass(frozen=True)
class Split:
    """The files of one split and the number of each one's class."""

    folder: Path
    files: tuple[Path, ...]
    targets: tuple[int, ...]


def label_of(folder_name: str) -> str:
    """`001.Affenpinscher` reads as `Affenpinscher`."""
    return re.sub(r"^\d+\.", "", folder_name)


def labels_of(folder: Path) -> list[str]:
    """The labels of a split, in the order of their folders' names, which is the order of the network's outputs."""
    if not folder.is_dir():
        raise TrainingError(f"{folder}: no such folder; it must hold one folder of images for each class")
    labels = [label_of(entry.name) for entry in _class_folders(folder)]
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        raise TrainingError(f"{folder}: two folders read as the label '{twice[0]}'; rename or merge them")
    if len(labels) < 2:  # noqa: PLR2004 (one class is no choice)
        raise TrainingError(f"{folder}: {len(labels)} class folders; at least 2 are needed, one folder for each class")
    return labels


def read_split(folder: Path, labels: list[str]) -> Split:
    """List the images of one split; its classes must be among `labels`."""
    unknown = sorted(set(labels_of(folder)) - set(labels))
    if unknown:
        raise TrainingError(f"{folder / unknown[0]}: the training split has no such class; it has {', '.join(labels)}")
    found = [
        (file, labels.index(label_of(entry.name)))
        for entry in _class_folders(folder)
        for file in sorted(entry.rglob("*"))
        if file.suffix.lower() in SUFFIXES
    ]
    if not found:
        raise TrainingError(f"{folder}: no image in it; expected are files ending in {', '.join(sorted(SUFFIXES))}")
    return Split(folder, tuple(file for file, _ in found), tuple(target for _, target in found))


def load_split(split: Split, recipe: Recipe, workers: int) -> Pixels:
    """Decode a whole split into memory: N x height x width x 3 bytes. Unreadable files are named and refused."""
    images: Pixels = np.empty((len(split.files), recipe.height, recipe.width, 3), dtype=np.uint8)

    def read(index: int) -> str | None:
        try:
            images[index] = load(split.files[index], recipe)
        except Exception as error:  # Pillow raises whatever a damaged file leads to; all of it means "unreadable"
            return f"{split.files[index].relative_to(split.folder)} ({error})"
        return None

    with ThreadPoolExecutor(workers) as pool:
        faults = [fault for fault in pool.map(read, range(len(split.files))) if fault]
    if faults:
        named = "; ".join(faults[:NAMED_FAULTS]) + ("; ..." if len(faults) > NAMED_FAULTS else "")
        raise TrainingError(f"{split.folder}: {len(faults)} unreadable images, replace or remove them: {named}")
    return images


def data_sha256(splits: dict[str, Split]) -> str:
    """One hash over every file's split, path and content."""
    digest = hashlib.sha256()
    for name, split in sorted(splits.items()):
        for file in sorted(split.files):
            content = hashlib.sha256(file.read_bytes()).hexdigest()
            digest.update(f"{name}/{file.relative_to(split.folder).as_posix()} {content}\n".encode())
    return digest.hexdigest()


def channel_statistics(images: Pixels) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of red, green and blue in 0..1, to four places."""
    counts = [np.bincount(images[..., channel].ravel(), minlength=256) for channel in range(3)]
    levels = np.arange(256) / 255
    means = [float((count * levels).sum() / count.sum()) for count in counts]
    squares = [float((count * levels**2).sum() / count.sum()) for count in counts]
    deviations = [max((square - mean**2) ** 0.5, 1e-3) for square, mean in zip(squares, means, strict=True)]
    return _rounded(means), _rounded(deviations)


def _rounded(values: Iterable[float]) -> tuple[float, ...]:
    return tuple(round(value, 4) for value in values)


def _class_folders(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
