"""Prepare a network once: optimised for this machine, its weights in a file of their own that sessions map and share.

A session that optimises for itself holds its weights alone and takes its time; two of them would hold them twice.
Runs in a process of its own, whose memory goes when it ends. What the original answers to a known picture is kept
beside the copy, which must answer the same when it is warmed up.
"""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from onnxruntime import InferenceSession

from serving.artifact import METADATA, Artifact, described, opened
from serving.engine import Batch, First, OnnxEngine, check_signature, first_line, load, session_options
from serving.errors import StartError
from serving.preprocess import Preprocessing

NETWORK, WEIGHTS, EXPECTED = "network.onnx", "weights.bin", "expected.npy"
# Smaller ones stay in the network's file.
SEPARATE_FROM_BYTES = 1024
# The network's own size, and its structure.
ROOM = 1.1


def prepare_model(model: Path, folder: Path, precision: str, written: Callable[[], None] = lambda: None) -> None:
    """Check an artefact and leave in the folder all that is needed to serve it; `written` is called once the network is
    there, while the rest is still checked."""
    with opened(model, precision) as artifact:
        try:
            original = prepare(artifact, folder)
            shutil.copy(artifact.network.parent / METADATA, folder / METADATA)
            written()
            np.save(folder / EXPECTED, answer(original, artifact))
        except OSError as error:
            raise StartError(no_room(folder, first_line(error))) from error


def prepare(artifact: Artifact, folder: Path) -> InferenceSession:
    """Write the prepared network into the folder; the original is given back."""
    check_room(artifact.network, folder)
    options = session_options(threads=1)
    options.optimized_model_filepath = str(folder / NETWORK)
    options.add_session_config_entry("session.optimized_model_external_initializers_file_name", WEIGHTS)
    options.add_session_config_entry(
        "session.optimized_model_external_initializers_min_size_in_bytes", str(SEPARATE_FROM_BYTES)
    )
    try:
        original = load(artifact.network, options)
    except StartError as error:
        # Reading or writing: what can be read without writing was not at fault.
        load(artifact.network, session_options(threads=1))
        raise StartError(no_room(folder, "it cannot be written")) from error
    check_signature(artifact, original)
    return original


def answer(original: InferenceSession, artifact: Artifact) -> Batch:
    """What the original says of the known picture."""
    try:
        logits: Batch = original.run(
            [artifact.output_name], {artifact.input_name: known_picture(artifact.preprocessing)}
        )[0]
    except Exception as error:  # ONNX Runtime's exceptions share no base class of their own
        raise StartError(first_inference_failed(artifact.network, first_line(error))) from error
    return logits


def first_inference_failed(network: Path, why: str) -> str:
    return f"{network}: the first inference failed: {why}"


def check_room(network: Path, folder: Path) -> None:
    """Before anything is written, where what is missing can still be said."""
    needed, free = int(network.stat().st_size * ROOM), shutil.disk_usage(folder).free
    if free < needed:
        raise StartError(no_room(folder, f"{free} bytes are free and {needed} needed"))


def no_room(folder: Path, why: str) -> str:
    return f"{folder}: no room for the prepared network ({why}); free some, or name another folder in TMPDIR"


def known_picture(recipe: Preprocessing) -> Batch:
    """Something of everything, so that a network that was not copied whole answers differently."""
    numbers = np.linspace(-1, 1, 3 * recipe.height * recipe.width, dtype=np.float32)
    return numbers.reshape(1, 3, recipe.height, recipe.width)


@dataclass(frozen=True)
class Prepared:
    """What was left in the folder; whatever becomes of the original does not matter."""

    folder: Path
    artifact: Artifact

    @classmethod
    def read(cls, folder: Path) -> "Prepared":
        return cls(folder, described(json.loads((folder / METADATA).read_bytes()), folder / NETWORK))

    def engine(self, processors: Sequence[int], *, pinned: bool) -> OnnxEngine:
        try:
            return OnnxEngine(self.artifact, self.artifact.network, processors, pinned=pinned)
        except Exception as error:  # what was written is what is wrong: the original has answered
            raise StartError(no_room(self.folder, f"its copy cannot be read: {first_line(error)}")) from error

    def check(self, firsts: Sequence[First]) -> None:
        """Refuse a copy that answers to the known picture what its original did not."""
        expected = np.load(self.folder / EXPECTED)
        for first in firsts:
            if not np.allclose(expected, first.logits, rtol=1e-3, atol=1e-4, equal_nan=True):
                raise StartError(no_room(self.folder, "its copy answers differently"))
