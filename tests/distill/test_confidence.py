"""Trust in the teacher, by hand."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from edgekd.distill.confidence import ConfidenceThreshold, ConfidenceWeight

TEACHER = tf.math.log([[0.9, 0.1], [0.6, 0.4], [0.6, 0.4]])
LABELS = tf.constant([-1, -1, 0])


def test_an_unlabelled_photo_counts_as_much_as_the_teacher_is_sure() -> None:
    assert np.asarray(ConfidenceWeight()(LABELS, TEACHER)) == pytest.approx([0.9, 0.6, 1.0], abs=1e-6)
    assert np.asarray(ConfidenceWeight(power=2.0)(LABELS, TEACHER)) == pytest.approx([0.81, 0.36, 1.0], abs=1e-6)


def test_below_the_threshold_it_counts_for_nothing() -> None:
    assert np.asarray(ConfidenceThreshold(at_least=0.8)(LABELS, TEACHER)).tolist() == [1, 0, 1]


def test_of_mixed_views_the_photos_certainty_counts() -> None:
    sure = tf.constant([0.5, 0.9, 0.5])
    assert np.asarray(ConfidenceWeight()(LABELS, TEACHER, sure)) == pytest.approx([0.5, 0.9, 1.0])
    assert np.asarray(ConfidenceThreshold(at_least=0.8)(LABELS, TEACHER, sure)).tolist() == [0, 1, 1]


def test_wrong_settings_are_refused_at_birth() -> None:
    with pytest.raises(ValueError, match="at_least"):
        ConfidenceThreshold(at_least=1.5)
    with pytest.raises(ValueError, match="power"):
        ConfidenceWeight(power=0.0)
