from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from edgekd.decisions.quality import calibration_error, measure_calibration
from edgekd.decisions.temperature import fit_temperature, with_temperature
from edgekd.errors import UsageError


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def sample(photos: int, temperature: float, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Logits whose labels come true by their softmax at a temperature."""
    random = np.random.default_rng(seed)
    logits = random.normal(size=(photos, 4)) * 3
    shares = softmax(logits / temperature)
    return logits, np.array([random.choice(4, p=row) for row in shares])


@pytest.mark.parametrize("temperature", [0.5, 1.8, 3.0])
def test_the_temperature_by_which_labels_come_true_is_found(temperature: float) -> None:
    logits, labels = sample(1500, temperature)
    fitted = fit_temperature(logits, labels)
    assert fitted.value == pytest.approx(temperature, rel=0.15)
    assert fitted.loss_after < fitted.loss_before and fitted.note is None


def test_tags_have_one_temperature_too() -> None:
    random = np.random.default_rng(0)
    logits = random.normal(size=(800, 3)) * 4
    targets = (random.random(logits.shape) < 1 / (1 + np.exp(-logits / 2))).astype(np.int8)
    assert fit_temperature(logits, targets).value == pytest.approx(2.0, rel=0.15)


def test_it_changes_nothing_where_that_would_not_help() -> None:
    logits, labels = sample(60, 1.0, seed=3)
    fitted = fit_temperature(logits, labels)
    worse = [fit_temperature(logits, labels).loss_after > fit_temperature(logits, labels).loss_before]
    assert worse == [False]
    right = np.random.default_rng(1).permutation(labels)
    # Labels that have nothing to do with the scores are likelier the flatter the scores are.
    assert fit_temperature(logits, right).value > 3
    if fitted.value == 1.0:
        assert fitted.reason is not None
    few = fit_temperature(logits[:9], labels[:9])
    assert few.value == 1.0 and "9 validation photos are too few" in str(few.note)


def test_photos_that_are_all_right_ask_for_no_endless_certainty() -> None:
    logits = np.tile([[3.0, 0.0, 0.0]], (40, 1))
    fitted = fit_temperature(logits, np.zeros(40, np.int64))
    assert 0.3 < fitted.value <= 1.0
    assert fit_temperature(logits, np.zeros(40, np.int64)).loss_after <= fitted.loss_before


@pytest.mark.parametrize("tags", [False, True])
def test_probabilities_follow_from_those_of_another_temperature(tags: bool) -> None:
    logits = np.random.default_rng(0).normal(size=(20, 3)) * 4
    make = (lambda z: 1 / (1 + np.exp(-z))) if tags else softmax
    assert np.allclose(with_temperature(make(logits), 2.5, tags=tags), make(logits / 2.5), atol=1e-6)
    certain = with_temperature(np.array([[1.0, 0.0]], np.float32), 2.5, tags=tags)
    assert np.isfinite(certain).all() and certain[0, 0] > 0.99


def test_the_calibration_error_is_the_distance_of_each_bin() -> None:
    # Two bins of ten: 0.6 and 0.9 claimed, a half and all right.
    claimed = np.repeat([0.6, 0.9], 10)
    right = np.r_[np.tile([0, 1], 5), np.ones(10)]
    assert calibration_error(claimed, right) == pytest.approx((0.1 + 0.1) / 2)
    probabilities = np.stack([claimed, 1 - claimed], axis=1)
    quality = measure_calibration(probabilities, np.where(right == 1, 0, 1))
    assert quality.calibration_error.value == pytest.approx(0.1)
    assert quality.calibration_error.low <= 0.1 <= quality.calibration_error.high
    # Of each photo twice the square of what is missing.
    assert quality.brier.value == pytest.approx(2 * np.mean((claimed - right) ** 2))
    assert quality.log_loss.value == pytest.approx(-np.mean(np.log(np.where(right == 1, claimed, 1 - claimed))))
    with pytest.raises(UsageError, match="are needed"):
        measure_calibration(probabilities[:0], np.zeros(0, np.int64))


def test_probabilities_that_come_true_have_a_small_error() -> None:
    logits, labels = sample(1000, 1.0)
    assert measure_calibration(softmax(logits), labels).calibration_error.value < 0.05
    assert measure_calibration(softmax(logits * 3), labels).calibration_error.low > 0.05
    targets = np.eye(4, dtype=np.int8)[labels]
    assert measure_calibration(softmax(logits), targets).calibration_error.value < 0.04
