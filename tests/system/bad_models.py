"""Models that pass every check at their start and fail those who ask them: one breaks on a picture, one is slow at it."""

import hashlib
import io
import json
import tarfile
import time

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from ops import cdk

STARTER = cdk.ROOT / "training" / "starter" / "model.tar.gz"
SIDE = 384
# A server tries its network on numbers from -1 to 1 and finds nothing wrong; white is 2 of them.
ASKED = "asked"


def broken() -> bytes:
    """It looks a picture up where nothing is."""
    return _changed(
        [
            helper.make_node("Mul", [ASKED, "beyond"], ["place"]),
            helper.make_node("Gather", ["nothing", "place"], ["extra"]),
        ],
        beyond=np.array(1000, dtype=np.int64),
        nothing=np.zeros(1, dtype=np.float32),
    )


def slow(seconds: float) -> bytes:
    """It multiplies matrices for about so long on this machine, as fast as that may be."""
    few = 64
    return _slow(max(1, int(few * seconds / _seconds(_slow(few)))))


def _slow(turns: int) -> bytes:
    matrix = helper.make_tensor_value_info("matrix", TensorProto.FLOAT, [SIDE, SIDE])
    step = helper.make_graph(
        [
            helper.make_node("Identity", ["going"], ["goes"]),
            helper.make_node("MatMul", ["matrix", "factor"], ["next"]),
        ],
        "step",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("going", TensorProto.BOOL, []),
            matrix,
        ],
        [
            helper.make_tensor_value_info("goes", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, [SIDE, SIDE]),
        ],
    )
    return _changed(
        [
            helper.make_node("Mul", [ASKED, "turns"], ["times"]),
            helper.make_node("Loop", ["times", "", "factor"], ["end"], body=step),
            helper.make_node("ReduceMax", ["end"], ["largest"], keepdims=0),
            helper.make_node("Mul", ["largest", "zero"], ["extra"]),
        ],
        turns=np.array(turns, dtype=np.int64),
        factor=np.eye(SIDE, dtype=np.float32),
        zero=np.array(0, dtype=np.float32),
    )


def _changed(nodes: list[onnx.NodeProto], **constants: np.ndarray) -> bytes:
    """The starter's artefact with `extra` added to what its network answers; `asked` is 1 for a picture, else 0."""
    with tarfile.open(STARTER) as tar:
        files = {member.name: tar.extractfile(member).read() for member in tar}
    network = onnx.load_model_from_string(files["model.onnx"])
    graph, (output,), (image,) = network.graph, network.graph.output, network.graph.input
    for node in graph.node:
        node.output[:] = ["plain" if name == output.name else name for name in node.output]
    constants["dark"] = np.array(1.5, dtype=np.float32)
    graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    graph.node.extend(
        [
            helper.make_node("ReduceMax", [image.name], ["brightest"], keepdims=0),
            helper.make_node("Greater", ["brightest", "dark"], ["bright"]),
            helper.make_node("Cast", ["bright"], [ASKED], to=TensorProto.INT64),
            *nodes,
            helper.make_node("Add", ["plain", "extra"], [output.name]),
        ]
    )
    onnx.checker.check_model(network)
    files["model.onnx"] = network.SerializeToString()
    told = json.loads(files["model.json"])
    told["files"]["model.onnx"]["sha256"] = hashlib.sha256(files["model.onnx"]).hexdigest()
    files["model.json"] = json.dumps(told).encode()
    return _packed(files)


def _packed(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def _seconds(artefact: bytes) -> float:
    """How long it takes over a picture."""
    with tarfile.open(fileobj=io.BytesIO(artefact)) as tar:
        session = onnxruntime.InferenceSession(tar.extractfile("model.onnx").read(), providers=["CPUExecutionProvider"])
    (image,) = session.get_inputs()
    began = time.perf_counter()
    session.run(None, {image.name: np.full((1, *image.shape[1:]), 2, dtype=np.float32)})
    return time.perf_counter() - began
