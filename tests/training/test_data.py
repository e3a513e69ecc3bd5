"""Reading a folder of images: labels, splits, hashes."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.data import channel_statistics, data_sha256, label_of, labels_of, read_split
from training.decoded import load_split
from training.errors import TrainingError
from training.preprocess import Recipe

RECIPE = Recipe(height=16, width=16, resize=16)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for label in ("002.Basset", "001.Affenpinscher"):
        (tmp_path / label).mkdir()
        for name in ("b.JPG", "a.png"):
            image_format = "JPEG" if name.endswith("JPG") else "PNG"
            Image.new("RGB", (20, 20), "red").save(tmp_path / label / name, image_format)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("001.Affenpinscher", "Affenpinscher"),
        ("star", "star"),
        ("2cv", "2cv"),
        ("1.2.three", "2.three"),
        ("v1.5", "v1.5"),
    ],
)
def test_course_numbers_are_no_part_of_a_label(name: str, label: str) -> None:
    assert label_of(name) == label


def test_labels_come_in_the_order_of_the_folders(folder: Path) -> None:
    assert labels_of(folder) == ["Affenpinscher", "Basset"]


def test_files_come_in_one_order_whatever_the_case_of_their_ending(folder: Path) -> None:
    split = read_split(folder, ["Affenpinscher", "Basset"])
    assert [file.name for file in split.files] == ["a.png", "b.JPG"] * 2
    assert split.targets == (0, 0, 1, 1)


def test_other_files_and_hidden_folders_are_ignored(folder: Path) -> None:
    (folder / ".cache").mkdir()
    (folder / "001.Affenpinscher" / "notes.txt").write_text("x")
    assert len(read_split(folder, labels_of(folder)).files) == 4


def test_class_that_training_lacks_is_told(folder: Path) -> None:
    with pytest.raises(
        TrainingError, match="Basset: the training split has no such class; it has Affenpinscher, Collie"
    ):
        read_split(folder, ["Affenpinscher", "Collie"])


def test_two_folders_of_one_label_are_told(folder: Path) -> None:
    (folder / "003.Basset").mkdir()
    with pytest.raises(TrainingError, match="two folders read as the label 'Basset'"):
        labels_of(folder)


def test_folder_without_classes_is_told(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="0 class folders; at least 2"):
        labels_of(tmp_path)


def test_folder_without_images_is_told(tmp_path: Path) -> None:
    for label in "ab":
        (tmp_path / label).mkdir()
    with pytest.raises(TrainingError, match="no image in it"):
        read_split(tmp_path, ["a", "b"])


def test_missing_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="nowhere: no such folder"):
        labels_of(tmp_path / "nowhere")


def test_hash_sees_content_names_and_labels_but_not_the_place(folder: Path, tmp_path: Path) -> None:
    def hashed(place: Path) -> str:
        return data_sha256({"train": read_split(place, labels_of(place))})

    moved = Path(shutil.copytree(folder, tmp_path.parent / f"{tmp_path.name}-moved"))
    assert hashed(moved) == hashed(folder)
    seen = {hashed(moved)}
    (moved / "002.Basset" / "a.png").rename(moved / "002.Basset" / "c.png")
    seen.add(hashed(moved))
    (moved / "002.Basset" / "c.png").rename(moved / "001.Affenpinscher" / "c.png")
    seen.add(hashed(moved))
    Image.new("RGB", (20, 20), "blue").save(moved / "001.Affenpinscher" / "c.png")
    seen.add(hashed(moved))
    assert len(seen) == 4


def test_statistics_are_those_of_numpy() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (5, 8, 8, 3), dtype=np.uint8)
    mean, std = channel_statistics(pixels)
    np.testing.assert_allclose(mean, (pixels / 255).mean(axis=(0, 1, 2)), atol=1e-4)
    np.testing.assert_allclose(std, (pixels / 255).std(axis=(0, 1, 2)), atol=1e-4)


def test_split_is_decoded_in_the_order_of_its_files(folder: Path) -> None:
    Image.new("RGB", (20, 20), "lime").save(folder / "002.Basset" / "a.png")
    pixels = load_split(read_split(folder, labels_of(folder)), RECIPE)
    assert pixels[2, 0, 0].tolist() == [0, 255, 0]
