"""The second set: real, small, and not made by us. What is learnt on it must beat what needs no network."""

import json
import re
from pathlib import Path

import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from tests.training.digits import SPLITS, of_split, write_digits
from training import train

# Mirrored digits are none.
FLAGS = ["--flip", "false", "--threads", "1"]


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    write_digits(folder := tmp_path_factory.mktemp("digits"))
    return folder


def folders(digits: Path) -> list[str]:
    return [word for name in SPLITS for word in (f"--{name}", str(digits / name))]


@pytest.mark.parametrize("seed", ["1", "2", "3"])
def test_real_scans_are_learnt_in_a_second(digits: Path, seed: str, capsys: pytest.CaptureFixture[str]) -> None:
    """0.987 to 0.993 over five seeds; logistic regression on the greys names 0.937 of these rightly."""
    words = [*folders(digits), *FLAGS, "--epochs", "4", "--input-size", "16", "--seed", seed]
    assert train.main([*words, "--trial", "true", "--model-dir", "none"]) == 0
    said = capsys.readouterr().out
    assert "duplicates" not in said
    assert float(re.findall(r"best_valid_accuracy=(\S+)", said)[0]) >= 0.97


@pytest.mark.slow
@pytest.mark.parametrize("seed", ["1", "2", "3"])
def test_hands_that_were_seen_less_are_read_better_than_by_the_nearest_neighbour(
    digits: Path, seed: str, tmp_path: Path
) -> None:
    """0.977 to 0.982 over these seeds; the nearest neighbour, which is hard to beat on this set, 0.950."""
    words = [*folders(digits), *FLAGS, "--epochs", "10", "--input-size", "32", "--seed", seed]
    assert train.main([*words, "--model-dir", str(tmp_path)]) == 0
    accuracy = json.loads((tmp_path / "model.json").read_text())["metrics"]["test"]["accuracy"]
    nearest, lines = KNeighborsClassifier(1), LogisticRegression(max_iter=3000)
    by_neighbour, by_lines = (one.fit(*of_split("train")).score(*of_split("test")) for one in (nearest, lines))
    assert by_lines < by_neighbour < accuracy
    assert accuracy >= 0.965
