"""A network without its head: what it computes of a picture, and the name of that."""

import copy
import hashlib
import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from training.export import export
from training.models import head_of
from training.preprocess import Recipe
from training.sources import Examples, centre, to_input

Engine = Callable[[Tensor], NDArray[np.float32]]
# Between ONNX Runtime's and PyTorch's features, relative to their size.
TOLERANCE = 1e-3


@dataclass(frozen=True)
class Body:
    """A network without its head, and the name of what it computes."""

    network: nn.Module
    recipe: Recipe
    width: int
    key: str

    @classmethod
    def of(cls, network: nn.Module, recipe: Recipe, classes: int) -> "Body":
        name, head = head_of(network, classes)
        body = copy.deepcopy(network).eval()
        parent, _, last = name.rpartition(".")
        setattr(body.get_submodule(parent), last, nn.Identity())
        digest = hashlib.sha256(json.dumps(asdict(recipe), sort_keys=True).encode())
        for key, value in sorted(body.state_dict().items()):
            digest.update(key.encode())
            digest.update(value.cpu().numpy().tobytes())
        return cls(body, recipe, head.in_features, digest.hexdigest())


def engine_of(body: Body, examples: Examples) -> Engine:
    """ONNX Runtime on CPUs, where it is about twice as fast as PyTorch and answers the same; else PyTorch."""
    device = next(body.network.parameters()).device

    def in_torch(images: Tensor) -> NDArray[np.float32]:
        with torch.inference_mode(), torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda"):
            return np.asarray(body.network(images.to(device)).float().cpu().numpy())

    if device.type != "cpu":
        return in_torch
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "body.onnx"
        try:
            export(body.network, body.recipe, file)
        except Exception as error:  # an architecture that the exporter does not know raises anything
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            sys.stdout.write(f"features are computed by PyTorch, since the export fails: {reason}\n")
            return in_torch
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    (put,) = session.get_inputs()

    def in_onnx_runtime(images: Tensor) -> NDArray[np.float32]:
        return np.asarray(session.run(None, {put.name: np.ascontiguousarray(images.numpy())})[0])

    first = to_input(centre(examples.pixels[:4], body.recipe), body.recipe)
    expected, found = in_torch(first), in_onnx_runtime(first)
    if not np.abs(found - expected).max() <= TOLERANCE * max(1.0, float(np.abs(expected).max())):
        sys.stdout.write("features are computed by PyTorch, since the exported network answers differently\n")
        return in_torch
    return in_onnx_runtime
