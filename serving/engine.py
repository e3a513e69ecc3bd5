"""What computes: ONNX Runtime on the CPU behind four methods, so that another engine can take its place."""

from typing import Protocol

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from serving.artifact import Artifact
from serving.errors import StartError

Batch = NDArray[np.float32]


class EngineError(Exception):
    """The engine did not answer: the model or the machine is at fault, never the picture."""


class Engine:
    """One network in memory, for several threads at once."""

    def __init__(self, artifact: Artifact, threads: int) -> None:
        self._artifact = artifact
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # spinning threads would take the core from the decoding of the next picture
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(artifact.network, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's exceptions share no base class of their own
            raise StartError(f"{artifact.network}: ONNX Runtime cannot load it: {first_line(error)}") from error
        self._check_signature()

    def warm_up(self) -> None:
        """Answer once for an empty picture, so that the first request finds memory and threads in place."""
        recipe = self._artifact.preprocessing
        self.infer(np.zeros((1, 3, recipe.height, recipe.width), dtype=np.float32))

    def infer(self, batch: Batch) -> Batch:
        """Logits, one row an image."""
        try:
            logits: Batch = self._session.run([self._artifact.output_name], {self._artifact.input_name: batch})[0]
        except Exception as error:  # as above
            raise EngineError(first_line(error)) from error
        if not np.isfinite(logits).all():
            raise EngineError("the network answered with numbers that are not finite")
        return logits

    def close(self) -> None:
        """Give the network's memory back."""
        del self._session

    def _check_signature(self) -> None:
        """Refuse a network whose input or output is not the one that model.json describes."""
        artifact = self._artifact
        recipe = artifact.preprocessing
        for kind, name, nodes, shape in (
            ("input", artifact.input_name, self._session.get_inputs(), [3, recipe.height, recipe.width]),
            ("output", artifact.output_name, self._session.get_outputs(), [len(artifact.labels)]),
        ):
            node = next((node for node in nodes if node.name == name), None)
            found = "none" if node is None else f"{node.type} {node.shape}"
            if node is None or node.type != "tensor(float)" or node.shape[1:] != shape:
                wanted = f"tensor(float) {['batch', *shape]}"
                raise StartError(
                    f"{artifact.network}: {kind} '{name}' is {found}, but model.json describes {wanted}; "
                    "the two belong to different models"
                )


class Inferring(Protocol):
    """What the server asks of an engine."""

    def warm_up(self) -> None: ...
    def infer(self, batch: Batch) -> Batch: ...
    def close(self) -> None: ...


def first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
