"""The three splits ready to be trained on: read, judged by the choices a person made, decoded."""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from training import duplicates
from training.console import progress
from training.data import Split, channel_statistics, data_sha256, labels_of, misnamed_in, read_split
from training.decoded import Decoded, decode
from training.errors import TrainingError, named
from training.preprocess import Pixels, Recipe
from training.sources import Examples

Says = Callable[[str], object]
# Of the pictures on which torchvision's and timm's weights were trained.
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Choices:
    """What is done about what a data set should not hold."""

    on_bad_image: str = "fail"
    on_duplicate: str = "report"


@dataclass(frozen=True)
class Dataset:
    labels: list[str]
    recipe: Recipe
    examples: dict[str, Examples]
    hashes: dict[str, list[str]]
    """Split -> SHA-256 of each file."""
    sha256: str
    left_out: dict[str, str]
    """Picture -> why it was not used."""


def load(
    folders: Mapping[str, Path],
    recipe: Recipe,
    cache: Path,
    choices: Choices,
    *,
    imagenet: bool = False,
    says: Says | None = None,
) -> Dataset:
    """Read, check and decode; the recipe comes back with the mean and deviation that the network is given."""
    says = says or (lambda _line: None)
    labels = labels_of(folders["train"])
    splits = {name: read_split(folder, labels) for name, folder in folders.items()}
    misnamed = {f"{name}/{file}": why for name in folders for file, why in misnamed_in(folders[name]).items()}
    with progress("decoding", sum(len(split.files) for split in splits.values())) as tick:
        decoded = {
            # only training crops move about; the others get exactly what the server will see
            name: decode(split, recipe, cache, margin=name == "train", tick=tick)
            for name, split in splits.items()
        }
    faults = {f"{name}/{file}": why for name, part in decoded.items() for file, why in part.faults.items()} | misnamed
    total = sum(len(split.files) for split in splits.values())
    judge_faults(faults, total, choices.on_bad_image, says)
    tell_traits(decoded, says)
    decoded, dropped = settle_copies(decoded, choices.on_duplicate, says)
    for name, part in decoded.items():
        _check_classes(name, part.split, labels)
    hashes = {name: part.hashes for name, part in decoded.items()}
    mean, std = (IMAGENET_MEAN, IMAGENET_STD) if imagenet else channel_statistics(decoded["train"].pixels)
    return Dataset(
        labels=labels,
        recipe=replace(recipe, mean=mean, std=std),  # type: ignore[arg-type]
        examples={
            name: Examples(part.pixels, torch.tensor(part.split.targets), part.split.names)
            for name, part in decoded.items()
        },
        hashes=hashes,
        sha256=data_sha256({name: part.split for name, part in decoded.items()}, hashes),
        left_out=faults | dropped,
    )


def judge_faults(faults: Mapping[str, str], total: int, on_bad_image: str, says: Says) -> None:
    """Name the pictures that cannot be used: as an error, or as what is left out."""
    if not faults:
        return
    if on_bad_image == "fail":
        raise TrainingError(
            f"{len(faults)} of {total} images cannot be used; replace or remove them, or give --on-bad-image skip: "
            + named([f"{name} {why}" for name, why in faults.items()])
        )
    for name, why in faults.items():
        says(f"left out: {name} {why}\n")


def tell_traits(decoded: Mapping[str, Decoded], says: Says) -> None:
    """What was handled, and a person may not have meant."""
    for trait in sorted({trait for part in decoded.values() for trait in part.traits}):
        names = [f"{name}/{file}" for name, part in decoded.items() for file in part.traits.get(trait, [])]
        says(f"note: {len(names)} images {trait}: {named(names, ', ')}\n")


def settle_copies(
    decoded: dict[str, Decoded], on_duplicate: str, says: Says
) -> tuple[dict[str, Decoded], dict[str, str]]:
    """Find what stands in two splits; report it, refuse it, or leave it out of the earlier split."""
    copies = duplicates.across({name: (part.hashes, part.fingerprints) for name, part in decoded.items()})
    if not copies:
        return decoded, {}
    told = {
        f"{copy.split}/{decoded[copy.split].split.names[copy.index]}": "is the same picture as "
        f"{copy.later}/{decoded[copy.later].split.names[copy.later_index]}"
        for copy in copies
    }
    listed = named([f"{name} {why}" for name, why in told.items()])
    if on_duplicate == "fail":
        raise TrainingError(
            f"{len(copies)} images stand in two splits, so that accuracy would say too much; remove them, "
            f"or give --on-duplicate drop: {listed}"
        )
    consequence = "they are left out of the earlier split" if on_duplicate == "drop" else "accuracy says too much"
    says(f"duplicates: {len(copies)} images stand in two splits; {consequence}: {listed}\n")
    if on_duplicate != "drop":
        return decoded, {}
    gone = {name: {copy.index for copy in copies if copy.split == name} for name in decoded}
    return {name: _without(part, gone[name]) for name, part in decoded.items()}, told


def _without(part: Decoded, gone: set[int]) -> Decoded:
    if not gone:
        return part
    kept = [index for index in range(len(part.hashes)) if index not in gone]
    return replace(
        part,
        split=part.split.only(kept),
        pixels=_copied(part.pixels, kept),
        hashes=[part.hashes[index] for index in kept],
        fingerprints=[part.fingerprints[index] for index in kept],
    )


def _copied(pixels: Pixels, kept: list[int]) -> Pixels:
    """Some rows, in a file without a name, so that they too need not fit into memory."""
    with tempfile.TemporaryFile() as file:
        rows = np.memmap(file, dtype=np.uint8, mode="w+", shape=(len(kept), *pixels.shape[1:]))
        for row, index in enumerate(kept):
            rows[row] = pixels[index]
        return rows


def _check_classes(name: str, split: Split, labels: list[str]) -> None:
    if name != "train":
        if not split.files:
            raise TrainingError(f"{split.folder}: no usable image is left in it")
        return
    missing = [label for number, label in enumerate(labels) if number not in set(split.targets)]
    if missing:
        raise TrainingError(f"{split.folder}: no usable image of {named(missing, ', ')}")
