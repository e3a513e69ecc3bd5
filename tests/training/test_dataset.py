"""Three splits made ready: what is cached, left out, refused, found twice."""

import errno
import json
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training import decoded
from training.data import labels_of, read_split
from training.dataset import IMAGENET_MEAN, Choices, Dataset, load
from training.decoded import Decoded, decode, load_split
from training.errors import TrainingError
from training.preprocess import Recipe

RECIPE = Recipe(height=16, width=16, resize=18)
SPLITS = ("train", "valid", "test")


def picture(seed: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (30, 40, 3), dtype=np.uint8))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two classes, three pictures each in every split, all different."""
    seed = 0
    for split in SPLITS:
        for label in ("cat", "dog"):
            (tmp_path / "data" / split / label).mkdir(parents=True)
            for number in range(3):
                seed += 1
                picture(seed).save(tmp_path / "data" / split / label / f"{number}.jpg")
    return tmp_path / "data"


class Ready:
    """Loads the set, and keeps what was said."""

    def __init__(self, data: Path) -> None:
        self.data, self.cache, self.said = data, data.parent / "cache", list[str]()

    def load(self, on_bad_image: str = "fail", on_duplicate: str = "report", imagenet: bool = False) -> Dataset:
        folders = {split: self.data / split for split in SPLITS}
        choices = Choices(on_bad_image, on_duplicate)
        return load(folders, RECIPE, self.cache, choices, imagenet=imagenet, says=self.said.append)

    def train(self) -> Decoded:
        folder = self.data / "train"
        return decode(read_split(folder, labels_of(folder)), RECIPE, self.cache, margin=True)


@pytest.fixture
def ready(data: Path) -> Ready:
    return Ready(data)


def test_validation_pixels_are_those_that_the_server_sees(ready: Ready) -> None:
    found = ready.load()
    split = read_split(ready.data / "valid", ["cat", "dog"])
    np.testing.assert_array_equal(found.examples["valid"].pixels, load_split(split, RECIPE))
    assert found.examples["train"].pixels.shape == (6, 18, 18, 3)


def test_statistics_are_the_datas_or_imagenets(ready: Ready) -> None:
    assert ready.load().recipe.mean != IMAGENET_MEAN
    assert ready.load(imagenet=True).recipe.mean == IMAGENET_MEAN


def test_cached_pictures_are_not_decoded_again(ready: Ready, monkeypatch: pytest.MonkeyPatch) -> None:
    first = ready.load()
    monkeypatch.setattr(decoded, "read", lambda *_words: pytest.fail("decoded again"))
    again = ready.load()
    np.testing.assert_array_equal(again.examples["train"].pixels, first.examples["train"].pixels)
    assert again.sha256 == first.sha256


def test_a_changed_picture_is_seen_and_a_moved_set_is_not_decoded_again(
    ready: Ready, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = ready.train()
    picture(99).save(ready.data / "train" / "cat" / "0.jpg")
    assert not np.array_equal(ready.train().pixels[0], first.pixels[0])
    moved = Ready(Path(shutil.copytree(ready.data, ready.data.parent / "elsewhere")))
    monkeypatch.setattr(decoded, "read", lambda *_words: pytest.fail("decoded again"))
    moved.train()


def test_torn_cache_is_made_again(ready: Ready) -> None:
    first = np.array(ready.train().pixels)
    (file,) = ready.cache.glob("*.pixels")
    os.truncate(file, 100)
    np.testing.assert_array_equal(ready.train().pixels, first)


def test_interrupted_decoding_goes_on_where_it_was(ready: Ready, monkeypatch: pytest.MonkeyPatch) -> None:
    """The third picture never comes; the next run begins with it and not with the first."""
    for name, value in {"AT_ONCE": 1, "NOTED_EVERY_SECONDS": -1}.items():
        monkeypatch.setattr(decoded, name, value)
    monkeypatch.setattr(decoded.os, "cpu_count", lambda: 1)
    read, seen = decoded.read, list[str]()

    def noted(fails: bool) -> Callable[..., object]:
        def wrapped(file: Path, recipe: Recipe) -> object:
            if fails and file.parent.name == "cat" and file.name == "2.jpg":
                raise KeyboardInterrupt
            seen.append(f"{file.parent.name}/{file.name}")
            return read(file, recipe)

        return wrapped

    monkeypatch.setattr(decoded, "read", noted(True))
    with pytest.raises(KeyboardInterrupt):
        ready.train()
    seen.clear()
    monkeypatch.setattr(decoded, "read", noted(False))
    pixels = np.array(ready.train().pixels)
    assert seen == ["cat/2.jpg", "dog/0.jpg", "dog/1.jpg", "dog/2.jpg"]
    shutil.rmtree(ready.cache)
    np.testing.assert_array_equal(ready.train().pixels, pixels)


def test_two_at_once_decode_once(ready: Ready, monkeypatch: pytest.MonkeyPatch) -> None:
    read, calls = decoded.read, list[Path]()
    monkeypatch.setattr(decoded, "read", lambda file, recipe: (calls.append(file), read(file, recipe))[1])
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(lambda _number: ready.train(), range(2))
    assert len(calls) == 6
    np.testing.assert_array_equal(one.pixels, other.pixels)


def test_full_disk_is_one_sentence_before_anything_is_decoded(ready: Ready, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_words: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(decoded.os, "posix_fallocate", full)
    with pytest.raises(TrainingError, match="--cache .*: no room for the resized pictures; make room there"):
        ready.load()


def test_unusable_pictures_fail_by_name(ready: Ready) -> None:
    (ready.data / "train" / "cat" / "1.jpg").write_bytes(b"")
    with pytest.raises(
        TrainingError,
        match=r"^1 of 18 images cannot be used; replace or remove them, or give --on-bad-image skip: "
        r"train/cat/1\.jpg is empty \(0 bytes\)$",
    ):
        ready.load()


def test_unusable_pictures_are_left_out_by_choice(ready: Ready) -> None:
    whole = ready.load()
    (ready.data / "train" / "cat" / "1.jpg").write_bytes(b"")
    found = ready.load(on_bad_image="skip")
    assert found.left_out == {"train/cat/1.jpg": "is empty (0 bytes)"}
    assert "left out: train/cat/1.jpg is empty (0 bytes)\n" in ready.said
    assert found.examples["train"].names == [name for name in whole.examples["train"].names if name != "cat/1.jpg"]
    kept = [0, 2, 3, 4, 5]
    np.testing.assert_array_equal(found.examples["train"].pixels, whole.examples["train"].pixels[kept])
    assert found.examples["train"].targets.tolist() == [0, 0, 1, 1, 1]


def test_picture_behind_another_name_is_a_fault(ready: Ready) -> None:
    hidden = ready.data / "train" / "cat" / "2.jpg"
    hidden.rename(hidden.with_suffix(".jpg_large"))
    (ready.data / "train" / "cat" / "notes.txt").write_text("no picture")
    with pytest.raises(TrainingError, match=r"train/cat/2\.jpg_large is a JPEG by its content, and its name does not"):
        ready.load()


def test_class_without_a_usable_picture_is_told(ready: Ready) -> None:
    for file in (ready.data / "train" / "cat").iterdir():
        file.write_bytes(b"")
    with pytest.raises(TrainingError, match="train: no usable image of cat"):
        ready.load(on_bad_image="skip")


@pytest.fixture(params=["bytes", "pixels"])
def doubled(ready: Ready, request: pytest.FixtureRequest) -> Ready:
    """A validation picture stands in the training split too: the same file, or its pixels in another file."""
    original, copy = ready.data / "valid" / "dog" / "1.jpg", ready.data / "train" / "dog" / "copy.png"
    if request.param == "bytes":
        shutil.copyfile(original, copy)
    else:
        with Image.open(original) as image:
            image.save(copy, "PNG")
    return ready


SAME = "train/dog/copy.png is the same picture as valid/dog/1.jpg"


def test_copies_across_splits_are_told(doubled: Ready) -> None:
    found = doubled.load()
    assert f"duplicates: 1 images stand in two splits; accuracy says too much: {SAME}\n" in doubled.said
    assert len(found.examples["train"].names) == 7


def test_copies_across_splits_are_refused_by_choice(doubled: Ready) -> None:
    with pytest.raises(TrainingError, match=f"1 images stand in two splits.*{SAME}"):
        doubled.load(on_duplicate="fail")


def test_copies_are_left_out_of_the_earlier_split_by_choice(doubled: Ready) -> None:
    found = doubled.load(on_duplicate="drop")
    assert "dog/copy.png" not in found.examples["train"].names
    assert len(found.examples["train"].pixels) == len(found.examples["train"].targets) == 6
    assert len(found.examples["valid"].names) == 6
    assert "train/dog/copy.png" in found.left_out


def test_copies_within_a_split_are_nobodys_harm(ready: Ready) -> None:
    shutil.copyfile(ready.data / "train" / "dog" / "1.jpg", ready.data / "train" / "dog" / "copy.jpg")
    ready.load(on_duplicate="fail")


def test_traits_are_told_once_with_names(ready: Ready) -> None:
    for split in SPLITS:
        picture(7).convert("CMYK").save(ready.data / split / "cat" / f"{split}.jpg")
    ready.load()
    (line,) = [line for line in ready.said if line.startswith("note: ")]
    assert line.startswith("note: 3 images CMYK, converted to RGB: train/cat/train.jpg, valid/cat/valid.jpg")


def test_notes_of_a_cache_are_plain_json(ready: Ready) -> None:
    ready.train()
    (file,) = ready.cache.glob("*.json")
    assert json.loads(file.read_text())["done"] == 6
