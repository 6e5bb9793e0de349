"""Hints against values worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from edgekd.distill.fitnet import FitNet


def test_mean_square_by_hand_and_zero_at_equality() -> None:
    student = tf.reshape(tf.constant([1.0, 2.0, 3.0, 4.0, 0.0, 0.0, 0.0, 0.0]), (2, 1, 2, 2))
    teacher = tf.reshape(tf.constant([1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]), (2, 1, 2, 2))
    loss = FitNet()(tf.constant([0, -1]), student, teacher)
    assert np.asarray(loss) == pytest.approx([(4 + 9 + 16) / 4, 1 / 4])
    assert np.asarray(FitNet()(tf.constant([0, -1]), student, student)).tolist() == [0, 0]


def test_the_teachers_maps_come_to_the_students_grid() -> None:
    # Halved with smoothing, a constant stays what it is.
    loss = FitNet()(tf.constant([0]), tf.fill((1, 2, 2, 3), 5.0), tf.fill((1, 4, 4, 3), 3.0))
    assert np.asarray(loss) == pytest.approx([4.0], abs=1e-5)


def test_the_projector_is_a_matrix_on_channels() -> None:
    layer = FitNet().projector(2, 3)
    layer.build((None, 4, 4, 2))
    assert [tuple(v.shape) for v in layer.trainable_variables] == [(1, 1, 2, 3), (3,)]


def test_between_equal_widths_the_projector_starts_as_nothing() -> None:
    maps = np.random.default_rng(0).normal(size=(2, 3, 3, 5)).astype(np.float32)
    assert np.array_equal(FitNet().projector(5, 5)(maps), maps)
