"""What a classifier's answers are worth: every number a fraction or a mean over samples, never over batches."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

CONFIDENCE_BINS = 15
# of a normal distribution: 95 % lie within
NINETY_FIVE = 1.959964


@dataclass(frozen=True)
class ClassScore:
    """How the network does on one class."""

    label: str
    samples: int
    precision: float
    """Of the pictures that it calls so, the share that are."""
    recall: float
    """Of the pictures that are so, the share that it calls so."""
    f1: float
    """The harmonic mean of the two."""


@dataclass(frozen=True)
class Bin:
    """The answers of about one confidence."""

    samples: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Scores:
    """The numbers of one split."""

    samples: int
    accuracy: float
    macro_f1: float
    loss: float
    calibration_error: float

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def softmax(logits: Floats, temperature: float = 1.0) -> Floats:
    """Probabilities, as the server computes them."""
    scaled = logits.astype(np.float64) / temperature
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def score(logits: Floats, targets: Counts, temperature: float = 1.0) -> Scores:
    """Score the answers to one split."""
    matrix = confusion(logits, targets)
    return Scores(
        samples=len(targets),
        accuracy=float(np.trace(matrix) / len(targets)),
        macro_f1=macro_f1(matrix),
        loss=cross_entropy(logits, targets, temperature),
        calibration_error=calibration_error(logits, targets, temperature),
    )


def confusion(logits: Floats, targets: Counts) -> Counts:
    """Pictures by class (rows) and answer (columns)."""
    classes = logits.shape[1]
    pairs = targets * classes + logits.argmax(axis=1)
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def class_scores(matrix: Counts, labels: list[str]) -> list[ClassScore]:
    """One line for each class; 0 where there is nothing to divide by."""
    right, are, named = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    return [
        ClassScore(
            label,
            samples=int(are[number]),
            precision=_share(right[number], named[number]),
            recall=_share(right[number], are[number]),
            f1=_share(2 * right[number], are[number] + named[number]),
        )
        for number, label in enumerate(labels)
    ]


def macro_f1(matrix: Counts) -> float:
    """The mean F1 of the classes that have pictures here, each class counting the same."""
    right, are, named = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    there = are > 0
    return float((2 * right[there] / (are + named)[there]).mean())


def cross_entropy(logits: Floats, targets: Counts, temperature: float = 1.0) -> float:
    """The mean of -log of the probability that the right class got."""
    scaled = logits.astype(np.float64) / temperature
    shifted = scaled - scaled.max(axis=1, keepdims=True)
    log_sums = np.log(np.exp(shifted).sum(axis=1))
    return float((log_sums - shifted[np.arange(len(targets)), targets]).mean())


def calibration_error(logits: Floats, targets: Counts, temperature: float = 1.0) -> float:
    """The expected calibration error: how far confidence and accuracy lie apart, averaged over the answers."""
    bins = reliability(logits, targets, temperature)
    return sum(one.samples * abs(one.confidence - one.accuracy) for one in bins) / len(targets)


def reliability(logits: Floats, targets: Counts, temperature: float = 1.0) -> list[Bin]:
    """The answers grouped by confidence, in bins of equal width; empty ones are left out."""
    chances = softmax(logits, temperature)
    confidence, right = chances.max(axis=1), chances.argmax(axis=1) == targets
    places = np.minimum((confidence * CONFIDENCE_BINS).astype(int), CONFIDENCE_BINS - 1)
    return [
        Bin(int(here.sum()), float(confidence[here].mean()), float(right[here].mean()))
        for here in (places == number for number in range(CONFIDENCE_BINS))
        if here.any()
    ]


def interval(accuracy: float, samples: int) -> tuple[float, float]:
    """Where the true accuracy lies with 95 % confidence (Wilson's score interval)."""
    square = NINETY_FIVE**2
    middle = (accuracy + square / (2 * samples)) / (1 + square / samples)
    spread = NINETY_FIVE * (accuracy * (1 - accuracy) / samples + square / (4 * samples**2)) ** 0.5
    half = spread / (1 + square / samples)
    return max(0.0, middle - half), min(1.0, middle + half)


def _share(part: int, whole: int) -> float:
    return float(part / whole) if whole else 0.0
