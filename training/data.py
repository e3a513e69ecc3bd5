"""A folder of images, one sub-folder a class (`train/square/0001.jpg`, or the dog course's `001.Affenpinscher`)."""

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.errors import TrainingError
from training.pictures import SUFFIXES, format_by_content
from training.preprocess import Pixels

# Enough for means to four places; a whole large set would be read for nothing.
COUNTED_PICTURES = 10_000
COUNTED_AT_ONCE = 256


@dataclass(frozen=True)
class Split:
    """The files of one split and the number of each one's class."""

    folder: Path
    files: tuple[Path, ...]
    targets: tuple[int, ...]

    @property
    def names(self) -> list[str]:
        """The files as a person finds them below the split's folder."""
        return [file.relative_to(self.folder).as_posix() for file in self.files]

    def only(self, kept: Iterable[int]) -> "Split":
        """The split without what is not among the given positions."""
        positions = list(kept)
        files, targets = (tuple(values[index] for index in positions) for values in (self.files, self.targets))
        return Split(self.folder, files, targets)  # type: ignore[arg-type]


def label_of(folder_name: str) -> str:
    """`001.Affenpinscher` reads as `Affenpinscher`."""
    return re.sub(r"^\d+\.", "", folder_name)


def labels_of(folder: Path) -> list[str]:
    """The labels of a split, in the order of their folders' names, which is the order of the network's outputs."""
    if not folder.is_dir():
        raise TrainingError(f"{folder}: no such folder; it must hold one folder of images for each class")
    labels = [label_of(entry.name) for entry in class_folders(folder)]
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
        for entry in class_folders(folder)
        for file in sorted(entry.rglob("*"))
        if file.suffix.lower() in SUFFIXES
    ]
    if not found:
        raise TrainingError(f"{folder}: no image in it; expected are files ending in {', '.join(sorted(SUFFIXES))}")
    return Split(folder, tuple(file for file, _ in found), tuple(target for _, target in found))


def misnamed_in(folder: Path) -> dict[str, str]:
    """Pictures by their content that their names hide."""
    found = {file.relative_to(folder).as_posix(): format_by_content(file) for file in _other_files(folder)}
    return {
        name: f"is a {kind} by its content, and its name does not end so; rename it"
        for name, kind in found.items()
        if kind
    }


def hashes_of(files: Iterable[Path], tick: Callable[[], None] = lambda: None) -> list[str]:
    """The SHA-256 of each file's bytes."""

    def hashed(file: Path) -> str:
        try:
            with file.open("rb") as opened:
                found = hashlib.file_digest(opened, "sha256").hexdigest()
        except OSError as error:
            raise TrainingError(f"{file}: cannot be read ({error.strerror})") from error
        tick()
        return found

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return list(pool.map(hashed, files))


def data_sha256(splits: Mapping[str, Split], hashes: Mapping[str, list[str]] | None = None) -> str:
    """One hash over every file's split, path and content."""
    digest = hashlib.sha256()
    for name, split in sorted(splits.items()):
        contents = hashes[name] if hashes else hashes_of(split.files)
        for file, content in sorted(zip(split.files, contents, strict=True)):
            digest.update(f"{name}/{file.relative_to(split.folder).as_posix()} {content}\n".encode())
    return digest.hexdigest()


def channel_statistics(images: Pixels) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of red, green and blue in 0..1, to four places."""
    chosen = images[:: -(-len(images) // COUNTED_PICTURES)]
    counts = np.zeros((3, 256), dtype=np.int64)
    for start in range(0, len(chosen), COUNTED_AT_ONCE):
        part = np.asarray(chosen[start : start + COUNTED_AT_ONCE])
        for channel in range(3):
            counts[channel] += np.bincount(part[..., channel].ravel(), minlength=256)
    levels = np.arange(256) / 255
    means = [float((count * levels).sum() / count.sum()) for count in counts]
    squares = [float((count * levels**2).sum() / count.sum()) for count in counts]
    deviations = [max((square - mean**2) ** 0.5, 1e-3) for square, mean in zip(squares, means, strict=True)]
    return _rounded(means), _rounded(deviations)


def _other_files(folder: Path) -> list[Path]:
    """What lies in the class folders and is not named as an image."""
    return [
        file
        for entry in class_folders(folder)
        for file in sorted(entry.rglob("*"))
        if file.is_file() and file.suffix.lower() not in SUFFIXES and not file.name.startswith(".")
    ]


def _rounded(values: Iterable[float]) -> tuple[float, ...]:
    return tuple(round(value, 4) for value in values)


def class_folders(folder: Path) -> list[Path]:
    try:
        return sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    except OSError as error:
        raise TrainingError(f"{folder}: cannot be read ({error.strerror})") from error
