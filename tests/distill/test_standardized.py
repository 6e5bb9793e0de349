"""Standardized logits against values worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf

from edgekd.distill.standardized import Standardized, standardize


def test_standardize_by_hand() -> None:
    # Mean 2, population standard deviation sqrt(8/3) = 1.632993.
    assert np.asarray(standardize(tf.constant([[0.0, 2.0, 4.0]]))) == pytest.approx(
        np.array([[-1.224745, 0.0, 1.224745]]), abs=1e-4
    )


def test_loss_by_hand() -> None:
    # (3, 1) becomes (1, -1) and (1, 3) becomes (-1, 1); at T = 2 p = sigmoid(1) = 0.731059 and log(p / q) = 1, so that
    # KL = 2 p - 1 = 0.462117, times T squared = 1.848469. The cross-entropy of class 0 in (1, 3) is log(1 + e^2).
    teacher, student = tf.constant([[3.0, 1.0]] * 2), tf.constant([[1.0, 3.0]] * 2)
    loss = Standardized(softmax_temperature=2.0, label_weight=0.25)(tf.constant([-1, 0]), student, teacher)
    expected = [1.848469, 0.75 * 1.848469 + 0.25 * math.log(1 + math.exp(2))]
    assert np.asarray(loss) == pytest.approx(expected, rel=1e-3)


def test_zero_wherever_the_student_says_the_same_in_another_scale() -> None:
    teacher = tf.random.normal((6, 5), seed=1) * 3
    loss = Standardized()(tf.constant([-1] * 6), 0.5 * teacher + 3.0, teacher)
    assert np.asarray(loss) == pytest.approx(0, abs=1e-4)
