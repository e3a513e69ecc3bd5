"""What the pipeline's definition reads of a job: its metrics, its evaluation, and where the artefact lies."""

import json
import re
from pathlib import Path

import pytest

from config.sections.model import Model
from stacks.constructs.pipeline_steps import METRICS, NUMBER, OBJECTIVE
from tests.training.conftest import Trained
from training.artifact import FILES, file_sha256
from training.evaluate import main


def matches(metric: str, text: str) -> list[str]:
    return re.findall(rf"\b{metric}={NUMBER}", text)


def test_every_metric_of_the_definition_is_printed(trained: Trained) -> None:
    assert all(matches(metric, trained.job.stdout) for metric in METRICS)


def test_trials_are_judged_by_the_epoch_that_is_kept(trained: Trained) -> None:
    (found,) = matches(OBJECTIVE, trained.job.stdout)
    assert float(found) == pytest.approx(trained.metadata["metrics"]["valid"]["accuracy"])


@pytest.fixture
def evaluated(trained: Trained, pictures: Path, tmp_path: Path) -> Path:
    words = ["--model", str(trained.model_dir), "--data", str(pictures / "test")]
    assert main([*words, "--report", str(tmp_path / "evaluation.json"), "--publish", str(tmp_path / "models")]) == 0
    return tmp_path


def test_the_report_holds_what_condition_and_registration_read(evaluated: Path, trained: Trained) -> None:
    report = json.loads((evaluated / "evaluation.json").read_text())
    assert report["accuracy"] == pytest.approx(trained.metadata["metrics"]["test"]["accuracy"], abs=0.03)
    assert report["model_version"] == trained.metadata["version"]


def test_the_artefact_is_published_where_its_content_says(evaluated: Path) -> None:
    report = json.loads((evaluated / "evaluation.json").read_text())
    published = evaluated / report["artifact"]
    assert file_sha256(published) == report["artifact_sha256"] == published.parent.name
    assert Model(artifact=report["artifact"], version="1").artifact == report["artifact"]


def test_an_artefact_published_twice_has_one_place(evaluated: Path, trained: Trained, pictures: Path) -> None:
    """SageMaker's own packing differs from run to run; the published bytes do not."""
    (first,) = (evaluated / "models").iterdir()
    words = ["--model", str(first / "model.tar.gz"), "--data", str(pictures / "test")]
    assert main([*words, "--publish", str(evaluated / "again")]) == 0
    assert [folder.name for folder in (evaluated / "again").iterdir()] == [first.name]
    assert {path.name for path in trained.model_dir.iterdir()} >= set(FILES)
