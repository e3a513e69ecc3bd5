"""The training script as a job: a process, SageMaker's variables, flags as hyperparameters, files at the end."""

import re
import shutil
from pathlib import Path

import pytest
from PIL import Image

from serving.artifact import read_artifact
from tests.training.conftest import Trained
from tests.training.jobs import run_job
from training import train

METRIC_LINE = re.compile(r"epoch=\d+ train_loss=\S+ train_accuracy=\S+ valid_loss=\S+ valid_accuracy=\S+ seconds=\S+")


def test_job_ends_well_and_quietly(trained: Trained) -> None:
    assert (trained.job.status, trained.job.stderr) == (0, "")


def test_job_leaves_exactly_the_artefacts_files(trained: Trained) -> None:
    eight_bits = ["model.int8.onnx"] if trained.metadata["int8"]["kept"] else []
    assert sorted(file.name for file in trained.model_dir.iterdir()) == [
        *eight_bits,
        "model.json",
        "model.onnx",
        "model.pt",
    ]
    assert set(trained.metadata["files"]) == {*eight_bits, "model.onnx", "model.pt"}


def test_server_accepts_what_training_writes(trained: Trained) -> None:
    assert read_artifact(trained.model_dir).version == trained.metadata["version"]


def test_every_epoch_prints_its_metrics(trained: Trained) -> None:
    assert len(METRIC_LINE.findall(trained.job.stdout)) == 2


def test_test_split_is_read_once_at_the_end(trained: Trained) -> None:
    metrics = [line.split("=")[0] for line in trained.job.stdout.splitlines() if re.match(r"\w+=", line)]
    # whether there are 8 bits to tell of is the gate's decision
    assert [name for name in metrics if not name.startswith("int8_")] == [
        "epoch",
        "epoch",
        "best_epoch",
        "test_accuracy",
    ]


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
    for name in (path.name for path in trained.model_dir.iterdir()):
        assert (again.base / "model" / name).read_bytes() == (trained.model_dir / name).read_bytes()


def test_diverging_training_stops_with_the_batch_named(pictures: Path, tmp_path: Path) -> None:
    job = run_job(tmp_path / "job", pictures, "--learning-rate", "1e30", "--batch-size", "16")
    assert job.status == 1
    assert re.match(r"the loss became (nan|inf) at epoch \d+, batch \d+ \(\S+\.jpg, ", job.failure)
    assert job.stderr == f"training: {job.failure}\n"
    assert not list((job.base / "model").iterdir())


class Reason:
    """Training in this process, in the same layout; what it said when it refused."""

    def __init__(self, base: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.base, self._capsys = base, capsys

    def of(self, *flags: str) -> str:
        assert train.main(["--model-dir", str(self.base / "model"), *flags]) == 1
        failure = (self.base / "output" / "failure").read_text()
        assert self._capsys.readouterr().err == f"training: {failure}\n"
        return failure


@pytest.fixture
def reason(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Reason:
    (tmp_path / "output").mkdir()
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))
    for name in ("train", "valid", "test"):
        monkeypatch.setenv(f"SM_CHANNEL_{name.upper()}", str(pictures / name))
    return Reason(tmp_path, capsys)


def test_a_trial_prints_its_number_and_never_reads_the_test_pictures(
    reason: Reason, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("SM_CHANNEL_TEST")
    flags = ["--model-dir", str(reason.base / "model"), "--trial", "true", "--epochs", "1", "--input-size", "16"]
    assert train.main(flags) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("best_epoch=1 best_valid_accuracy=0.")
    assert list((reason.base / "model").glob("**/*")) == []


def test_on_a_laptop_the_report_lies_in_the_models_folder(
    reason: Reason, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("SM_OUTPUT_DATA_DIR", raising=False)
    assert train.main(["--model-dir", str(reason.base / "model"), "--epochs", "1", "--input-size", "16"]) == 0
    assert (reason.base / "model" / "report" / "report.html").is_file()


def test_report_that_cannot_be_written_costs_no_model(reason: Reason, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--model-dir", str(reason.base / "model"), "--report-dir", "/proc/nowhere"]
    assert train.main([*flags, "--epochs", "1", "--input-size", "16"]) == 0
    assert (reason.base / "model" / "model.json").is_file()
    told = capsys.readouterr().err
    assert told.startswith("training: --report-dir /proc/nowhere: the report cannot be written (")
    assert told.count("\n") == 1


def test_wrong_flag_is_one_sentence_and_the_failure_reason(reason: Reason) -> None:
    told = reason.of("--epochs", "many")
    assert "--epochs" in told and "many" in told


def test_missing_channel_is_told_with_its_variable(reason: Reason, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SM_CHANNEL_VALID")
    assert reason.of() == "--valid is missing: name a folder, or set SM_CHANNEL_VALID"


def test_unreadable_images_are_told_by_name(reason: Reason, pictures: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(pictures, tmp_path / "set")
    for name in ("cut.jpg", "empty.png"):
        (folder / "train" / "ring" / name).write_bytes(b"\xff\xd8\xff"[: 3 * (name == "cut.jpg")])
    told = reason.of("--train", str(folder / "train"))
    assert told.startswith("2 of 202 images cannot be used; replace or remove them, or give --on-bad-image skip: ")
    assert "train/ring/cut.jpg is damaged" in told and "train/ring/empty.png is empty (0 bytes)" in told


def test_folder_that_cannot_be_made_is_told_before_training(reason: Reason) -> None:
    assert reason.of("--model-dir", "/proc/nowhere").startswith("--model-dir /proc/nowhere: cannot be made")


def test_defect_leaves_its_reason_and_goes_on_to_its_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def defect(_arguments: object) -> None:
        raise ZeroDivisionError("by zero")

    (tmp_path / "output").mkdir()
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))
    monkeypatch.setattr(train, "run", defect)
    with pytest.raises(ZeroDivisionError):
        train.main([word for name in ("train", "valid", "test", "model-dir") for word in (f"--{name}", "x")])
    assert (tmp_path / "output" / "failure").read_text() == "ZeroDivisionError: by zero"


def test_grey_pictures_in_folders_of_the_courses_style_train(tmp_path: Path) -> None:
    flags = ["--model-dir", str(tmp_path / "model"), "--epochs", "1", "--batch-size", "4", "--input-size", "16"]
    for split in ("train", "valid", "test"):
        flags += [f"--{split}", str(tmp_path / split)]
        for label, level in (("001.Affenpinscher", 20), ("002.Afghan_hound", 220)):
            (tmp_path / split / label).mkdir(parents=True)
            for number in range(4):
                Image.new("L", (40 + number, 30), level + number).save(tmp_path / split / label / f"{number}.png")
    assert train.main(flags) == 0
    assert read_artifact(tmp_path / "model").labels == ("Affenpinscher", "Afghan_hound")
