"""Probabilities become logits; the zeros of a quantized softmax of many classes do not outweigh the likeliest class."""

from __future__ import annotations

import numpy as np
import pytest

from edgekd.models.outputs import Scores


def softmax(logits: np.ndarray) -> np.ndarray:
    exponentials = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))


@pytest.mark.parametrize("classes", [2, 3, 10, 1001, 20_000])
def test_a_quantized_softmax_keeps_its_mass(classes: int) -> None:
    # The likeliest class has 255 of 256 steps, the rest rounds to 0.
    rows = np.zeros((1, classes))
    rows[0, 1] = 255 / 256
    again = softmax(Scores("probabilities", floor=0.5 / 256).logits(rows))
    assert again[0, 1] == pytest.approx(255 / 256, abs=0.003)
    # A row that adds up to 1 without its zeros, as rounding up makes it.
    rows[0, 1] = 1.0
    assert softmax(Scores("probabilities", floor=0.5 / 256).logits(rows))[0, 1] > 0.99


def test_what_is_above_the_floor_is_kept() -> None:
    rows = np.array([[0.7, 0.2, 0.1], [0.5, 0.5, 0.0]])
    np.testing.assert_allclose(softmax(Scores("probabilities").logits(rows)), rows, atol=1e-7)
    assert np.isfinite(Scores("probabilities").logits(rows)).all()
