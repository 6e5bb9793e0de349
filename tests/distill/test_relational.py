"""Relational distillation against values worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf

from edgekd.distill.relational import Relational, angles, distances


def test_distances_by_hand() -> None:
    # On a line at 0, 1 and 3: distances 1, 3 and 2, whose mean is 2. At 0, 1 and 2: 1, 2 and 1, mean 4/3.
    student, teacher = tf.constant([[0.0], [1.0], [3.0]]), tf.constant([[0.0], [1.0], [2.0]])
    assert np.asarray(distances(student)) == pytest.approx(np.array([[0, 0.5, 1.5], [0.5, 0, 1], [1.5, 1, 0]]))
    # Differences of 1/4 between photos 0-1 and 1-2, none between 0-2; half the square is 1/32, over three photos.
    loss = Relational(distance_weight=1.0, angle_weight=0.0)(None, student, teacher)
    assert np.asarray(loss) == pytest.approx([1 / 96, 2 / 96, 1 / 96], abs=1e-6)


def test_angles_by_hand() -> None:
    student = tf.constant([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])  # A right angle at photo 0, 45 degrees at the others.
    teacher = tf.constant([[0.0, 0.0], [1.0, 0.0], [-1.0, 0.0]])  # Photo 0 between the others.
    cosines = np.asarray(angles(student))
    assert cosines[0, 1, 2] == pytest.approx(0) and cosines[1, 0, 2] == pytest.approx(1 / math.sqrt(2))
    loss = Relational(distance_weight=0.0, angle_weight=1.0)(None, student, teacher)
    # Cosines differ by 1 at photo 0 (Huber 1/2), by 1 - 1/sqrt 2 at the others; each twice among the nine pairs.
    small = 0.5 * (1 - 1 / math.sqrt(2)) ** 2
    assert np.asarray(loss) == pytest.approx([1 / 9, 2 * small / 9, 2 * small / 9], abs=1e-6)


def test_zero_at_equality_whatever_the_scale() -> None:
    maps = tf.random.normal((5, 3, 3, 4), seed=1)
    assert np.asarray(Relational()(None, 4 * maps, maps)) == pytest.approx(0, abs=1e-5)
    assert np.asarray(Relational()(None, tf.ones((3, 2)), tf.ones((3, 2)))) == pytest.approx(0)
