"""The numbers: accuracy, macro-F1, cross-entropy and calibration error against what they are defined to be."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some

from training.calibration import HIGHEST, LOWEST, fit_temperature
from training.scoring import (
    calibration_error,
    class_scores,
    confusion,
    cross_entropy,
    interval,
    macro_f1,
    reliability,
    score,
    softmax,
)

RNG = np.random.default_rng(1)
LABELS = ["ape", "bee", "cat"]
#                 right  right  wrong  right  wrong  right
TARGETS = np.array([0, 0, 0, 1, 1, 2])
ANSWERS = np.array([0, 0, 1, 1, 2, 2])
LOGITS = np.eye(3)[ANSWERS] * 2.0


def overconfident(count: int, classes: int, sure: float) -> tuple[np.ndarray, np.ndarray]:
    """Labels drawn from known probabilities, and the logits of those made `sure` times as large."""
    truth = RNG.normal(0, 1.5, (count, classes))
    chances = softmax(truth)
    targets = np.array([RNG.choice(classes, p=row) for row in chances])
    return truth * sure, targets


def test_accuracy_is_a_fraction_of_samples() -> None:
    assert score(LOGITS, TARGETS).accuracy == 4 / 6


def test_rows_of_the_confusion_are_what_is_and_columns_what_was_called() -> None:
    assert confusion(LOGITS, TARGETS).tolist() == [[2, 1, 0], [0, 1, 1], [0, 0, 1]]


def test_precision_recall_and_f1_of_each_class() -> None:
    ape, bee, cat = class_scores(confusion(LOGITS, TARGETS), LABELS)
    assert (ape.samples, ape.precision, ape.recall) == (3, 1.0, 2 / 3)
    assert (bee.samples, bee.precision, bee.recall, bee.f1) == (2, 0.5, 0.5, 0.5)
    assert (cat.precision, cat.recall) == (0.5, 1.0)
    assert cat.f1 == pytest.approx(2 / 3)


def test_macro_f1_is_the_mean_over_classes_whatever_their_size() -> None:
    assert macro_f1(confusion(LOGITS, TARGETS)) == pytest.approx((0.8 + 0.5 + 2 / 3) / 3)


def test_a_class_without_pictures_neither_counts_nor_divides_by_zero() -> None:
    logits, targets = np.eye(3)[[0, 0]], np.array([0, 0])
    assert macro_f1(confusion(logits, targets)) == 1.0
    assert class_scores(confusion(logits, targets), LABELS)[2].f1 == 0.0


def test_cross_entropy_is_pytorchs() -> None:
    logits, targets = RNG.normal(0, 3, (50, 7)), RNG.integers(0, 7, 50)
    expected = torch.nn.functional.cross_entropy(torch.tensor(logits), torch.tensor(targets)).item()
    assert cross_entropy(logits, targets) == pytest.approx(expected)


def test_cross_entropy_of_huge_logits_is_finite() -> None:
    assert cross_entropy(np.array([[1e5, 0.0]]), np.array([1])) == pytest.approx(1e5)


def test_calibration_error_is_the_gap_between_confidence_and_accuracy() -> None:
    logits = np.log(np.tile([0.8, 0.2], (10, 1)))
    targets = np.array([0] * 6 + [1] * 4)
    assert calibration_error(logits, targets) == pytest.approx(0.2)
    (only,) = reliability(logits, targets)
    assert (only.samples, only.accuracy) == (10, 0.6)
    assert only.confidence == pytest.approx(0.8)


def test_full_confidence_has_a_bin() -> None:
    (only,) = reliability(np.array([[1e3, 0.0]]), np.array([0]))
    assert only.confidence == 1.0


def test_interval_holds_the_share_and_narrows_with_more_pictures() -> None:
    # Wilson's interval of 80 among 100, as published tables have it
    assert interval(0.8, 100) == pytest.approx((0.7112, 0.8666), abs=1e-4)
    assert interval(1.0, 10)[1] == pytest.approx(1.0)
    assert interval(0.0, 10)[0] == pytest.approx(0.0)


def test_temperature_that_was_put_in_is_found() -> None:
    logits, targets = overconfident(4000, 5, sure=2.5)
    assert fit_temperature(logits, targets) == pytest.approx(2.5, rel=0.1)


def test_temperature_below_one_is_found_for_a_network_that_is_too_modest() -> None:
    logits, targets = overconfident(4000, 5, sure=0.4)
    assert fit_temperature(logits, targets) == pytest.approx(0.4, rel=0.1)


def test_temperature_is_where_the_loss_is_least() -> None:
    logits, targets = overconfident(2000, 4, sure=3)
    temperature = fit_temperature(logits, targets)
    around = [cross_entropy(logits, targets, temperature * factor) for factor in (0.97, 1.0, 1.03)]
    assert around[1] == min(around)


def test_temperature_lowers_the_calibration_error() -> None:
    logits, targets = overconfident(4000, 5, sure=3)
    assert calibration_error(logits, targets, fit_temperature(logits, targets)) < 0.05
    assert calibration_error(logits, targets) > 0.15


def test_network_that_is_always_right_does_not_become_sure_beyond_measure() -> None:
    targets = np.arange(100) % 4
    logits = np.eye(4)[targets] * 5.0
    temperature = fit_temperature(logits, targets)
    assert LOWEST < temperature < 1
    assert 0.98 < softmax(logits, temperature).max() < 0.9999


def test_network_that_is_always_wrong_keeps_its_bounds() -> None:
    targets = np.arange(100) % 4
    assert fit_temperature(np.eye(4)[(targets + 1) % 4] * 50.0, targets) == HIGHEST


def test_logits_that_are_all_the_same_leave_the_temperature_at_one() -> None:
    assert fit_temperature(np.zeros((20, 3)), np.arange(20) % 3) == 1.0


def test_temperature_that_calibrates_worse_is_not_used() -> None:
    """A modest network, right but for a few wrong labels of which it is very sure: the loss alone asks for less."""
    logits, targets = np.tile([2.0, 0.0], (100, 1)), np.zeros(100, dtype=int)
    logits[:6], targets[:6] = [14.0, 0.0], 1
    assert cross_entropy(logits, targets, 1.5) < cross_entropy(logits, targets)
    assert fit_temperature(logits, targets) == 1.0


@settings(max_examples=40, deadline=None)
@given(some.integers(0, 2**32 - 1), some.integers(2, 6), some.floats(0.01, 100))
def test_temperature_is_bounded_and_never_calibrates_worse(seed: int, classes: int, size: float) -> None:
    rng = np.random.default_rng(seed)
    logits, targets = rng.normal(0, size, (30, classes)), rng.integers(0, classes, 30)
    temperature = fit_temperature(logits, targets)
    assert LOWEST <= temperature <= HIGHEST
    assert calibration_error(logits, targets, temperature) <= calibration_error(logits, targets)
