"""DIST against values worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf

from edgekd.distill.dist import Dist, correlation_distance

TEACHER = tf.math.log([[0.5, 0.3, 0.2], [0.3, 0.5, 0.2]])
STUDENT = tf.math.log([[0.3, 0.5, 0.2], [0.5, 0.3, 0.2]])


def test_terms_by_hand() -> None:
    # Less 1/3, a photo's probabilities are (5, -1, -4)/30 and (-1, 5, -4)/30: inner product 6/900, squares 42/900, so
    # that the correlation is 1/7. Between the photos, classes 0 and 1 are turned round (2 each), class 2 is constant in
    # both (0): 4/3 on average.
    loss = Dist(photo_weight=1.0, class_weight=0.0, label_weight=0.0)(tf.constant([-1, -1]), STUDENT, TEACHER)
    assert np.asarray(loss) == pytest.approx([6 / 7, 6 / 7], abs=1e-5)
    loss = Dist(photo_weight=0.0, class_weight=1.0, label_weight=0.0)(tf.constant([-1, -1]), STUDENT, TEACHER)
    assert np.asarray(loss) == pytest.approx([4 / 3, 4 / 3], abs=1e-5)


def test_weights_temperature_and_labels() -> None:
    # Logits twice as large at T = 2 are the same probabilities; T squared is 4. Only the first photo has a label.
    objective = Dist(softmax_temperature=2.0, photo_weight=2.0, class_weight=3.0, label_weight=0.5)
    loss = objective(tf.constant([0, -1]), 2 * STUDENT, 2 * TEACHER)
    divergence = 4 * (2 * 6 / 7 + 3 * 4 / 3)
    label = -math.log(0.09 / (0.09 + 0.25 + 0.04))
    assert np.asarray(loss) == pytest.approx([divergence + 0.5 * label, divergence], abs=1e-4)


def test_zero_at_equality_even_of_constant_columns() -> None:
    certain = tf.constant([[40.0, 0.0, 0.0]] * 3)
    same = tf.random.normal((5, 4), seed=1)
    for logits in (certain, same):
        loss = Dist(label_weight=0.0)(tf.fill((len(logits),), -1), logits, logits)
        assert np.asarray(loss) == pytest.approx(0, abs=1e-5)
    assert float(correlation_distance(tf.constant([1.0, 2.0]), tf.constant([5.0, 4.0]), 0)) == pytest.approx(2)
