"""The network in 8 bits beside the one in 32: smaller and faster, and kept only where it is as good.

Static quantisation in QDQ form, activations U8 and weights S8 for each channel, which is the combination that x86
computes fastest. The range of each activation is seen on training pictures; the gate is on validation pictures.
"""

import contextlib
import io
import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from training.preprocess import Pixels, Recipe, normalise
from training.runtime import logits_of, open_session
from training.scoring import Counts

SAMPLES = 256
BATCH = 32
ALLOWED_LOSS = 0.005
# 0.905 - 0.900 is a hair more than 0.005 in floating point
HAIR = 1e-9


class TrainingPictures(CalibrationDataReader):
    """Pictures in the batches that ONNX Runtime asks for."""

    def __init__(self, name: str, pixels: Pixels, recipe: Recipe) -> None:
        self._batches = (
            {name: normalise(pixels[start : start + BATCH], recipe)} for start in range(0, len(pixels), BATCH)
        )

    def get_next(self) -> dict[str, Any] | None:
        return next(self._batches, None)


def quantise(network: Path, target: Path, *, pixels: Pixels, recipe: Recipe) -> None:
    """Write the 8-bit network; `pixels` are those that the ranges are seen on."""
    with tempfile.TemporaryDirectory() as folder, _quiet():
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(str(network), str(prepared), skip_symbolic_shape=True)
        name = open_session(prepared).get_inputs()[0].name
        quantize_static(
            str(prepared),
            str(target),
            TrainingPictures(name, pixels, recipe),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            calibrate_method=CalibrationMethod.MinMax,
        )


def judge(network: Path, quantised: Path, *, pixels: Pixels, targets: Counts, recipe: Recipe) -> dict[str, Any]:
    """Whether the 8-bit network may stand beside the other: it loses half a point at most, on validation pictures."""
    full, small = (
        float((logits_of(open_session(file), pixels, recipe).argmax(axis=1) == targets).mean())
        for file in (network, quantised)
    )
    if full - small > ALLOWED_LOSS + HAIR:
        reason = (
            f"it names {small:.4f} of the {len(targets)} validation pictures rightly and the network in 32 bits "
            f"{full:.4f}; {(full - small) * 100:.2f} points are lost, allowed is {ALLOWED_LOSS * 100:g}"
        )
        return {"kept": False, "reason": reason}
    return {
        "kept": True,
        "split": "valid",
        "samples": len(targets),
        "accuracy": small,
        "fp32_accuracy": full,
        "lost": round(full - small, 6),
    }


def offer(
    network: Path, target: Path, *, ranges: Pixels, pixels: Pixels, targets: Counts, recipe: Recipe
) -> dict[str, Any]:
    """Write the 8-bit network if it passes; answer with the `int8` object of model.json."""
    try:
        quantise(network, target, pixels=ranges, recipe=recipe)
        verdict = judge(network, target, pixels=pixels, targets=targets, recipe=recipe)
    except Exception as error:  # whatever an unusual graph leads to; the model in 32 bits is whole without it
        verdict = {"kept": False, "reason": f"ONNX Runtime cannot quantise it ({type(error).__name__}: {error})"}
    if not verdict["kept"]:
        target.unlink(missing_ok=True)
    return verdict


def spread(count: int, wanted: int = SAMPLES) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Numbers of at most `wanted` samples, spread over a split whose files come sorted by class."""
    return np.unique(np.linspace(0, count - 1, min(count, wanted)).round().astype(np.int64))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The quantiser logs advice to the root logger and prints how it goes; a job's log is for metrics."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(before)
