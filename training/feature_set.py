"""A complete set of features, and what it is of: `features.json` beside the pieces.

It names the network, the recipe and the pictures that the features were computed with, so that a run of another network
or of other pictures is refused by name. Nothing else would show it: a head learns on anything.
"""

import json
import os
from collections.abc import Container, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from training.body import Body
from training.data import hashes_of, read_split
from training.dataset import Dataset
from training.errors import TrainingError, named
from training.preprocess import Recipe

FILE = "features.json"
LAYOUT = 1
SPLITS = ("train", "valid")


@dataclass(frozen=True)
class Members:
    """The pictures of a split, in the order of their features."""

    names: list[str]
    numbers: list[int]
    """Of each one's class."""
    sha256: list[str]

    @property
    def targets(self) -> Tensor:
        return torch.tensor(self.numbers)

    @classmethod
    def below(cls, folder: Path, labels: list[str], *, without: Container[str]) -> "Members":
        """What lies in a split's folder, by its bytes; nothing is decoded."""
        split = read_split(folder, labels)
        split = split.only(index for index, name in enumerate(split.names) if name not in without)
        return cls(split.names, list(split.targets), hashes_of(split.files))

    def difference(self, wanted: "Members") -> str | None:
        """The first picture that is not the same, or a class that is not."""
        own, other = (dict(zip(one.names, one.sha256, strict=True)) for one in (self, wanted))
        for name in sorted(own.keys() | other.keys()):
            if name not in other:
                return f"{name}, which this run does not have"
            if own.get(name) != other[name]:
                return f"another {name} than this run's" if name in own else f"no {name}, which this run has"
        return None


@dataclass(frozen=True)
class FeatureSet:
    architecture: str
    weights: str | None
    """SHA-256 of the file that the network began from; None where it began at random."""
    body: str
    """Hash of the frozen network itself, which a random start has too."""
    normalise: str
    """Whose mean and deviation the recipe has: imagenet or data."""
    recipe: Recipe
    labels: list[str]
    flip: bool
    """Whether each picture's mirror image is in it as well."""
    sha256: str
    """Over the pictures, as model.json has it."""
    splits: Mapping[str, Members]
    left_out: list[str]
    """Pictures that could not be used, or stood in two splits, as `train/square/0001.jpg`."""

    @classmethod
    def of(
        cls, found: Dataset, body: Body, *, architecture: str, weights: str | None, normalise: str, flip: bool
    ) -> "FeatureSet":
        """What a data set's features are, before they are computed."""
        return cls(
            architecture=architecture,
            weights=weights,
            body=body.key,
            normalise=normalise,
            recipe=found.recipe,
            labels=found.labels,
            flip=flip,
            sha256=found.sha256,
            splits={
                name: Members(found.examples[name].names, found.examples[name].targets.tolist(), found.hashes[name])
                for name in SPLITS
            },
            left_out=sorted(found.left_out),
        )

    @classmethod
    def read(cls, folder: Path) -> "FeatureSet | None":
        """The set in a folder; None where there is none, as in a store that fills as it is used."""
        try:
            told: dict[str, Any] = json.loads((folder / FILE).read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise TrainingError(
                f"--features {folder}: {FILE} cannot be read ({error}); compute the set anew"
            ) from error
        try:
            if told.pop("layout") != LAYOUT:
                raise KeyError(LAYOUT)
            splits = {name: Members(**members) for name, members in told["splits"].items()}
            return cls(**{**told, "recipe": Recipe.from_json(told["recipe"]), "splits": splits})
        except (AttributeError, KeyError, TypeError) as error:
            raise TrainingError(
                f"--features {folder}: {FILE} is of another version of training; compute the set anew"
            ) from error

    @classmethod
    def of_folder(cls, folder: Path) -> "FeatureSet":
        """The set that must be in a folder."""
        found = cls.read(folder)
        if found is None:
            raise TrainingError(f"--features {folder}: holds no complete set ({FILE} is missing)")
        return found

    def left_out_of(self, split: str) -> frozenset[str]:
        return frozenset(name.partition("/")[2] for name in self.left_out if name.partition("/")[0] == split)

    def write(self, folder: Path) -> None:
        """Last of all: a folder that has it has every piece."""
        new = folder / f".{FILE}-{os.getpid()}"
        new.write_text(json.dumps({"layout": LAYOUT, **asdict(self)}) + "\n")
        new.replace(folder / FILE)

    def require(self, wanted: "FeatureSet", folder: Path) -> None:
        """Refuse a set that is of something else than a run needs."""
        difference = next(self._differences(wanted), None)
        if difference is not None:
            raise TrainingError(
                f"--features {folder}: {difference}; name another folder, or have this run's own computed "
                "(python -m training.precompute --help)"
            )

    def _differences(self, wanted: "FeatureSet") -> Iterator[str]:
        if self.architecture != wanted.architecture:
            yield f"holds features of {self.architecture}, and this run trains {wanted.architecture}"
        if self.weights != wanted.weights:
            began, begins = (
                f"those of SHA-256 {one}" if one else "random ones" for one in (self.weights, wanted.weights)
            )
            yield f"was computed from other weights, {began}, and this run begins from {begins}"
        if self.normalise != wanted.normalise:
            yield f"was computed with --normalise {self.normalise}, and this run has {wanted.normalise}"
        if self.flip != wanted.flip:
            yield f"was computed with --flip {_word(self.flip)}, and this run has --flip {_word(wanted.flip)}"
        if self.labels != wanted.labels:
            yield f"has the classes {named(self.labels, ', ')}, and this run has {named(wanted.labels, ', ')}"
        for name in SPLITS:
            if (found := self.splits[name].difference(wanted.splits[name])) is not None:
                yield f"is of other {name} pictures: it has {found}"
        for key in (field.name for field in fields(Recipe)):
            own, other = getattr(self.recipe, key), getattr(wanted.recipe, key)
            if own != other:
                yield f"was computed from pictures with {key} = {own}, and this run has {key} = {other}"
        if self.body != wanted.body:
            yield f"was computed by another {self.architecture}: one of another --seed, or of another version"


def is_complete(folder: Path | None) -> bool:
    """Whether a folder holds a whole set, so that no picture is needed."""
    return folder is not None and (folder / FILE).is_file()


def require_where_complete(folder: Path, wanted: FeatureSet) -> bool:
    """Answers whether there is a whole set, which then is the wanted one; a store without one takes anything."""
    there = FeatureSet.read(folder)
    if there is None:
        return False
    there.require(wanted, folder)
    return True


def _word(value: bool) -> str:
    return str(value).lower()
