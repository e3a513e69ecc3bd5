"""What computes: ONNX Runtime on the CPU behind four methods, so that another engine can take its place."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from serving.artifact import Artifact
from serving.errors import StartError

Batch = NDArray[np.float32]


class EngineError(Exception):
    """The engine did not answer: the model or the machine is at fault, never the picture."""


class NotFiniteError(EngineError):
    """It answered, with what is no number: of a picture the network's fault, of an array of floats perhaps not."""

    def __init__(self) -> None:
        super().__init__("the network answered with numbers that are not finite")


@dataclass(frozen=True)
class First:
    """The first answer of its kind, and the seconds that it took."""

    logits: Batch
    seconds: float

    @classmethod
    def of(cls, infer: Callable[[Batch], Batch], batch: Batch) -> "First":
        start = time.perf_counter()
        logits = infer(batch)
        return cls(logits, time.perf_counter() - start)


class Engine(Protocol):
    """What the server asks of an engine, beside being made for an artefact. Several threads call `infer` at once."""

    def warm_up(self, batch: Batch) -> "tuple[First, First]":
        """Answer once in each way, on one core and on all, so that requests find memory and threads in place."""

    def infer(self, batch: Batch) -> Batch:
        """Logits, one row an image, computed by the calling thread alone."""

    def infer_on_all_cores(self, batch: Batch) -> Batch:
        """The same with every core; only one caller at a time."""

    def close(self) -> None:
        """Give the network's memory back."""


class OnnxEngine:
    """A prepared network (preparing.py) in two sessions over the same weights: for one thread, and for all cores."""

    def __init__(self, artifact: Artifact, network: Path, processors: Sequence[int], *, pinned: bool) -> None:
        self._artifact = artifact
        self._narrow = load(network, session_options(threads=1, prepared=True))
        self._wide = self._narrow
        if len(processors) > 1:
            options = session_options(threads=len(processors), prepared=True)
            if pinned:
                # The calling thread is the first; processors count from 1 here.
                others = ";".join(str(processor + 1) for processor in processors[1:])
                options.add_session_config_entry("session.intra_op_thread_affinities", others)
            self._wide = load(network, options)
        check_signature(artifact, self._narrow)

    def warm_up(self, batch: Batch) -> tuple[First, First]:
        return First.of(self.infer, batch), First.of(self.infer_on_all_cores, batch)

    def infer(self, batch: Batch) -> Batch:
        return self._run(self._narrow, batch)

    def infer_on_all_cores(self, batch: Batch) -> Batch:
        return self._run(self._wide, batch)

    def close(self) -> None:
        del self._narrow, self._wide

    def _run(self, session: onnxruntime.InferenceSession, batch: Batch) -> Batch:
        try:
            logits: Batch = session.run([self._artifact.output_name], {self._artifact.input_name: batch})[0]
        except Exception as error:  # ONNX Runtime's exceptions share no base class of their own
            raise EngineError(first_line(error)) from error
        return logits


def session_options(*, threads: int, prepared: bool = False) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Spinning threads would take the core from the decoding of the next picture.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # What goes wrong comes as an exception, and is told in a sentence of ours.
    options.log_severity_level = 4
    if prepared:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        # Weights are mapped from their file; what little is left goes to no arena that would keep room for more.
        options.add_session_config_entry("session.use_device_allocator_for_initializers", "1")
    return options


def load(network: Path, options: onnxruntime.SessionOptions) -> onnxruntime.InferenceSession:
    try:
        # Without its fallback, which tries the same again and prints that it does.
        return onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"], enable_fallback=0)
    except Exception as error:  # as above
        raise StartError(f"{network}: ONNX Runtime cannot load it: {first_line(error)}") from error


def check_signature(artifact: Artifact, session: onnxruntime.InferenceSession) -> None:
    """Refuse a network whose input or output is not the one that model.json describes."""
    recipe = artifact.preprocessing
    for kind, name, nodes, shape in (
        ("input", artifact.input_name, session.get_inputs(), [3, recipe.height, recipe.width]),
        ("output", artifact.output_name, session.get_outputs(), [len(artifact.labels)]),
    ):
        node = next((node for node in nodes if node.name == name), None)
        found = "none" if node is None else f"{node.type} {node.shape}"
        if node is None or node.type != "tensor(float)" or node.shape[1:] != shape:
            wanted = f"tensor(float) {['batch', *shape]}"
            raise StartError(
                f"{artifact.network}: {kind} '{name}' is {found}, but model.json describes {wanted}; "
                "the two belong to different models"
            )


def first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
