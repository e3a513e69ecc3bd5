"""The committed starter model: small, sound, as good as its card says, and possible to train again."""

import subprocess
import sys
import tarfile

import pytest

from tests.training.jobs import ROOT
from training import starter
from training.artifact import FILES, OPTIONAL, file_sha256
from training.card import model_card
from training.errors import TrainingError
from training.starter import ALLOWED_DIFFERENCE, ARCHIVE, FLAGS, FOLDER, SET, committed, compare
from training.synthetic import LABELS

MEBIBYTE = 1024**2


def with_accuracy(accuracy: float) -> dict[str, object]:
    return {"metrics": {"test": {"accuracy": accuracy}}}


def test_archive_is_at_most_a_mebibyte() -> None:
    assert (FOLDER / ARCHIVE).stat().st_size <= MEBIBYTE


def test_archive_holds_the_artefacts_files() -> None:
    with tarfile.open(FOLDER / ARCHIVE) as tar:
        assert tar.getnames() == sorted([*FILES, *OPTIONAL])


def test_card_is_what_the_artefact_says() -> None:
    card = model_card(committed(), SET, file_sha256(FOLDER / ARCHIVE), " ".join(FLAGS))
    assert (FOLDER / "MODEL_CARD.md").read_text() == card


def test_card_names_accuracy_and_hash() -> None:
    card = (FOLDER / "MODEL_CARD.md").read_text()
    assert f"{committed()['metrics']['test']['accuracy']:.4f}" in card
    assert file_sha256(FOLDER / ARCHIVE) in card


def test_eight_bits_are_as_good() -> None:
    assert committed()["int8"]["kept"] is True


def test_accuracy_is_close_to_the_best_possible_and_not_above_it() -> None:
    accuracy = committed()["metrics"]["test"]["accuracy"]
    assert 0 <= SET.best_accuracy("test") - accuracy < 0.015


def test_there_is_one_small_sample_of_each_class() -> None:
    samples = {path.stem: path.stat().st_size for path in (FOLDER / "samples").iterdir()}
    assert set(samples) == set(LABELS) == set(committed()["labels"])
    assert max(samples.values()) < 16 * 1024


@pytest.mark.parametrize("now", [0.94, 0.95, 0.945])
def test_retraining_within_half_a_point_is_accepted(now: float, capsys: pytest.CaptureFixture[str]) -> None:
    compare(with_accuracy(now), with_accuracy(0.945))
    assert "0.9450 committed" in capsys.readouterr().out


@pytest.mark.parametrize("now", [0.9395, 0.9505])
def test_retraining_beyond_half_a_point_is_refused(now: float) -> None:
    with pytest.raises(TrainingError, match=r"0\.55 points apart, allowed is 0\.5"):
        compare(with_accuracy(now), with_accuracy(0.945))


def test_refusal_ends_with_status_1(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    worse = committed()["metrics"]["test"]["accuracy"] - ALLOWED_DIFFERENCE - 0.001
    monkeypatch.setattr(starter, "retrain", lambda _workshop: with_accuracy(worse))
    assert starter.main([]) == 1
    assert capsys.readouterr().err.startswith("starter model: test accuracy")


@pytest.mark.slow
def test_starter_can_be_trained_again() -> None:
    words = [sys.executable, "-m", "training.starter"]
    result = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=900)
    assert result.returncode == 0, result.stderr
    assert "within 0.5" in result.stdout
