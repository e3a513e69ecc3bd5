"""`train` in an image of one's own: SageMaker's files in, an artefact or a reason out, no toolkit between."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from serving.artifact import read_artifact
from tests.training.jobs import ROOT
from training import container, train

TRAIN = ROOT / "serving" / "train"


def lay_down(base: Path, pictures: Path, values: dict[str, str]) -> None:
    """What SageMaker mounts for a job with three channels on one instance."""
    for folder in ("input/config", "input/data", "model", "output"):
        (base / folder).mkdir(parents=True)
    for name in ("train", "valid", "test"):
        (base / "input" / "data" / name).symlink_to(pictures / name)
    files: dict[str, Any] = {
        "hyperparameters": values,
        "resourceconfig": {"current_host": "algo-1", "hosts": ["algo-1"], "network_interface_name": "eth0"},
        "inputdataconfig": {name: {"TrainingInputMode": "File"} for name in ("train", "valid", "test")},
    }
    for name, content in files.items():
        (base / "input" / "config" / f"{name}.json").write_text(json.dumps(content))


def test_hyperparameters_become_flags_and_others_settings_do_not() -> None:
    values = {"epochs": "2", "name": '"dogs"', "sagemaker_program": "x.py", "_tuning_objective_metric": "best"}
    assert container.flags_of(values) == ["--epochs", "2", "--name", "dogs"]


def test_channels_and_hosts_become_the_toolkits_variables(tmp_path: Path, pictures: Path) -> None:
    lay_down(tmp_path / "ml", pictures, {})
    found = container.variables_of(tmp_path / "ml")
    assert found["SM_CHANNEL_VALID"] == str(tmp_path / "ml" / "input" / "data" / "valid")
    assert (found["SM_MODEL_DIR"], found["SM_HOSTS"]) == (str(tmp_path / "ml" / "model"), '["algo-1"]')


def test_a_job_without_hyperparameters_has_no_flags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))
    monkeypatch.setattr(os, "environ", dict(os.environ))
    monkeypatch.setattr(train, "main", lambda words: seen.append(words) or 0)
    assert container.main() == 0
    assert seen == [[]]


def test_a_damaged_file_is_the_jobs_failure_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in ("input/config", "output"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "input" / "config" / "hyperparameters.json").write_text("{")
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))
    assert container.main() == 1
    failure = (tmp_path / "output" / "failure").read_text()
    assert failure.startswith(f"{tmp_path}/input/config/hyperparameters.json: not JSON (")
    assert capsys.readouterr().err == f"training: {failure}\n"


@pytest.mark.slow
def test_train_as_sagemaker_runs_it_leaves_an_artefact(tmp_path: Path, pictures: Path) -> None:
    """The script that the image has on its PATH, from elsewhere, with nothing of the repository but the package."""
    base = tmp_path / "ml"
    values = {"epochs": "1", "batch-size": "16", "input-size": "16", "name": "own", "threads": "1", "flip": "true"}
    lay_down(base, pictures, values)
    (tmp_path / "opt").mkdir()
    (tmp_path / "opt" / "training").symlink_to(ROOT / "training")
    environment = {
        "SAGEMAKER_BASE_DIR": str(base),
        "PYTHONPATH": str(tmp_path / "opt"),
        "PATH": f"{ROOT / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}",
    }
    done = subprocess.run([TRAIN], cwd="/", env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert read_artifact(base / "model").version.startswith("own-")
    assert (base / "output" / "data" / "report.html").is_file()
