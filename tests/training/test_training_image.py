"""Training under the real contract: AWS's toolkits start it, in the versions that AWS's training image has.

The environment is made by `make .venv-training-image/ready`; the image's other packages have no part in this.
"""

import io
import json
import os
import re
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from config import load_stage
from serving.artifact import read_artifact
from stacks.constructs import source_folders
from stacks.constructs.pipeline_jobs import CODE
from stacks.constructs.pipeline_steps import hyperparameters
from stacks.constructs.training_code import archive
from stacks.constructs.training_metrics import training_metrics
from tests.training.jobs import ROOT
from training.evaluate import evaluate

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("training-image")]
BIN = ROOT / ".venv-training-image" / "bin"
# What the image sets: the toolkit for any framework hands over to the one for PyTorch.
FRAMEWORK = "sagemaker_pytorch_container.training:main"
LOCK = {"onnx": "1.21.0", "onnxruntime": "1.24.4", "numpy": "2.4.4", "pillow": "12.3.0"}


@dataclass(frozen=True)
class Ended:
    """What a container left."""

    base: Path
    status: int
    log: str

    @property
    def model(self) -> Path:
        return self.base / "model"

    @property
    def failure(self) -> str:
        return (self.base / "output" / "failure").read_text()


class Container:
    """`/opt/ml` somewhere else, filled as SageMaker fills it, and `train` as SageMaker starts it."""

    def __init__(self, base: Path, pictures: Path) -> None:
        self.base, self.pictures = base, pictures

    def train(self, values: dict[str, str], channels: tuple[str, ...] = ("train", "valid", "test")) -> Ended:
        for folder in ("input/config", "input/data/code", "model", "output"):
            (self.base / folder).mkdir(parents=True)
        for name in channels:
            (self.base / "input" / "data" / name).symlink_to(self.pictures / name)
        (self.base / "input" / "data" / "code" / "0123.tar.gz").write_bytes(archive(source_folders.TRAINING))
        self._configure("hyperparameters", {k: v.replace("/opt/ml", str(self.base)) for k, v in values.items()})
        self._configure(
            "resourceconfig", {"current_host": "localhost", "hosts": ["localhost"], "network_interface_name": "lo"}
        )
        channel = {"TrainingInputMode": "File", "S3DistributionType": "FullyReplicated", "RecordWrapperType": "None"}
        self._configure("inputdataconfig", dict.fromkeys((*channels, "code"), channel))
        environment = {
            "SAGEMAKER_BASE_DIR": str(self.base),
            "SAGEMAKER_TRAINING_MODULE": FRAMEWORK,
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(self.base),
            "OMP_NUM_THREADS": "1",
            # no instance around it, so that nothing is looked for there
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        done = subprocess.run(
            ["train"], cwd=self.base, env=environment, capture_output=True, text=True, check=False, timeout=300
        )
        return Ended(self.base, done.returncode, done.stdout + done.stderr)

    def _configure(self, name: str, content: dict[str, Any]) -> None:
        (self.base / "input" / "config" / f"{name}.json").write_text(json.dumps(content))


@pytest.fixture
def container(tmp_path: Path, pictures: Path) -> Container:
    return Container(tmp_path / "ml", pictures)


class Places:
    """The one thing of the stack's places that hyperparameters name."""

    code_file = "0123.tar.gz"


def as_the_pipeline_passes_them(**changes: str) -> dict[str, str]:
    """Stage local's own hyperparameters, by the pipeline's own code: plain texts, the code a file of a channel."""
    values = hyperparameters(load_stage("local")[0].training, Places(), "whippet")  # type: ignore[arg-type]
    return {**values, "epochs": "2", "batch-size": "16", "input-size": "32", "learning-rate": "0.004", **changes}


@pytest.fixture(scope="module")
def by_the_pipeline(tmp_path_factory: pytest.TempPathFactory, pictures: Path) -> Ended:
    return Container(tmp_path_factory.mktemp("image") / "ml", pictures).train(as_the_pipeline_passes_them())


def test_what_the_pipeline_starts_trains_and_exports(by_the_pipeline: Ended) -> None:
    assert by_the_pipeline.status == 0, by_the_pipeline.log
    assert read_artifact(by_the_pipeline.model).version.startswith("whippet-")
    assert (by_the_pipeline.base / "output" / "data" / "report.html").is_file()
    assert not (by_the_pipeline.base / "output" / "failure").exists()


def test_it_ran_with_the_versions_of_the_image(by_the_pipeline: Ended) -> None:
    framework = json.loads((by_the_pipeline.model / "model.json").read_text())["framework"]
    assert {name: framework[name] for name in LOCK} == LOCK
    assert framework["torch"].startswith("2.13.0")


def test_the_image_has_no_onnxscript_and_the_export_needs_none() -> None:
    code = "import importlib.util, sys; sys.exit(importlib.util.find_spec('onnxscript') is not None)"
    assert subprocess.run([BIN / "python", "-c", code], check=False).returncode == 0


def test_what_it_made_is_served_by_our_newer_onnx_runtime(by_the_pipeline: Ended, pictures: Path) -> None:
    said = json.loads((by_the_pipeline.model / "model.json").read_text())["metrics"]["test"]
    assert evaluate(by_the_pipeline.model, pictures / "test")["accuracy"] == pytest.approx(said["accuracy"], abs=0.026)


def test_metric_definitions_find_every_metric_in_the_log(by_the_pipeline: Ended) -> None:
    for definition in training_metrics().definitions():
        assert re.search(definition["Regex"], by_the_pipeline.log), definition


def test_code_comes_from_the_channel_without_a_network() -> None:
    assert as_the_pipeline_passes_them()["sagemaker_submit_directory"] == f"{CODE}/0123.tar.gz"


def test_the_sdks_json_texts_are_understood_too(container: Container) -> None:
    """SageMaker's Python SDK writes every value as JSON, so that a text stands in quotes and true is true."""
    plain = as_the_pipeline_passes_them(trial="true")
    texts = {"sagemaker_program", "sagemaker_submit_directory", "name", "architecture"}
    values = {name: json.dumps(value) if name in texts else value for name, value in plain.items()}
    ended = container.train({**values, "flip": "false"}, channels=("train", "valid"))
    assert ended.status == 0, ended.log
    assert re.search(r"best_valid_accuracy=\d", ended.log)
    assert list(ended.model.iterdir()) == []


def test_code_may_be_a_folder_that_the_image_carries(container: Container) -> None:
    """As who brings an own image has it: SAGEMAKER_SUBMIT_DIRECTORY is a folder."""
    code = container.base.parent / "code"
    code.mkdir()
    (code / "training").symlink_to(source_folders.TRAINING)
    values = as_the_pipeline_passes_them(trial="true", sagemaker_submit_directory=str(code))
    ended = container.train(values)
    assert ended.status == 0, ended.log


def test_torchrun_starts_it_too(container: Container) -> None:
    ended = container.train(as_the_pipeline_passes_them(sagemaker_torch_distributed_enabled="true"))
    assert ended.status == 0, ended.log
    assert "torchrun --nnodes 1 --nproc_per_node 1" in ended.log
    assert read_artifact(ended.model).version.startswith("whippet-")


def test_features_that_were_computed_there_are_all_that_a_trial_needs(tmp_path: Path, pictures: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(archive(source_folders.TRAINING))) as tar:
        tar.extractall(tmp_path / "code", filter="data")
    words = [str(BIN / "python"), "-m", "training.precompute", "--features", str(tmp_path / "features")]
    words += [word for name in ("train", "valid") for word in (f"--{name}", str(pictures / name))]
    done = subprocess.run(
        [*words, "--input-size", "32"], cwd=tmp_path / "code", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    values = as_the_pipeline_passes_them(stage="head", trial="true")
    ended = Container(tmp_path / "ml", tmp_path).train(values, channels=("features",))
    assert ended.status == 0, ended.log
    assert "best_valid_accuracy=" in ended.log


def test_a_failure_is_our_sentence_and_not_the_toolkits(container: Container) -> None:
    ended = container.train(as_the_pipeline_passes_them(epochs="none"))
    assert ended.status != 0
    assert ended.failure.startswith("argument --epochs: invalid int value: 'none'; see python -m training.train --help")
