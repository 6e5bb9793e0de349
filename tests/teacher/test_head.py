"""Logistic regression on features: its gradient, its answer and its choice of penalty."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import check_grad

from edgekd.teacher.head import _loss_and_gradient, fit_head


def test_gradient_is_the_derivative_of_the_loss() -> None:
    rng = np.random.default_rng(0)
    x, labels, weights = rng.normal(size=(7, 3)), rng.integers(0, 4, 7), rng.random(7)
    arguments = (x, labels, weights / weights.sum(), 0.1, 4)
    difference = check_grad(
        lambda f: _loss_and_gradient(f, *arguments)[0],
        lambda f: _loss_and_gradient(f, *arguments)[1],
        rng.normal(size=16),
    )
    assert difference < 1e-5


def test_loss_at_zero_is_the_entropy_of_a_guess() -> None:
    x, labels = np.ones((4, 2)), np.array([0, 1, 2, 0])
    loss, _ = _loss_and_gradient(np.zeros(9), x, labels, np.full(4, 0.25), 1.0, 3)
    assert loss == pytest.approx(np.log(3))


def test_separates_what_can_be_separated_and_keeps_units() -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, 200)
    features = np.stack([labels * 40.0 + rng.normal(size=200), rng.normal(size=200) * 1e-3], axis=1)
    head = fit_head(features[:150], labels[:150], (features[150:], labels[150:]), 2)
    assert (head.logits(features[150:]).argmax(axis=1) == labels[150:]).all()


def test_rare_class_counts_as_much() -> None:
    rng = np.random.default_rng(2)
    labels = np.array([0] * 190 + [1] * 10)
    features = (labels + rng.normal(size=200) * 0.8)[:, None]
    head = fit_head(features, labels, (features, labels), 2)
    # The boundary of two equally weighted normals lies in the middle, however rare one of them is.
    boundary = -(head.bias[1] - head.bias[0]) / (head.kernel[0, 1] - head.kernel[0, 0])
    assert 0.2 < boundary < 0.8


def test_penalty_is_large_where_features_say_nothing() -> None:
    rng = np.random.default_rng(3)
    features, labels = rng.normal(size=(30, 50)), rng.integers(0, 2, 30)
    noise = rng.normal(size=(30, 50)), rng.integers(0, 2, 30)
    assert fit_head(features, labels, noise, 2).penalty == 1.0
