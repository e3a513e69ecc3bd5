"""A small set of pictures and a model trained on it, both made once."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.training.jobs import Job, run_job
from training.synthetic import SyntheticSet, write_set


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One worker has all that need the trained model: it takes longer to train than they to look at it."""
    for item in items:
        if "trained" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("trained"))


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    write_set(folder, SyntheticSet(train=120, valid=40, test=40, seed=5))
    return folder


class Trained(NamedTuple):
    job: Job
    model_dir: Path
    metadata: dict[str, Any]


@pytest.fixture(scope="session")
def trained(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A training job of two epochs, run as SageMaker's script mode would."""
    flags = ("--epochs", "2", "--batch-size", "16", "--flip", "True", "--seed", "3", "--threads", "1", "--name", "tiny")
    job = run_job(tmp_path_factory.mktemp("job"), pictures, *flags)
    model_dir = job.base / "model"
    return Trained(job, model_dir, json.loads((model_dir / "model.json").read_text()))
