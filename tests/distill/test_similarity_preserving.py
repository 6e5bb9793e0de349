"""Similarity-preserving distillation against values worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf

from edgekd.distill.similarity_preserving import SimilarityPreserving, similarities


def test_loss_by_hand() -> None:
    # The student can't tell the photos apart: rows (1, 1)/sqrt 2. The teacher's are at right angles: (1, 0), (0, 1).
    # A row's difference squared is (1 - 1/sqrt 2)^2 + 1/2 = 2 - sqrt 2; over B^2 = 4, times two rows: 1 - 1/sqrt 2.
    student, teacher = tf.constant([[2.0, 0.0], [2.0, 0.0]]), tf.constant([[1.0, 0.0, 0.0], [0.0, 0.0, 5.0]])
    loss = np.asarray(SimilarityPreserving()(tf.constant([-1, 0]), student, teacher))
    assert loss == pytest.approx([(2 - math.sqrt(2)) / 2] * 2, abs=1e-6)
    assert loss.mean() == pytest.approx(1 - 1 / math.sqrt(2), abs=1e-6)


def test_zero_at_equality_whatever_the_scale_and_shape() -> None:
    maps = tf.random.normal((4, 3, 3, 2), seed=1)
    assert np.asarray(SimilarityPreserving()(None, 7 * maps, maps)) == pytest.approx(0, abs=1e-6)
    assert np.asarray(similarities(maps)).shape == (4, 4)
