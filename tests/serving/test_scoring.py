"""What is served is what was evaluated: the same answers on a whole split, in 32 bits and in 8."""

import importlib.util
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.serving.processes import MODEL, ROOT, ServerProcess
from tests.serving.test_life import refused, running
from training.data import read_split
from training.decoded import load_split
from training.evaluate import evaluate, recipe_of
from training.export import check_parity
from training.models import build
from training.runtime import logits_of, open_session
from training.starter import SET
from training.synthetic import SyntheticSet, write_set

SPEC = importlib.util.spec_from_file_location("score_served", ROOT / "scripts" / "score_served.py")
assert SPEC and SPEC.loader
score_served = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(score_served)


def score(server: ServerProcess, model: Path, data: Path, *more: str) -> int:
    words = ["--url", f"http://127.0.0.1:{server.port}", "--model", str(model), "--data", str(data), *more]
    return int(score_served.main(words))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    write_set(folder, SyntheticSet(train=1, valid=1, test=60))
    return folder / "test"


def test_served_answers_are_those_of_the_evaluation(
    server: ServerProcess, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert score(server, MODEL, pictures) == 0
    assert json.loads(capsys.readouterr().out)["accuracy"] == evaluate(MODEL, pictures)["accuracy"]


@pytest.mark.slow
def test_served_answers_are_those_of_the_evaluation_on_the_whole_split(
    server: ServerProcess, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_set(tmp_path, replace(SET, train=1, valid=1))
    assert score(server, MODEL, tmp_path / "test") == 0
    served, expected = json.loads(capsys.readouterr().out), evaluate(MODEL, tmp_path / "test")
    for key in ("samples", "accuracy", "macro_f1", "classes", "mistakes"):
        assert served[key] == expected[key]
    assert served["loss"] == pytest.approx(expected["loss"], abs=1e-6)


def test_other_model_is_noticed_by_its_answers(
    server: ServerProcess, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert score(server, MODEL, pictures, "--precision", "int8") == 1
    assert "of 60 pictures differ" in capsys.readouterr().err


def test_server_that_is_not_there_is_told(pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--url", "http://127.0.0.1:9", "--model", str(MODEL), "--data", str(pictures)]
    assert score_served.main(words) == 1
    assert "is the server running?" in capsys.readouterr().err


@pytest.fixture(scope="module")
def server_in_8_bits() -> Iterator[ServerProcess]:
    with running(WHIPPET_SERVING_PRECISION="int8") as process:
        yield process


def test_network_in_8_bits_answers_as_its_evaluation_says(server_in_8_bits: ServerProcess, pictures: Path) -> None:
    assert server_in_8_bits.wait_for("loaded")["precision"] == "int8"
    assert score(server_in_8_bits, MODEL, pictures, "--precision", "int8") == 0


def test_pytorch_onnx_and_8_bits_agree_on_the_starter(unpacked: Path, pictures: Path) -> None:
    metadata = json.loads((unpacked / "model.json").read_text())
    recipe, split = recipe_of(metadata), read_split(pictures, metadata["labels"])
    pixels = load_split(split, recipe)
    network = build(metadata["architecture"], len(metadata["labels"]))
    network.load_state_dict(torch.load(unpacked / "model.pt", weights_only=True))
    assert check_parity(network, recipe, unpacked / "model.onnx", pixels) < 1e-4
    fp32, int8 = (
        logits_of(open_session(unpacked / name), pixels, recipe) for name in ("model.onnx", "model.int8.onnx")
    )
    assert np.abs(fp32 - int8).max() < 0.05 * np.abs(fp32).max()
    assert (fp32.argmax(axis=1) == int8.argmax(axis=1)).mean() > 0.95


def without_8_bits(folder: Path, verdict: dict[str, object] | None) -> Path:
    path = folder / "model.json"
    metadata = json.loads(path.read_text())
    metadata.pop("int8", None)
    metadata["files"].pop("model.int8.onnx", None)
    path.write_text(json.dumps(metadata | ({"int8": verdict} if verdict else {})))
    return folder


@pytest.mark.parametrize(
    ("verdict", "reason"),
    [
        ({"kept": False, "reason": "it lost 2 points"}, "it lost 2 points"),
        (None, "its training did not try"),
        ({"kept": False}, "int8.reason is missing"),
        ({"kept": "yes"}, "int8.kept is 'yes'"),
        ({"kept": True}, "files.model.int8.onnx.sha256 is missing"),
    ],
    ids=["lost", "not tried", "no reason", "no verdict", "no file"],
)
def test_8_bits_that_are_not_there_are_refused_with_the_recorded_reason(
    model_dir: Path, verdict: dict[str, object] | None, reason: str
) -> None:
    result = refused(
        "--model", str(without_8_bits(model_dir, verdict)), "--port", "0", WHIPPET_SERVING_PRECISION="int8"
    )
    assert result.returncode == 1
    assert reason in result.stderr
    assert result.stderr.count("\n") == 1


def test_32_bits_are_served_whatever_became_of_the_8(model_dir: Path) -> None:
    with running(model=without_8_bits(model_dir, {"kept": False, "reason": "it lost 2 points"})) as process:
        assert process.ask("GET", "/ping").status == 200
