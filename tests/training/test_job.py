"""The training script as a job: a process, SageMaker's variables, flags as hyperparameters, files at the end."""

import re
import shutil
from pathlib import Path

import pytest
from PIL import Image

from serving.artifact import read_artifact
from tests.training.conftest import Trained
from tests.training.jobs import run_job

METRIC_LINE = re.compile(r"epoch=\d+ train_loss=\S+ train_accuracy=\S+ valid_loss=\S+ valid_accuracy=\S+ seconds=\S+")


def test_job_ends_well_and_quietly(trained: Trained) -> None:
    assert (trained.job.status, trained.job.stderr) == (0, "")


def test_job_leaves_exactly_the_artefacts_files(trained: Trained) -> None:
    assert sorted(file.name for file in trained.model_dir.iterdir()) == ["model.json", "model.onnx", "model.pt"]


def test_server_accepts_what_training_writes(trained: Trained) -> None:
    assert read_artifact(trained.model_dir).version == trained.metadata["version"]


def test_every_epoch_prints_its_metrics(trained: Trained) -> None:
    assert len(METRIC_LINE.findall(trained.job.stdout)) == 2


def test_test_split_is_read_once_at_the_end(trained: Trained) -> None:
    lines = trained.job.stdout.splitlines()
    assert [line.startswith("test_accuracy=") for line in lines] == [False, False, True, False]


def test_accuracies_are_fractions_of_samples(trained: Trained) -> None:
    for split in ("valid", "test"):
        score = trained.metadata["metrics"][split]
        assert score["samples"] == 40
        assert score["accuracy"] * 40 == pytest.approx(round(score["accuracy"] * 40))


def test_hyperparameters_are_recorded(trained: Trained) -> None:
    recorded = trained.metadata["hyperparameters"]
    assert (recorded["epochs"], recorded["flip"], recorded["seed"]) == (2, True, 3)


def test_no_failure_file_after_success(trained: Trained) -> None:
    assert not (trained.job.base / "output" / "failure").exists()


def test_same_seed_gives_the_same_model(trained: Trained, pictures: Path, tmp_path: Path) -> None:
    flags = ("--epochs", "2", "--batch-size", "16", "--flip", "1", "--seed", "3", "--threads", "1", "--name", "tiny")
    again = run_job(tmp_path / "job", pictures, *flags)
    assert again.status == 0
    for name in ("model.json", "model.onnx", "model.pt"):
        assert (again.base / "model" / name).read_bytes() == (trained.model_dir / name).read_bytes()


def test_wrong_flag_is_one_sentence_and_the_failure_reason(pictures: Path, tmp_path: Path) -> None:
    job = run_job(tmp_path / "job", pictures, "--epochs", "many")
    assert job.status == 1
    assert job.stderr == f"training: {job.failure}\n"
    assert "--epochs" in job.failure and "many" in job.failure


def test_missing_channel_is_told_with_its_variable(pictures: Path, tmp_path: Path) -> None:
    job = run_job(tmp_path / "job", pictures, channels=("train", "test"))
    assert job.failure == "--valid is missing: name a folder, or set SM_CHANNEL_VALID"


def test_unreadable_images_are_told_by_name(pictures: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(pictures, tmp_path / "set")
    for name in ("cut.jpg", "empty.png"):
        (folder / "train" / "ring" / name).write_bytes(b"\xff\xd8\xff"[: 3 * (name == "cut.jpg")])
    job = run_job(tmp_path / "job", folder)
    assert job.status == 1
    assert "2 unreadable images" in job.failure
    assert "ring/cut.jpg" in job.failure and "ring/empty.png" in job.failure
    assert "Traceback" not in job.stderr


def test_diverging_training_stops_with_the_batch_named(pictures: Path, tmp_path: Path) -> None:
    job = run_job(tmp_path / "job", pictures, "--learning-rate", "1e30", "--batch-size", "16")
    assert job.status == 1
    assert re.match(r"the loss became (nan|inf) at epoch \d+, batch \d+ \(\S+\.jpg, ", job.failure)
    assert not list((job.base / "model").iterdir())


def test_defect_leaves_its_reason_and_its_trace(pictures: Path, tmp_path: Path) -> None:
    job = run_job(tmp_path / "job", pictures, "--epochs", "1", "--model-dir", "/proc/nowhere")
    assert job.status == 1
    assert "/proc/nowhere" in job.failure
    assert "Traceback" in job.stderr


def test_grey_pictures_train_as_well_as_coloured_ones(tmp_path: Path) -> None:
    for split in ("train", "valid", "test"):
        for label, level in (("001.Affenpinscher", 20), ("002.Afghan_hound", 220)):
            (tmp_path / "set" / split / label).mkdir(parents=True)
            for number in range(4):
                path = tmp_path / "set" / split / label / f"{number}.png"
                Image.new("L", (40 + number, 30), level + number).save(path)
    job = run_job(tmp_path / "job", tmp_path / "set", "--epochs", "8", "--batch-size", "4", "--input-size", "16")
    assert job.status == 0
    assert read_artifact(job.base / "model").labels == ("Affenpinscher", "Afghan_hound")
