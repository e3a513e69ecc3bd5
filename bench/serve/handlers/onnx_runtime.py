"""inference.py for AWS's stack: ONNX Runtime instead of PyTorch, with as many threads as OMP_NUM_THREADS says."""

import json
import os
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from recipe import to_input


def model_fn(model_dir: str) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS", "0"))
    return onnxruntime.InferenceSession(Path(model_dir) / "model.onnx", options, providers=["CPUExecutionProvider"])


def input_fn(body: bytes, content_type: str) -> NDArray[np.float32]:
    return to_input(bytes(body))


def predict_fn(images: NDArray[np.float32], session: onnxruntime.InferenceSession) -> list[float]:
    logits: list[float] = session.run(None, {"image": images})[0][0].tolist()
    return logits


def output_fn(logits: list[float], accept: str) -> str:
    return json.dumps(logits)
