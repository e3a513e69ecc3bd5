"""Prepare a network once: optimised for this machine, its weights in a file of their own that sessions map and share.

A session that optimises for itself holds its weights alone and takes its time; two of them would hold them twice.
Runs in a process of its own, whose memory goes when it ends.
"""

import json
import shutil
from pathlib import Path

import numpy as np

from serving.artifact import METADATA, Artifact, described, opened
from serving.engine import check_signature, first_line, load, session_options
from serving.errors import StartError

NETWORK, WEIGHTS = "network.onnx", "weights.bin"
# Smaller ones stay in the network's file.
SEPARATE_FROM_BYTES = 1024
# The network's own size, and its structure.
ROOM = 1.1


def prepare_model(model: Path, folder: Path, precision: str) -> None:
    """Check an artefact and leave in the folder all that is needed to serve it."""
    with opened(model, precision) as artifact:
        prepare(artifact, folder)
        try:
            shutil.copy(artifact.network.parent / METADATA, folder / METADATA)
        except OSError as error:
            raise StartError(no_room(folder, first_line(error))) from error


def prepared_model(folder: Path) -> tuple[Artifact, Path]:
    """What was left there: the artefact and its prepared network. Whatever became of the original does not matter."""
    network = folder / NETWORK
    return described(json.loads((folder / METADATA).read_bytes()), network), network


def prepare(artifact: Artifact, folder: Path) -> None:
    """Write the prepared network into the folder."""
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
    recipe = artifact.preprocessing
    picture = np.linspace(-1, 1, 3 * recipe.height * recipe.width, dtype=np.float32)
    batch = {artifact.input_name: picture.reshape(1, 3, recipe.height, recipe.width)}
    expected = original.run([artifact.output_name], batch)[0]
    try:
        answered = load(folder / NETWORK, session_options(threads=1)).run([artifact.output_name], batch)[0]
    except Exception as error:  # what was written is what is wrong: the original has just answered
        raise StartError(no_room(folder, f"its copy cannot be read: {first_line(error)}")) from error
    if not np.allclose(expected, answered, rtol=1e-3, atol=1e-4, equal_nan=True):
        raise StartError(no_room(folder, "its copy answers differently"))


def check_room(network: Path, folder: Path) -> None:
    """Before anything is written, where what is missing can still be said."""
    needed, free = int(network.stat().st_size * ROOM), shutil.disk_usage(folder).free
    if free < needed:
        raise StartError(no_room(folder, f"{free} bytes are free and {needed} needed"))


def no_room(folder: Path, why: str) -> str:
    return f"{folder}: no room for the prepared network ({why}); free some, or name another folder in TMPDIR"
