"""What the pipeline's definition reads of a job: its metrics, its evaluation, and where the artefact lies."""

import json
import re
from pathlib import Path
from typing import get_args

import pytest

from config.rules.hyperparameters import ARCHITECTURES, LIBRARIES
from config.rules.training import WHOLE_NUMBERS
from config.sections.hyperparameters import Hyperparameters
from config.sections.model import Model
from config.sections.training import Dimension
from stacks.constructs.training_metrics import training_metrics
from tests.training.conftest import Trained
from training import models
from training.arguments import CHANNELS, parse
from training.artifact import FILES, file_sha256
from training.evaluate import main

METRICS = training_metrics()


def matches(metric: str, text: str) -> list[str]:
    (definition,) = [one for one in METRICS.definitions() if one["Name"] == metric]
    return re.findall(definition["Regex"], text)


def test_every_metric_of_the_definition_is_printed(trained: Trained) -> None:
    assert [metric for metric in METRICS.names if not matches(metric, trained.job.stdout)] == []


def test_every_value_that_is_matched_is_a_number(trained: Trained) -> None:
    for metric in METRICS.names:
        assert all(float(value) >= 0 for value in matches(metric, trained.job.stdout))


def test_a_metric_does_not_take_the_lines_of_one_whose_name_ends_alike(trained: Trained) -> None:
    assert len(matches("valid_accuracy", trained.job.stdout)) == trained.metadata["hyperparameters"]["epochs"]


def test_there_are_no_more_metrics_than_sagemaker_takes() -> None:
    assert len(METRICS.names) <= 40


def test_trials_are_judged_by_the_epoch_that_is_kept(trained: Trained) -> None:
    (found,) = matches(METRICS.objective, trained.job.stdout)
    assert float(found) == pytest.approx(trained.metadata["metrics"]["valid"]["accuracy"])


@pytest.mark.parametrize("name", get_args(Dimension.model_fields["name"].annotation))
def test_everything_that_a_stage_file_may_vary_is_a_flag(name: str) -> None:
    flags = [word for folder in ("train", "valid", "model-dir") for word in (f"--{folder}", "x")]
    value = 3 if name in WHOLE_NUMBERS else 0.5
    assert getattr(parse([*flags, "--trial", "true", f"--{name.replace('_', '-')}", str(value)], ""), name) == value


# Flags that no stage file sets -> who does.
NOT_KEYS = {
    **dict.fromkeys(("train", "valid", "test"), "SageMaker, by the channel"),
    **dict.fromkeys(("model_dir", "report_dir"), "SageMaker, by the variable"),
    "checkpoints": "the job asks for the folder, and training finds it",
    "checkpoint_seconds": "two minutes suit any job: a spot instance is taken back two minutes after it was said",
    "trial": "the pipeline, for the tuner's jobs alone",
    "name": "stage.project",
    "weights": "the channel of training.weights.key",
    "weights_sha256": "training.weights.sha256",
    "features": "the channel of the step that computes them",
    "cache": "a folder that outlives a job; a job's own goes with it",
    "on_bad_image": "the preparing step has left such pictures out",
    "on_duplicate": "the preparing step has told of them",
    "threads": "PyTorch, which takes an instance's own",
    "ranks": "training, which takes one for each GPU",
}


def test_every_flag_is_a_key_of_the_stage_file_or_somebody_elses_to_set() -> None:
    flags = vars(parse([word for folder in (*CHANNELS, "model-dir") for word in (f"--{folder}", "x")], ""))
    assert flags.keys() - Hyperparameters.model_fields.keys() == NOT_KEYS.keys()
    assert Hyperparameters.model_fields.keys() <= flags.keys()


@pytest.mark.parametrize("name", ["stage", "normalise", "augment", "precision"])
def test_every_word_that_a_stage_file_takes_is_one_that_training_takes(name: str) -> None:
    folders = [word for folder in (*CHANNELS, "model-dir") for word in (f"--{folder}", "x")]
    for word in get_args(Hyperparameters.model_fields[name].annotation):
        assert getattr(parse([*folders, f"--{name}", word], ""), name) == word


def test_architectures_that_a_stage_file_may_name_are_those_that_training_builds() -> None:
    assert set(ARCHITECTURES) == models.ARCHITECTURES.keys()
    assert LIBRARIES.keys() == set(models.LIBRARIES)


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
