"""The generated set: what is known about it must be true, and a broken pipeline must show on it."""

import json
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.training.jobs import ROOT
from training.data import read_split
from training.decoded import load_split
from training.evaluate import recipe_of, unpack
from training.preprocess import EXIF_ORIENTATION, Pixels
from training.runtime import logits_of, open_session
from training.starter import ARCHIVE, FOLDER
from training.synthetic import LABELS, SyntheticSet, noisy_labels, picture, true_label, write_set

MODEL = FOLDER / ARCHIVE
COUNT = 400


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set without wrong labels that the starter model has never seen."""
    folder = tmp_path_factory.mktemp("clean")
    write_set(folder, SyntheticSet(train=10, valid=10, test=COUNT, label_noise=0, seed=77))
    return folder / "test"


@pytest.fixture(scope="module")
def turned(clean: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Those pictures of the set that are stored on their side or head, and say so."""
    folder = tmp_path_factory.mktemp("turned")
    for file in sorted(clean.rglob("*.jpg")):
        with Image.open(file) as stored:
            orientation = stored.getexif().get(EXIF_ORIENTATION, 1)
        if orientation != 1:
            (folder / file.parent.name).mkdir(exist_ok=True)
            shutil.copy(file, folder / file.parent.name)
    return folder


@pytest.fixture(scope="module")
def starter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack(MODEL, tmp_path_factory.mktemp("starter"))


@pytest.mark.parametrize(("count", "noise", "wrong"), [(2000, 0.05, 100), (1000, 0.05, 50), (10, 0.5, 5), (100, 0, 0)])
def test_exactly_the_stated_fraction_of_labels_is_wrong(count: int, noise: float, wrong: int) -> None:
    labels = noisy_labels(count, noise, np.random.default_rng(3))
    assert sum(label != true_label(index) for index, label in enumerate(labels)) == wrong


def test_best_accuracy_is_one_minus_the_wrong_labels() -> None:
    assert SyntheticSet(test=2000, label_noise=0.05).best_accuracy("test") == pytest.approx(0.95)


def test_wrong_labels_fall_on_every_class() -> None:
    labels = noisy_labels(6000, 0.05, np.random.default_rng(3))
    wrong = Counter(label for index, label in enumerate(labels) if label != true_label(index))
    assert set(wrong) == set(LABELS)


def test_a_picture_depends_on_its_seed_alone() -> None:
    first, second = (picture("star", np.random.default_rng([1, 0, 7])) for _ in range(2))
    assert first == second != picture("star", np.random.default_rng([1, 0, 8]))


def test_set_says_how_it_was_made(tmp_path: Path) -> None:
    write_set(tmp_path, SyntheticSet(train=10, valid=10, test=20, label_noise=0.1))
    facts = json.loads((tmp_path / "synthetic.json").read_text())
    assert facts["best_accuracy"]["test"] == pytest.approx(0.9)
    assert len(list((tmp_path / "test").rglob("*.jpg"))) == 20


def test_set_of_chosen_classes_has_no_others(tmp_path: Path) -> None:
    write_set(tmp_path, SyntheticSet(train=4, valid=4, test=4, label_noise=0.5, labels=("ring", "star")))
    assert {path.parent.name for path in tmp_path.rglob("*.jpg")} == {"ring", "star"}


@pytest.mark.parametrize("flags", [("--train", "5"), ("--label-noise", "0.9"), ("--labels", "ring,cow")])
def test_set_that_cannot_be_is_refused(tmp_path: Path, flags: tuple[str, str]) -> None:
    words = [sys.executable, "-m", "training.synthetic", "--out", str(tmp_path), *flags]
    result = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert flags[0] in result.stderr and "Traceback" not in result.stderr


def accuracy(starter: Path, clean: Path, break_pixels: str = "", **changes: object) -> float:
    """The starter model's accuracy with something wrong in its preprocessing."""
    metadata = json.loads((starter / "model.json").read_text())
    metadata["preprocessing"] |= changes
    split = read_split(clean, metadata["labels"])
    recipe = recipe_of(metadata)
    pixels: Pixels = load_split(split, recipe)
    if break_pixels == "channels":
        pixels = pixels[..., ::-1]
    answers = logits_of(open_session(starter / "model.onnx"), pixels, recipe)
    return float((answers.argmax(axis=1) == split.targets).mean())


def test_starter_recognises_nearly_every_clean_picture(starter: Path, clean: Path) -> None:
    assert accuracy(starter, clean) >= 0.98


@pytest.mark.parametrize(
    ("fault", "at_most"),
    [
        ({"break_pixels": "channels"}, 0.9),
        ({"resize": 96}, 0.95),
        ({"scale": 1.0}, 0.7),
        ({"std": [1, 1, 1]}, 0.9),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_broken_pipeline_shows(starter: Path, clean: Path, fault: dict[str, object], at_most: float) -> None:
    assert accuracy(starter, clean, **fault) < at_most  # type: ignore[arg-type]


def test_ignored_turns_show_on_turned_pictures(starter: Path, turned: Path) -> None:
    upright, lying = (accuracy(starter, turned, exif=exif) for exif in ("upright", "ignore"))
    assert lying <= upright - 0.05
