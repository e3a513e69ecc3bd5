"""The temperature that makes probabilities mean something: fitted on the validation split, after training.

Logits are divided by it before the softmax. That changes no answer, only how sure of it the network says to be.
"""

import numpy as np

from training.scoring import Counts, Floats, calibration_error

LOWEST, HIGHEST = 0.05, 20.0
STEPS = 100
CLOSE_ENOUGH = 1e-9
DIGITS = 4


def fit_temperature(logits: Floats, targets: Counts) -> float:
    """The temperature of the least cross-entropy, to four digits; 1 where that is no better calibrated than 1 is.

    It can be worse where labels are wrong: a few answers that are sure and count as wrong then outweigh all others.
    Each picture counts as the right class but for a hair, as in Platt's scaling: with n pictures 1/(n + 2) goes to the
    other classes. So a network that is right on every one does not become sure beyond all measure.
    """
    inverse = _fit_inverse(logits.astype(np.float64), targets)
    temperature = float(f"{min(max(1 / inverse, LOWEST), HIGHEST):.{DIGITS}g}")
    better = calibration_error(logits, targets, temperature) < calibration_error(logits, targets)
    return temperature if better else 1.0


def _fit_inverse(logits: Floats, targets: Counts) -> float:
    """Newton's steps on 1/T, in which the loss is convex; a step that leaves the bracket becomes a bisection."""
    samples, classes = logits.shape
    hair = 1 / (samples + 2)
    centred = logits - logits.max(axis=1, keepdims=True)
    right = centred[np.arange(samples), targets]
    others = (centred.sum(axis=1) - right) / (classes - 1)
    wanted = (1 - hair) * right + hair * others
    low, high, inverse = 1 / HIGHEST, 1 / LOWEST, 1.0
    for _ in range(STEPS):
        powers = np.exp(inverse * centred)
        chances = powers / powers.sum(axis=1, keepdims=True)
        expected = (chances * centred).sum(axis=1)
        slope = float((expected - wanted).mean())
        curvature = float(((chances * centred**2).sum(axis=1) - expected**2).mean())
        if slope < 0:
            low = inverse
        else:
            high = inverse
        step = inverse - slope / curvature if curvature > 0 else low
        following = step if low < step < high else (low + high) / 2
        if abs(following - inverse) < CLOSE_ENOUGH:
            break
        inverse = following
    return inverse
