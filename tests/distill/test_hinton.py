"""Hinton's loss against values worked by hand, and where its gradient goes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf

from edgekd.distill.hinton import Hinton, softened_divergence
from edgekd.training.labels import LabelsOnly, cross_entropy


def test_divergence_by_hand() -> None:
    # Teacher logits (2 ln 3, 0) at T = 2 give (3/4, 1/4), the student's (0, 0) give (1/2, 1/2):
    # KL = 3/4 ln(3/2) + 1/4 ln(1/2) = 0.130812; times T squared = 0.523248.
    teacher, student = tf.constant([[2 * math.log(3), 0.0]]), tf.constant([[0.0, 0.0]])
    by_hand = 4 * (0.75 * math.log(1.5) + 0.25 * math.log(0.5))
    assert by_hand == pytest.approx(0.523248, abs=1e-6)
    assert float(softened_divergence(teacher, student, 2.0)[0]) == pytest.approx(by_hand, abs=1e-6)


def test_zero_at_equality_whatever_the_temperature() -> None:
    logits = tf.random.normal((5, 7), seed=1) * 4
    for temperature in (0.5, 1.0, 8.0):
        assert np.asarray(softened_divergence(logits, logits + 3.0, temperature)) == pytest.approx(0, abs=1e-4)


def test_cross_entropy_by_hand_and_zero_without_a_label() -> None:
    logits = tf.math.log([[0.2, 0.8], [0.2, 0.8], [0.5, 0.5]])
    loss = np.asarray(cross_entropy(tf.constant([1, -1, 0]), logits))
    assert loss == pytest.approx([-math.log(0.8), 0.0, math.log(2)], abs=1e-6)
    assert np.asarray(LabelsOnly()(tf.constant([1, -1, 0]), logits, None)) == pytest.approx(loss)


def test_weights_combine_and_unlabelled_photos_keep_the_whole_divergence() -> None:
    teacher, student = tf.constant([[2 * math.log(3), 0.0]] * 2), tf.constant([[0.0, 0.0]] * 2)
    loss = Hinton(softmax_temperature=2.0, label_weight=0.25)(tf.constant([0, -1]), student, teacher)
    divergence = 4 * (0.75 * math.log(1.5) + 0.25 * math.log(0.5))
    assert np.asarray(loss) == pytest.approx([0.75 * divergence + 0.25 * math.log(2), divergence], abs=1e-6)


def test_the_gradient_reaches_the_student_only_through_its_own_logits() -> None:
    student = tf.Variable(tf.random.normal((4, 3), seed=2))
    teacher = tf.random.normal((4, 3), seed=3)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(Hinton(softmax_temperature=3.0, label_weight=0.0)(tf.constant([-1] * 4), student, teacher))
    # d/ds of T² KL is T (softmax(s/T) - softmax(t/T)).
    expected = 3.0 * (tf.nn.softmax(student / 3.0) - tf.nn.softmax(teacher / 3.0))
    assert np.asarray(tape.gradient(loss, student)) == pytest.approx(np.asarray(expected), abs=1e-5)


@pytest.mark.parametrize(
    "values", [{"softmax_temperature": 0}, {"label_weight": 1.5}, {"temperature": 2.0}, {"label_weight": -0.1}]
)
def test_wrong_settings_are_refused_at_birth(values: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="Hinton"):
        Hinton(**values)  # type: ignore[arg-type]
