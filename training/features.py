"""What a frozen network makes of each picture just before its head: computed once, and kept.

A head is trained on them in seconds, since no picture goes through the network twice. The files are named by everything
that determines their numbers: the network's weights, the recipe and the pictures' own SHA-256. So a folder of them can
be shared by tuning trials (a channel named `features`), and a computation that was interrupted goes on after its last
piece.
"""

import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.augment import Draws, Indices
from training.body import Body, Engine, engine_of
from training.errors import TrainingError
from training.group import Group
from training.sources import Examples, centre, to_input

Values = NDArray[np.float16]
AT_ONCE = 32
PIECE = 1024  # pictures in a file


class Features:
    """Features of a split's pictures: one view as they are, and one mirrored where training flips."""

    def __init__(self, values: Values, targets: Tensor, names: list[str], *, mean: Tensor, std: Tensor) -> None:
        self.targets, self.names = targets, names
        self._values, self._mean, self._std = values, mean, std

    def gather(self, indices: Indices, draws: Draws | None, rows: Indices) -> Tensor:
        views = np.zeros(len(indices), dtype=int)
        if draws is not None and self._values.shape[1] > 1:
            views = (draws.mirrors[rows] < 0.5).astype(int)  # noqa: PLR2004 (half of them)
        return torch.from_numpy(self._values[indices, views].astype(np.float32))

    def to_network(self, gathered: Tensor, device: torch.device) -> Tensor:
        return gathered.to(device).sub_(self._mean.to(device)).div_(self._std.to(device))


def compute(
    body: Body,
    examples: Examples,
    hashes: Sequence[str],
    store: Path,
    *,
    flip: bool,
    group: Group,
    tick: Callable[[], None] = lambda: None,
) -> Values:
    """The features of a split, from the store or into it."""
    values = _room(body, hashes, flip=flip)
    engine: Engine | None = None
    for numbers, place in _pieces(body, hashes, store, flip=flip):
        shape = (len(numbers), *values.shape[1:])
        # the first rank's folder decides, since a channel or a restored checkpoint need not be on every machine
        piece = group.shared(_stored(place, shape) if group.leads else None)
        if piece is None:
            engine = engine or engine_of(body, examples)
            piece = _computed(body, engine, examples, numbers=numbers, views=shape[1], group=group)
            if group.leads:
                _store(place, piece)
        values[numbers.start : numbers.stop] = piece
        for _ in numbers:
            tick()
    return values


def read(body: Body, hashes: Sequence[str], store: Path, *, flip: bool) -> Values:
    """The features of a split whose pictures are not here: all of them must be in the store."""
    values = _room(body, hashes, flip=flip)
    for numbers, place in _pieces(body, hashes, store, flip=flip):
        piece = _stored(place, (len(numbers), *values.shape[1:]))
        if piece is None:
            raise TrainingError(
                f"--features {store}: {place.name} is missing or damaged; bring or compute the set anew"
            )
        values[numbers.start : numbers.stop] = piece
    return values


class Labelled(Protocol):
    """What is known of a split's samples beside what they look like."""

    @property
    def targets(self) -> Tensor: ...

    @property
    def names(self) -> list[str]: ...


def sources(
    found: Mapping[str, Values], labelled: Mapping[str, Labelled]
) -> tuple[dict[str, Features], Tensor, Tensor]:
    """Splits of features, centred and scaled by those of the training split, with what they were centred by."""
    seen = found["train"].astype(np.float32).reshape(-1, found["train"].shape[-1])
    mean, std = torch.from_numpy(seen.mean(axis=0)), torch.from_numpy(np.maximum(seen.std(axis=0), 1e-6))
    made = {
        name: Features(values, labelled[name].targets, labelled[name].names, mean=mean, std=std)
        for name, values in found.items()
    }
    return made, mean, std


def _room(body: Body, hashes: Sequence[str], *, flip: bool) -> Values:
    return np.empty((len(hashes), 2 if flip else 1, body.width), dtype=np.float16)


def _pieces(body: Body, hashes: Sequence[str], store: Path, *, flip: bool) -> Iterator[tuple[range, Path]]:
    """The pictures of each file of a split, and where it is."""
    views = 2 if flip else 1
    key = hashlib.sha256(json.dumps([body.key, views, list(hashes)]).encode()).hexdigest()[:32]
    for start in range(0, len(hashes), PIECE):
        yield range(start, min(start + PIECE, len(hashes))), store / f"{key}-{start:09d}.npy"


def _computed(body: Body, engine: Engine, examples: Examples, *, numbers: range, views: int, group: Group) -> Values:
    """A piece, each rank a share of it."""
    own = list(numbers)[group.rank :: group.ranks]
    share = np.empty((len(own), views, body.width), dtype=np.float16)
    for start in range(0, len(own), AT_ONCE):
        images = to_input(centre(examples.pixels[own[start : start + AT_ONCE]], body.recipe), body.recipe)
        rows = slice(start, start + len(images))
        share[rows, 0] = engine(images)
        if views > 1:
            share[rows, 1] = engine(images.flip(-1))
    piece = np.empty((len(numbers), views, body.width), dtype=np.float16)
    for rank, part in enumerate(group.all(share)):
        piece[rank :: group.ranks] = part
    if not np.isfinite(piece).all():
        raise TrainingError("the frozen network's features are not finite: its weights or its normalisation are wrong")
    return piece


def _stored(place: Path, shape: tuple[int, ...]) -> Values | None:
    try:
        found: Values = np.load(place, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return found if found.shape == shape and found.dtype == np.float16 else None


def _store(place: Path, piece: Values) -> None:
    """A channel is read-only: what it lacks is computed again by the next run."""
    new = place.with_suffix(f".{os.getpid()}")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with new.open("wb") as file:
            np.save(file, piece)
        new.replace(place)
    except OSError as error:
        new.unlink(missing_ok=True)
        sys.stdout.write(f"features are not kept in {place.parent} ({error.strerror})\n")
