"""Attention transfer against values worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf

from edgekd.distill.attention_transfer import AttentionTransfer, attention


def test_distance_by_hand() -> None:
    # Student: energies 3 and 4, the unit vector (0.6, 0.8). Teacher, two channels: 1 and 0. 0.4^2 + 0.8^2 = 0.8.
    student = tf.reshape(tf.constant([math.sqrt(3), 2.0]), (1, 1, 2, 1))
    teacher = tf.reshape(tf.constant([1.0, 1.0, 0.0, 0.0]), (1, 1, 2, 2))
    assert np.asarray(attention(student)) == pytest.approx(np.array([[0.6, 0.8]]), abs=1e-6)
    assert np.asarray(AttentionTransfer()(tf.constant([-1]), student, teacher)) == pytest.approx([0.8], abs=1e-6)


def test_zero_at_equality_and_for_any_factor() -> None:
    maps = tf.random.normal((3, 4, 5, 6), seed=1)
    assert np.asarray(AttentionTransfer()(None, maps, -3 * maps)) == pytest.approx(0, abs=1e-6)


def test_grids_may_differ() -> None:
    even = AttentionTransfer()(None, tf.ones((2, 2, 2, 3)), tf.ones((2, 4, 4, 5)))
    assert np.asarray(even) == pytest.approx([0, 0], abs=1e-6)
