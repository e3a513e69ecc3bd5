"""A split's pictures, decoded and resized once, in a file that is mapped into memory.

The file is named by what determines its bytes: the recipe, Pillow's version and the SHA-256 of every picture. So it can
be shared by runs, ranks and machines, is never stale, and holds a set that is larger than the memory. One process fills
it while others wait; a filling that was interrupted goes on where its last note was written.
"""

import errno
import fcntl
import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import PIL

from training.data import Split, hashes_of
from training.errors import TrainingError, named
from training.pictures import PictureError, read
from training.preprocess import Pixels, Recipe

LAYOUT = 1  # of the files; another number makes other names
NOTED_EVERY_SECONDS = 60
AT_ONCE = 64
Tick = Callable[[], None]


@dataclass(frozen=True)
class Decoded:
    """What of a split can be used, and what was found out about the rest."""

    split: Split
    """The pictures that can be used."""
    pixels: Pixels
    hashes: list[str]
    """Of each used file's bytes."""
    fingerprints: list[str]
    """Of each used picture's pixels: equal where a copy was saved anew without loss."""
    faults: dict[str, str]
    """Name -> why it cannot be used."""
    traits: dict[str, list[str]]
    """What is out of the ordinary and handled -> names."""


@dataclass
class _Notes:
    """What the file of pixels does not tell; numbers are positions among all files of the split."""

    done: int = 0
    faults: dict[int, str] = field(default_factory=dict)
    traits: dict[str, list[int]] = field(default_factory=dict)
    fingerprints: dict[int, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> "_Notes | None":
        try:
            found: dict[str, Any] = json.loads(path.read_bytes())
            by_number = {
                name: {int(number): text for number, text in found[name].items()} for name in ("faults", "fingerprints")
            }
            return cls(done=int(found["done"]), traits=found["traits"], **by_number)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def write(self, path: Path) -> None:
        new = path.with_suffix(f".{os.getpid()}")
        new.write_text(json.dumps(asdict(self)))
        new.replace(path)


def decode(split: Split, recipe: Recipe, cache: Path, *, margin: bool = False, tick: Tick = lambda: None) -> Decoded:
    """Every readable picture of a split, from the cache or into it; `margin` leaves room for training's crops."""
    hashes = hashes_of(split.files)
    stored = recipe.with_margin() if margin else recipe
    place = cache / _key(stored, hashes)
    with _cache_errors(cache), _locked(place.with_suffix(".lock")):
        notes = _finished(place, stored, len(hashes))
        if notes is None:
            notes = _fill(place, split, stored, tick)
    kept = [index for index in range(len(hashes)) if index not in notes.faults]
    names = split.names
    return Decoded(
        split=split.only(kept),
        pixels=_mapped(place.with_suffix(".pixels"), stored, len(kept), "c"),
        hashes=[hashes[index] for index in kept],
        fingerprints=[notes.fingerprints[index] for index in kept],
        faults={names[index]: why for index, why in sorted(notes.faults.items())},
        traits={trait: [names[index] for index in found] for trait, found in notes.traits.items()},
    )


def load_split(split: Split, recipe: Recipe) -> Pixels:
    """A whole split as the server sees it, in memory: N x height x width x 3 bytes. Bad files are named and refused."""
    images: Pixels = np.empty((len(split.files), recipe.height, recipe.width, 3), dtype=np.uint8)

    def one(index: int) -> str | None:
        try:
            images[index] = read(split.files[index], recipe).pixels
        except PictureError as error:
            return f"{split.names[index]} {error}"
        return None

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        faults = [fault for fault in pool.map(one, range(len(split.files))) if fault]
    if faults:
        raise TrainingError(
            f"{split.folder}: {len(faults)} images cannot be used, replace or remove them: {named(faults)}"
        )
    return images


def _key(stored: Recipe, hashes: list[str]) -> str:
    steps = {name: value for name, value in asdict(stored).items() if name not in {"scale", "mean", "std"}}
    facts = json.dumps([LAYOUT, PIL.__version__, steps, hashes], sort_keys=True)
    return hashlib.sha256(facts.encode()).hexdigest()[:32]


def _bytes_of(stored: Recipe, count: int) -> int:
    return count * stored.height * stored.width * 3


def _mapped(path: Path, stored: Recipe, count: int, mode: Literal["c", "r+"]) -> Pixels:
    if count == 0:  # an empty file cannot be mapped
        return np.empty((0, stored.height, stored.width, 3), dtype=np.uint8)
    return np.memmap(path, dtype=np.uint8, mode=mode, shape=(count, stored.height, stored.width, 3))


def _finished(place: Path, stored: Recipe, count: int) -> _Notes | None:
    notes, pixels = _Notes.read(place.with_suffix(".json")), place.with_suffix(".pixels")
    if notes is None or notes.done != count or not pixels.is_file():
        return None
    whole = pixels.stat().st_size == _bytes_of(stored, count - len(notes.faults))
    return notes if whole else None


def _fill(place: Path, split: Split, stored: Recipe, tick: Tick) -> _Notes:
    partial, noted = place.with_suffix(".partial"), place.with_suffix(".part")
    count, size = len(split.files), _bytes_of(stored, len(split.files))
    before = partial.stat().st_size == size if partial.exists() else False
    notes = (_Notes.read(noted) if before else None) or _Notes()
    # room is taken at once: writing to a mapped file on a full disk would kill the process instead of failing
    with partial.open("ab") as file:
        os.posix_fallocate(file.fileno(), 0, size)
    pixels = _mapped(partial, stored, count, "r+")

    def one(index: int) -> tuple[str, str | None, tuple[str, ...]]:
        try:
            picture = read(split.files[index], stored)
        except PictureError as error:
            return "", str(error), ()
        finally:
            tick()
        pixels[index] = picture.pixels
        return picture.fingerprint, None, picture.traits

    noted_at = time.monotonic()
    workers = os.cpu_count() or 1
    for _ in range(notes.done):
        tick()
    with ThreadPoolExecutor(workers) as pool:
        for start in range(notes.done, count, workers * AT_ONCE):
            numbers = range(start, min(start + workers * AT_ONCE, count))
            for index, (fingerprint, fault, traits) in zip(numbers, pool.map(one, numbers), strict=True):
                if fault is not None:
                    notes.faults[index] = fault
                    continue
                notes.fingerprints[index] = fingerprint
                for trait in traits:
                    notes.traits.setdefault(trait, []).append(index)
            notes.done = numbers.stop
            if time.monotonic() - noted_at > NOTED_EVERY_SECONDS:
                pixels.flush()  # type: ignore[attr-defined]
                notes.write(noted)
                noted_at = time.monotonic()
    _close_up(pixels, notes.faults)
    os.truncate(partial, _bytes_of(stored, count - len(notes.faults)))
    notes.write(place.with_suffix(".json"))
    partial.replace(place.with_suffix(".pixels"))
    noted.unlink(missing_ok=True)
    return notes


def _close_up(pixels: Pixels, faults: dict[int, str]) -> None:
    """Move what follows an unusable picture up, so that the rest lies without gaps."""
    if not faults:
        return
    end = min(faults)
    for index in range(end, len(pixels)):
        if index not in faults:
            pixels[end] = pixels[index]
            end += 1


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.stdout.write("waiting for another process that decodes the same pictures\n")
            sys.stdout.flush()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _cache_errors(cache: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOSPC:
            remedy = "make room there, name another folder, or choose a smaller --input-size"
            raise TrainingError(f"--cache {cache}: no room for the resized pictures; {remedy}") from error
        raise TrainingError(
            f"--cache {cache}: cannot be written ({error.strerror}); name a folder you may write"
        ) from error
