"""Scoring any artefact on any split, in either precision."""

import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.training.conftest import Trained
from training import evaluate as module
from training import train
from training.artifact import pack, write_metadata
from training.errors import TrainingError
from training.evaluate import evaluate, main, publish


@pytest.fixture
def with_int8(trained: Trained, tmp_path: Path) -> Path:
    """An artefact whose second network is the first one again, so that its scores are known."""
    folder = Path(shutil.copytree(trained.model_dir, tmp_path / "model"))
    shutil.copyfile(folder / "model.onnx", folder / "model.int8.onnx")
    facts = {key: value for key, value in trained.metadata.items() if key not in {"format", "version", "files"}}
    facts["int8"] = {"kept": True, "split": "valid", "samples": 40, "accuracy": 0.5, "fp32_accuracy": 0.5, "lost": 0.0}
    write_metadata(folder, "tiny", facts)
    return folder


def test_evaluation_agrees_with_training(trained: Trained, pictures: Path) -> None:
    found, said = evaluate(trained.model_dir, pictures / "test"), trained.metadata["metrics"]["test"]
    assert found["accuracy"] == said["accuracy"]
    for name in ("macro_f1", "loss", "calibration_error"):
        assert found[name] == pytest.approx(said[name], abs=1e-4)


def test_any_split_can_be_scored(trained: Trained, pictures: Path) -> None:
    found, said = evaluate(trained.model_dir, pictures / "valid"), trained.metadata["metrics"]["valid"]
    assert (found["samples"], found["accuracy"]) == (40, said["accuracy"])


def test_large_splits_are_read_in_parts_with_the_same_result(
    trained: Trained, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = evaluate(trained.model_dir, pictures / "test")
    monkeypatch.setattr(module, "CHUNK", 7)
    assert evaluate(trained.model_dir, pictures / "test") == whole


def test_eight_bits_are_scored_when_asked(with_int8: Path, pictures: Path, tmp_path: Path) -> None:
    pack(with_int8, tmp_path / "model.tar.gz")
    report = tmp_path / "evaluation.json"
    words = ["--model", str(tmp_path / "model.tar.gz"), "--data", str(pictures / "test"), "--precision", "int8"]
    assert main([*words, "--report", str(report)]) == 0
    found: dict[str, Any] = json.loads(report.read_text())
    assert found["precision"] == "int8"
    assert found["accuracy"] == evaluate(with_int8, pictures / "test")["accuracy"]


def test_eight_bits_that_were_refused_are_told_with_their_reason(
    trained: Trained, pictures: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(trained.model_dir, tmp_path / "model"))
    metadata = json.loads((folder / "model.json").read_text()) | {"int8": {"kept": False, "reason": "it loses much"}}
    (folder / "model.json").write_text(json.dumps(metadata))
    with pytest.raises(
        TrainingError, match=r"has no network in 8 bits \(it loses much\); evaluate it with --precision"
    ):
        evaluate(folder, pictures / "test", "int8")


def test_an_artefact_from_before_there_were_eight_bits_is_scored_and_told(
    trained: Trained, pictures: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(trained.model_dir, tmp_path / "model"))
    metadata = json.loads((folder / "model.json").read_text())
    del metadata["int8"]
    (folder / "model.json").write_text(json.dumps(metadata))
    assert evaluate(folder, pictures / "test")["samples"] == 40
    with pytest.raises(TrainingError, match="its training did not try"):
        evaluate(folder, pictures / "test", "int8")


def test_archives_that_sagemaker_packed_are_read(trained: Trained, pictures: Path, tmp_path: Path) -> None:
    """Its tar names members as `./model.onnx`, beside the folder itself."""
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as tar:
        tar.add(trained.model_dir, ".")
    assert main(["--model", str(tmp_path / "model.tar.gz"), "--data", str(pictures / "test")]) == 0


def test_publishing_keeps_both_networks(with_int8: Path, pictures: Path, tmp_path: Path) -> None:
    words = ["--model", str(with_int8), "--data", str(pictures / "test"), "--publish", str(tmp_path / "models")]
    assert main(words) == 0
    (published,) = (tmp_path / "models").glob("*/model.tar.gz")
    with tarfile.open(published) as tar:
        assert tar.getnames() == ["model.int8.onnx", "model.json", "model.onnx", "model.pt"]
    assert (published.parent / "model.json").read_bytes() == (with_int8 / "model.json").read_bytes()
    kept = json.loads((published.parent / "evaluation.json").read_text())
    assert (kept["artifact"], kept["samples"]) == (f"models/{published.parent.name}/model.tar.gz", 40)


def test_a_place_that_cannot_be_written_is_one_sentence(
    trained: Trained, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--model", str(trained.model_dir), "--data", str(pictures / "test"), "--report", "/proc/nowhere/x.json"]
    assert main(words) == 1
    assert capsys.readouterr().err.startswith("evaluate: /proc/nowhere: cannot be written (")


def test_evaluating_what_is_no_artefact_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--model", str(tmp_path), "--data", str(tmp_path)]) == 1
    told = capsys.readouterr().err
    assert told.startswith(f"evaluate: {tmp_path}/model.json: not readable") and told.count("\n") == 1


def test_wrong_flag_reaches_the_jobs_failure_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "output").mkdir()
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))
    assert main(["--model", "x", "--data", "y", "--precision", "int4"]) == 1
    reason = (tmp_path / "output" / "message").read_text()
    assert "--precision" in reason and "int4" in reason
    assert capsys.readouterr().err == f"evaluate: {reason}\n"


def test_a_trials_draft_is_scored_as_the_model_that_training_makes_of_it(
    trained: Trained, pictures: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    channels = [word for name in ("train", "valid") for word in (f"--{name}", str(pictures / name))]
    flags = ["--epochs", "2", "--batch-size", "16", "--flip", "true", "--seed", "3", "--threads", "1", "--name", "tiny"]
    assert train.main([*channels, *flags, "--trial", "true", "--model-dir", str(folder)]) == 0
    assert sorted(path.name for path in folder.iterdir()) == ["model.json", "model.pt"]
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as tar:
        tar.add(folder, ".")
    found, said = evaluate(tmp_path / "model.tar.gz", pictures / "test"), trained.metadata["metrics"]["test"]
    assert (found["accuracy"], found["samples"]) == (said["accuracy"], said["samples"])
    assert found["macro_f1"] == pytest.approx(said["macro_f1"], abs=1e-6)
    with pytest.raises(TrainingError, match="is a trial's draft; train with its hyperparameters, and publish that"):
        publish(tmp_path / "model.tar.gz", tmp_path / "models", found)
