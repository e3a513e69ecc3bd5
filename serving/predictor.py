"""One prediction in four small steps: load, decode, infer, encode. Runs in a worker thread."""

import io
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from serving.artifact import Artifact
from serving.engine import Batch, Inferring
from serving.preprocess import FORMATS, decode, normalise
from serving.request import image_bytes


@dataclass
class Timing:
    """Milliseconds of each step, for the log."""

    milliseconds: dict[str, float] = field(default_factory=dict)
    _last: float = field(default_factory=time.perf_counter)

    def mark(self, step: str) -> None:
        """Book the time since the last mark on a step."""
        now = time.perf_counter()
        self.milliseconds[step] = round((now - self._last) * 1000, 2)
        self._last = now


@dataclass(frozen=True)
class Predictor:
    """What the server knows about its model."""

    artifact: Artifact
    engine: Inferring
    max_pixels: int

    def warm_up(self) -> None:
        """Answer one tiny picture of each format, so that no request is the first to load a codec."""
        for name in FORMATS:
            picture = io.BytesIO()
            Image.new("RGB", (8, 8)).save(picture, name)
            self.predict("application/x-image", picture.getvalue(), 1, Timing())

    def predict(self, content_type: str, body: bytes, top_k: int, timing: Timing) -> dict[str, Any]:
        """The answer to one request."""
        timing.mark("queue")
        pixels = decode(image_bytes(content_type, body), self.artifact.preprocessing, self.max_pixels)
        batch = normalise(pixels, self.artifact.preprocessing)
        timing.mark("decode")
        logits = self.engine.infer(batch)
        timing.mark("infer")
        return self.answer(logits, top_k)

    def answer(self, logits: Batch, top_k: int) -> dict[str, Any]:
        """The most probable labels, best first, and the model that says so."""
        probabilities = softmax(logits[0], self.artifact.temperature)
        best = np.argsort(-probabilities, kind="stable")[:top_k]
        return {
            "predictions": [
                {"label": self.artifact.labels[index], "probability": round(float(probabilities[index]), 6)}
                for index in best
            ],
            "model_version": self.artifact.version,
        }


def softmax(logits: Batch, temperature: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Probabilities of one row of logits; a temperature above 1 makes them less sure."""
    scaled = logits.astype(np.float64) / temperature
    powers = np.exp(scaled - scaled.max())
    return np.asarray(powers / powers.sum())
