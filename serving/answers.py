"""Rows of logits as the answer that was asked for."""

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.artifact import Artifact
from serving.engine import Batch
from serving.errors import RequestError
from serving.request import CSV_TYPE, JSON_TYPE, LINES_TYPE, Wishes


def encode(rows: Sequence[Batch | RequestError], artifact: Artifact, wishes: Wishes, *, several: bool) -> bytes:
    """The answer's body. `several`: the request could hold several pictures, and so does its answer, even for one."""
    if wishes.accept == CSV_TYPE:
        return as_csv(rows, artifact, wishes)
    documents = [document_of(row, artifact, wishes) for row in rows]
    if wishes.accept == LINES_TYPE:
        return b"".join(to_json(document) + b"\n" for document in documents)
    if wishes.output == "vector":
        return to_json(documents)
    return to_json({"answers": documents} if several else documents[0])


def document_of(row: Batch | RequestError, artifact: Artifact, wishes: Wishes) -> Any:  # noqa: ANN401 (JSON)
    """One picture's answer: its most probable labels, best first, and the model that says so."""
    if isinstance(row, RequestError):
        return error_document(row)
    if wishes.output == "vector":
        return vector(row)
    document: dict[str, Any] = {
        "predictions": [
            {"label": label, "probability": probability} for label, probability in best(row, artifact, wishes.top_k)
        ],
        "model_version": artifact.version,
    }
    if wishes.output == "logits":
        document["logits"] = vector(row)
    return document


def as_csv(rows: Sequence[Batch | RequestError], artifact: Artifact, wishes: Wishes) -> bytes:
    """One line a picture: label and probability by turns, best first; or the raw numbers alone."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for row in rows:
        if isinstance(row, RequestError):
            raise row
        if wishes.output == "labels":
            writer.writerow([cell for pair in best(row, artifact, wishes.top_k) for cell in pair])
        else:
            writer.writerow(vector(row))
    return text.getvalue().encode()


def best(row: Batch, artifact: Artifact, top_k: int) -> list[tuple[str, float]]:
    """The most probable labels with their probabilities."""
    probabilities = softmax(row, artifact.temperature)
    order = np.argsort(-probabilities, kind="stable")[:top_k]
    return [(artifact.labels[index], round(float(probabilities[index]), 6)) for index in order]


def vector(row: Batch) -> list[float]:
    """Logits as they are, in the order of the labels; float32 written with no more digits than it has."""
    return [float(str(number)) for number in row]


def softmax(logits: Batch, temperature: float) -> NDArray[np.float64]:
    """Probabilities of one row of logits; a temperature above 1 makes them less sure."""
    scaled = logits.astype(np.float64) / temperature
    powers = np.exp(scaled - scaled.max())
    return np.asarray(powers / powers.sum())


def error_document(error: RequestError) -> dict[str, Any]:
    return {"error": {"code": error.code, "message": error.message}}


def to_json(document: object) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode()


CONTENT_TYPES = {JSON_TYPE: JSON_TYPE, LINES_TYPE: LINES_TYPE, CSV_TYPE: "text/csv; charset=utf-8"}
