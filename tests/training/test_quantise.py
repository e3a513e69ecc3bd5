"""The network in 8 bits: how it is made, and that it is kept only where it is as good."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from training import quantise
from training.export import export
from training.preprocess import Pixels, Recipe
from training.quantise import judge, offer, spread
from training.runtime import logits_of, open_session

RECIPE = Recipe(height=16, width=16, resize=16, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))


class Made(NamedTuple):
    network: Path
    quantised: Path
    pixels: Pixels
    answers: np.ndarray
    verdict: dict[str, object]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    torch.manual_seed(1)
    layers = [nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU()]
    network = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4))
    with torch.no_grad():  # answers that lie well apart, as a trained network's do
        network[-1].weight.mul_(30)  # type: ignore[union-attr, operator]
    folder = tmp_path_factory.mktemp("quantised")
    export(network, RECIPE, folder / "model.onnx")
    pixels = np.random.default_rng(1).integers(0, 256, (400, 1, 1, 3), dtype=np.uint8).repeat(16, 1).repeat(16, 2)
    answers = logits_of(open_session(folder / "model.onnx"), pixels, RECIPE)
    clear = np.argsort(np.diff(np.sort(answers, axis=1))[:, -1])[-64:]
    pixels, answers = pixels[clear], answers[clear]
    target = folder / "model.int8.onnx"
    verdict = offer(
        folder / "model.onnx", target, ranges=pixels, pixels=pixels, targets=answers.argmax(axis=1), recipe=RECIPE
    )
    return Made(folder / "model.onnx", target, pixels, answers, verdict)


def test_what_passes_is_kept_with_its_numbers(made: Made) -> None:
    assert made.verdict["kept"] is True
    assert (made.verdict["split"], made.verdict["samples"], made.verdict["fp32_accuracy"]) == ("valid", 64, 1.0)
    assert made.verdict["lost"] == pytest.approx(1.0 - float(made.verdict["accuracy"]), abs=1e-6)  # type: ignore[arg-type]
    assert made.quantised.is_file()


def test_activations_are_unsigned_and_weights_signed_one_scale_a_channel(made: Made) -> None:
    model = onnx.load(made.quantised)
    kinds = {node.op_type for node in model.graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= kinds
    weights = [tensor for tensor in model.graph.initializer if tensor.name.endswith("weight_quantized")]
    assert weights and {tensor.data_type for tensor in weights} == {onnx.TensorProto.INT8}
    zero_points = [t for t in model.graph.initializer if t.name.endswith("zero_point") and "weight" not in t.name]
    assert onnx.TensorProto.UINT8 in {tensor.data_type for tensor in zero_points}
    scales = [t for t in model.graph.initializer if t.name.endswith("weight_scale")]
    assert max(tuple(scale.dims) for scale in scales) == (8,)


def test_names_and_the_batch_are_those_of_the_network_in_32_bits(made: Made) -> None:
    for one, other in zip(
        (onnx.load(made.network).graph.input, onnx.load(made.network).graph.output),
        (onnx.load(made.quantised).graph.input, onnx.load(made.quantised).graph.output),
        strict=True,
    ):
        assert [value.name for value in one] == [value.name for value in other]
        assert other[0].type.tensor_type.shape.dim[0].dim_param == "batch"


def test_the_same_pictures_give_the_same_bytes(made: Made, tmp_path: Path) -> None:
    quantise.quantise(made.network, tmp_path / "again.onnx", pixels=made.pixels, recipe=RECIPE)
    assert (tmp_path / "again.onnx").read_bytes() == made.quantised.read_bytes()


def test_quantising_says_nothing_of_its_own(
    made: Made, tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    quantise.quantise(made.network, tmp_path / "again.onnx", pixels=made.pixels, recipe=RECIPE)
    assert capfd.readouterr() == ("", "")
    assert caplog.text == ""


def test_half_a_point_may_be_lost_and_not_more(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    def verdict(wrong: int) -> dict[str, object]:
        targets = np.zeros(200, dtype=np.int64)
        answers = iter([np.tile([1.0, 0.0], (200, 1)), np.array([[0.0, 1.0]] * wrong + [[1.0, 0.0]] * (200 - wrong))])
        monkeypatch.setattr(quantise, "logits_of", lambda *_all: next(answers))
        return judge(made.network, made.quantised, pixels=made.pixels, targets=targets, recipe=RECIPE)

    assert verdict(1)["kept"] is True
    refused = verdict(2)
    assert refused["kept"] is False
    assert "0.9900 of the 200 validation pictures rightly and the network in 32 bits 1.0000; 1.00 points are lost" in (
        str(refused["reason"])
    )


def test_what_does_not_pass_is_removed_with_its_reason(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantise, "ALLOWED_LOSS", -1.0)
    target = tmp_path / "model.int8.onnx"
    verdict = offer(
        made.network,
        target,
        ranges=made.pixels,
        pixels=made.pixels,
        targets=made.answers.argmax(axis=1),
        recipe=RECIPE,
    )
    assert verdict["kept"] is False and "points are lost" in str(verdict["reason"])
    assert not target.exists()


def test_graph_that_cannot_be_quantised_is_a_reason_and_no_failure(made: Made, tmp_path: Path) -> None:
    (tmp_path / "odd.onnx").write_bytes(b"no graph")
    verdict = offer(
        tmp_path / "odd.onnx",
        tmp_path / "model.int8.onnx",
        ranges=made.pixels,
        pixels=made.pixels,
        targets=made.answers.argmax(axis=1),
        recipe=RECIPE,
    )
    assert verdict["kept"] is False
    assert str(verdict["reason"]).startswith("ONNX Runtime cannot quantise it (")


@pytest.mark.parametrize(("count", "expected"), [(3, 3), (256, 256), (1000, 256)])
def test_samples_are_spread_over_the_whole_split(count: int, expected: int) -> None:
    chosen = spread(count)
    assert len(chosen) == expected
    assert (chosen[0], chosen[-1]) == (0, count - 1)
