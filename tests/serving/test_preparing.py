"""The copy that is served answers as its original did, or the server does not start."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from serving.engine import First
from serving.errors import StartError
from serving.preparing import EXPECTED, NETWORK, WEIGHTS, Prepared, known_picture, prepare_model
from tests.serving.test_life import refused


@pytest.fixture
def prepared(unpacked: Path, tmp_path: Path) -> Prepared:
    prepare_model(unpacked, tmp_path, "fp32")
    return Prepared.read(tmp_path)


def warmed_up(prepared: Prepared) -> tuple[First, First]:
    engine = prepared.engine([0], pinned=False)
    return engine.warm_up(known_picture(prepared.artifact.preprocessing))


def test_copy_that_answers_as_its_original_is_served(prepared: Prepared) -> None:
    prepared.check(warmed_up(prepared))


def test_copy_that_lost_a_weight_is_refused(prepared: Prepared) -> None:
    weights = prepared.folder / WEIGHTS
    weights.write_bytes(bytes(weights.stat().st_size))
    with pytest.raises(StartError, match="its copy answers differently"):
        prepared.check(warmed_up(prepared))


def test_answer_on_all_cores_is_checked_as_well(prepared: Prepared) -> None:
    expected = np.load(prepared.folder / EXPECTED)
    with pytest.raises(StartError, match="its copy answers differently"):
        prepared.check([First(expected, 0.0), First(expected + 1, 0.0)])


def test_copy_that_was_cut_off_is_refused(prepared: Prepared) -> None:
    network = prepared.folder / NETWORK
    network.write_bytes(network.read_bytes()[:1000])
    with pytest.raises(StartError, match="its copy cannot be read"):
        prepared.engine([0], pinned=False)


def test_worker_may_load_before_the_original_has_answered(unpacked: Path, tmp_path: Path) -> None:
    found: list[set[str]] = []
    prepare_model(unpacked, tmp_path, "fp32", written=lambda: found.append({path.name for path in tmp_path.iterdir()}))
    assert found == [{NETWORK, WEIGHTS, "model.json"}]
    assert (tmp_path / EXPECTED).is_file()


def never_answers(metadata: dict) -> bytes:
    """A network with the right input and output that fails whatever it is asked."""
    recipe, labels = metadata["input"], len(metadata["labels"])
    shape = numpy_helper.from_array(np.array([1, labels]), "shape")
    graph = helper.make_graph(
        [helper.make_node("Reshape", [recipe["name"], "shape"], [metadata["output"]["name"]])],
        "never",
        [
            helper.make_tensor_value_info(
                recipe["name"], TensorProto.FLOAT, ["batch", 3, recipe["height"], recipe["width"]]
            )
        ],
        [helper.make_tensor_value_info(metadata["output"]["name"], TensorProto.FLOAT, ["batch", labels])],
        [shape],
    )
    return onnx.ModelProto.SerializeToString(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    )


def test_network_that_loads_and_does_not_answer_is_refused_in_one_sentence(
    edit: Callable[[Callable[[dict], object]], Path], model_dir: Path
) -> None:
    network = never_answers(json.loads((model_dir / "model.json").read_text()))
    (model_dir / "model.onnx").write_bytes(network)
    edit(lambda metadata: metadata["files"]["model.onnx"].update(sha256=hashlib.sha256(network).hexdigest()))
    result = refused("--model", str(model_dir), "--port", "0")
    assert result.returncode == 1
    assert f"{model_dir}/model.onnx: the first inference failed: " in result.stderr
    assert (result.stderr.count("\n"), result.stdout) == (1, "")
