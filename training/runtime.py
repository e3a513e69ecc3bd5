"""A network's answers from ONNX Runtime, the engine that serves it."""

from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from training.errors import TrainingError
from training.preprocess import Pixels, Recipe, normalise

BATCH = 64


def open_session(network: Path, threads: int = 0) -> onnxruntime.InferenceSession:
    """Load a network; 0 threads leaves their number to ONNX Runtime."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # errors; its warnings tell of what it could not optimise
    try:
        return onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's exceptions share no base class of their own
        raise TrainingError(f"{network}: ONNX Runtime cannot load it ({error}); train it again") from error


def logits_of(session: onnxruntime.InferenceSession, pixels: Pixels, recipe: Recipe) -> NDArray[np.float32]:
    """What the network says to each picture."""
    (put,), (got,) = session.get_inputs(), session.get_outputs()
    answers = [
        session.run([got.name], {put.name: normalise(pixels[start : start + BATCH], recipe)})[0]
        for start in range(0, len(pixels), BATCH)
    ]
    return np.concatenate(answers)
