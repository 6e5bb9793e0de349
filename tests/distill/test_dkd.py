"""Decoupled distillation against values worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf

from edgekd.distill.dkd import DKD, decouple
from edgekd.distill.hinton import softened_divergence

TEACHER, STUDENT = tf.math.log([[0.5, 0.25, 0.25]]), tf.math.log([[0.25, 0.25, 0.5]])


def test_parts_by_hand() -> None:
    # Target 0. TCKD: (1/2, 1/2) to (1/4, 3/4) = 1/2 ln 2 + 1/2 ln 2/3 = 1/2 ln 4/3.
    # NCKD: the others are (1/2, 1/2) to (1/3, 2/3) = 1/2 ln 3/2 + 1/2 ln 3/4 = 1/2 ln 9/8.
    target, others = decouple(tf.constant([0]), STUDENT, TEACHER, 1.0)
    assert float(target[0]) == pytest.approx(0.5 * math.log(4 / 3), abs=1e-6)
    assert float(others[0]) == pytest.approx(0.5 * math.log(9 / 8), abs=1e-6)


def test_loss_by_hand() -> None:
    objective = DKD(softmax_temperature=1.0, target_weight=1.0, other_weight=8.0, label_weight=0.5)
    divergence = 0.5 * math.log(4 / 3) + 4 * math.log(9 / 8)
    # Without a label the teacher's most likely class, 0, is the target and there is no cross-entropy.
    loss = objective(tf.constant([0, -1]), tf.repeat(STUDENT, 2, 0), tf.repeat(TEACHER, 2, 0))
    assert np.asarray(loss) == pytest.approx([divergence + 0.5 * math.log(4), divergence], abs=1e-5)


def test_the_label_is_the_target_where_there_is_one() -> None:
    # Target 2: (1/4, 3/4) to (1/2, 1/2) = 1/4 ln 1/2 + 3/4 ln 3/2.
    target, _ = decouple(tf.constant([2]), STUDENT, TEACHER, 1.0)
    assert float(target[0]) == pytest.approx(0.25 * math.log(0.5) + 0.75 * math.log(1.5), abs=1e-6)


def test_the_parts_make_up_hintons_divergence() -> None:
    teacher, student = tf.random.normal((8, 6), seed=1) * 3, tf.random.normal((8, 6), seed=2) * 3
    labels = tf.constant([0, 1, 2, 3, 4, 5, -1, -1])
    target, others = decouple(labels, student, teacher, 2.0)
    p = tf.nn.softmax(teacher / 2.0)
    of_target = tf.where(labels >= 0, tf.gather(p, tf.maximum(labels, 0), batch_dims=1), tf.reduce_max(p, axis=1))
    whole = np.asarray(softened_divergence(teacher, student, 2.0)) / 4
    assert np.asarray(target + (1 - of_target) * others) == pytest.approx(whole, abs=1e-5)


def test_zero_at_equality_and_exact_for_a_teacher_beyond_doubt() -> None:
    logits = tf.constant([[6e4, 0.0, -6e4], [1.0, 2.0, 3.0]])
    assert np.asarray(DKD(label_weight=0.0)(tf.constant([0, -1]), logits, logits)) == pytest.approx(0, abs=1e-6)
    two = tf.constant([[2.0, -1.0]])
    assert float(decouple(tf.constant([0]), -two, two, 1.0)[1][0]) == 0.0  # Two classes: one other, always.
