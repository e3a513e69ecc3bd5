"""Ask a deployed prediction API about an image."""

import http.client
import json
import time
from dataclasses import dataclass
from pathlib import Path

from ops.errors import OperatorError

TIMEOUT_SECONDS = 30
CONTENT_TYPES = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".webp": "image/webp"}


class PredictionError(OperatorError):
    """No answer, or one that is not a prediction."""


@dataclass(frozen=True)
class Prediction:
    image: str
    label: str
    probability: float
    model_version: str
    milliseconds: float


def predict(address: str, host: str, image: Path) -> Prediction:
    """POST the image to /predict at `address`, for the API that `host` names."""
    headers = {"Host": host, "Content-Type": CONTENT_TYPES[image.suffix]}
    start = time.monotonic()
    connection = http.client.HTTPConnection(address, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("POST", "/predict", body=image.read_bytes(), headers=headers)
        answer = connection.getresponse()
        body = answer.read()
    except OSError as error:
        raise PredictionError(f"The API at {host} did not answer for {image.name}: {error}") from None
    finally:
        connection.close()
    milliseconds = (time.monotonic() - start) * 1000
    try:
        said = json.loads(body)
        best = said["predictions"][0]
        return Prediction(image.name, best["label"], best["probability"], said["model_version"], round(milliseconds, 1))
    except (ValueError, LookupError, TypeError):
        shown = body[:300].decode(errors="replace")
        raise PredictionError(f"The API at {host} answered {answer.status} for {image.name}: {shown}") from None
