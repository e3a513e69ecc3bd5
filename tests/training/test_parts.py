"""The training's parts: flags, optimisation, export, packing."""

import argparse
import gzip
import json
import os
import re
import tarfile
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from tests.training.conftest import Trained
from training import artifact, export, models, outcome, train
from training.arguments import CHANNELS, boolean, hyperparameters, parse
from training.errors import TrainingError
from training.evaluate import recipe_of
from training.hyperparameters import Hyperparameters
from training.sources import Examples

FOLDERS = [word for name in (*CHANNELS, "model-dir") for word in (f"--{name}", "x")]


@pytest.mark.parametrize(
    ("text", "value"), [("True", True), ("true", True), ("1", True), ("False", False), ("0", False)]
)
def test_booleans_are_read_as_sagemaker_writes_them(text: str, value: bool) -> None:
    assert boolean(text) is value


def test_other_booleans_are_refused() -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        boolean("maybe")


def test_flags_and_hyperparameters_have_the_same_defaults() -> None:
    assert hyperparameters(parse(FOLDERS, "")) == Hyperparameters()


@pytest.mark.parametrize(
    "flags",
    [
        ("--epochs", "0"),
        ("--batch-size", "-1"),
        ("--learning-rate", "nan"),
        ("--seed", "-1"),
        ("--input-size", "8"),
        ("--name", "A b"),
        ("--architecture", "resnet9000"),
        ("--flip", "maybe"),
        ("--epoch", "3"),
    ],
)
def test_impossible_flag_is_told_by_name(flags: tuple[str, str]) -> None:
    with pytest.raises(TrainingError, match=flags[0]):
        parse([*FOLDERS, *flags], "")


def test_help_opens_with_the_five_places_and_their_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        train.main(["--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    opening = said[: said.index("\noptions:")]
    places = ("In a SageMaker job", "In a tuning trial", "On the EC2 box", "In the embedded AWS", "On a laptop")
    assert [place for _, place in sorted((opening.index(place), place) for place in places)] == list(places)
    commands = opening[opening.index(places[0]) :]
    named = set(re.findall(r"--[a-z-]+", commands.replace("--all", "")))
    assert len(named) > 10
    assert {flag for flag in named if f"{flag} " not in said[len(opening) :]} == set()


def test_cutmix_of_a_head_alone_is_refused() -> None:
    with pytest.raises(
        TrainingError, match=r"--cutmix 1.0: lays boxes of pictures in others, and --stage head has only"
    ):
        parse([*FOLDERS, "--stage", "head", "--cutmix", "1"], "")


def test_exported_network_is_one_file_with_a_dynamic_batch(trained: Trained) -> None:
    graph = onnx.load(trained.model_dir / "model.onnx").graph
    assert graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"
    assert not any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in graph.initializer)


def test_weights_load_without_unpickling_code(trained: Trained) -> None:
    network = models.build(trained.metadata["architecture"], len(trained.metadata["labels"]))
    weights = torch.load(trained.model_dir / "model.pt", weights_only=True)
    assert network.load_state_dict(weights, strict=True).missing_keys == []


def test_export_that_is_refused_leaves_no_model(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = models.build(trained.metadata["architecture"], len(trained.metadata["labels"]))
    recipe = recipe_of(trained.metadata)
    pixels = np.random.default_rng(1).integers(0, 256, (5, recipe.height, recipe.width, 3), dtype=np.uint8)
    held_out = Examples(pixels, torch.zeros(5, dtype=torch.int64), ["x"] * 5)
    handed_over = outcome.Trained(
        network=network,
        name="tiny",
        architecture="small_cnn",
        labels=trained.metadata["labels"],
        recipe=recipe,
        examples={"valid": held_out},
        history=[],
        best_epoch=1,
        hyperparameters={},
        data={},
        code="",
    )
    assert outcome.write_models(handed_over, tmp_path) < export.TOLERANCE
    monkeypatch.setattr(export, "TOLERANCE", -1.0)
    with pytest.raises(TrainingError, match="the model is not written"):
        outcome.write_models(handed_over, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_weights_and_network_are_the_same_model(trained: Trained) -> None:
    network = models.build(trained.metadata["architecture"], len(trained.metadata["labels"]))
    network.load_state_dict(torch.load(trained.model_dir / "model.pt", weights_only=True))
    pixels = np.random.default_rng(1).integers(0, 256, (5, 64, 64, 3), dtype=np.uint8)
    recipe = recipe_of(trained.metadata)
    assert export.check_parity(network, recipe, trained.model_dir / "model.onnx", pixels) < export.TOLERANCE


def test_network_of_other_weights_is_refused(trained: Trained) -> None:
    torch.manual_seed(99)
    other = models.build(trained.metadata["architecture"], len(trained.metadata["labels"]))
    pixels = np.random.default_rng(1).integers(0, 256, (5, 64, 64, 3), dtype=np.uint8)
    with pytest.raises(TrainingError, match=r"model\.onnx: its logits differ from PyTorch's by \S+, allowed is 0\.001"):
        export.check_parity(other, recipe_of(trained.metadata), trained.model_dir / "model.onnx", pixels)


def test_version_carries_the_networks_hash(trained: Trained) -> None:
    sha256 = trained.metadata["files"]["model.onnx"]["sha256"]
    assert trained.metadata["version"] == f"tiny-{sha256[:8]}"
    assert sha256 == artifact.file_sha256(trained.model_dir / "model.onnx")


def test_packing_depends_on_nothing_but_the_files(trained: Trained, tmp_path: Path) -> None:
    for name in ("first.tar.gz", "second.tar.gz"):
        artifact.pack(trained.model_dir, tmp_path / name)
        os.utime(trained.model_dir / "model.pt", (1, 1))
    first, second = (tmp_path / name for name in ("first.tar.gz", "second.tar.gz"))
    assert first.read_bytes() == second.read_bytes()
    assert first.read_bytes()[4:8] == bytes(4), "gzip's own time"
    with tarfile.open(first) as tar:
        facts = [(member.name, member.mtime, member.uid, member.uname, oct(member.mode)) for member in tar]
    there = sorted([*trained.metadata["files"], artifact.METADATA])
    assert facts == [(name, 0, 0, "", "0o644") for name in there]


def test_packing_an_incomplete_folder_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "model.json").write_text("{}")
    assert artifact.main([str(tmp_path), str(tmp_path / "model.tar.gz")]) == 1
    assert "model.onnx, model.pt missing" in capsys.readouterr().err


def test_packed_model_is_a_gzip_of_a_tar(trained: Trained, tmp_path: Path) -> None:
    archive = tmp_path / "model.tar.gz"
    artifact.pack(trained.model_dir, archive)
    assert json.loads((trained.model_dir / "model.json").read_text())["format"] == artifact.FORMAT
    assert gzip.decompress(archive.read_bytes())[257:262] == b"ustar"
