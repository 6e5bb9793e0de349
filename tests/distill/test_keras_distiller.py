"""Each objective trained inside stock keras.distillation.Distiller."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from test_bind import network
from test_objective_table import ON_FEATURES, ON_LOGITS

from edgekd.distill.keras_distiller import stock_distiller
from edgekd.distill.table import Term, Weighted
from edgekd.training.labels import LabelsOnly
from edgekd.training.loop import make_deterministic

IMAGES = np.random.default_rng(0).integers(0, 255, (32, 8, 8, 3)).astype(np.float32)
LABELS = np.repeat([0, 1], 16)


def fitted(objective: Any, student_loss_weight: float = 0.5, epochs: int = 3) -> tuple[Any, list[float]]:
    make_deterministic(1)
    student, teacher = network(3, "student"), network(5, "teacher")
    distiller = stock_distiller(objective, teacher, student, student_loss_weight=student_loss_weight)
    distiller.compile(keras.optimizers.Adam(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    loss = distiller.fit(IMAGES, LABELS, batch_size=16, epochs=epochs, verbose=0, shuffle=False)
    return distiller, loss.history["distillation_loss"]


@pytest.mark.parametrize("objective", ON_LOGITS + ON_FEATURES, ids=lambda o: o.name)
def test_the_student_learns_and_the_teacher_stays(objective: Any) -> None:
    distiller, losses = fitted(objective, student_loss_weight=0.0, epochs=4)
    assert np.isfinite(losses).all() and losses[-1] < losses[0]
    make_deterministic(1)
    network(3, "student")
    untouched = network(5, "teacher")
    assert all((a == b).all() for a, b in zip(distiller.teacher.get_weights(), untouched.get_weights(), strict=True))


def test_the_loss_is_the_objectives_mean_over_photos_without_labels() -> None:
    distiller, losses = fitted(ON_LOGITS[0], student_loss_weight=1.0, epochs=1)
    assert losses == [0.0]  # The stock Distiller computes no distillation loss at this weight.
    (loss,) = distiller.distillation_losses
    student, teacher = tf.random.normal((4, 2), seed=1), tf.random.normal((4, 2), seed=2)
    expected = tf.reduce_mean(ON_LOGITS[0](tf.fill((4,), -1), student, teacher))
    assert float(loss.compute_loss(teacher, student)) == pytest.approx(float(expected), rel=1e-6)


def test_a_projector_is_among_what_the_distiller_trains() -> None:
    distiller, _ = fitted(Weighted(terms=(Term(objective=ON_LOGITS[0]), Term(weight=3.0, objective=ON_FEATURES[0]))))
    names = [v.path for v in distiller.trainable_variables]
    assert any("hint_6_to_10" in name for name in names)
    assert distiller.distillation_loss_weights == [1.0, 3.0]


def test_labels_are_left_to_the_distiller() -> None:
    distiller, _ = fitted(Weighted(terms=(Term(objective=LabelsOnly()), Term(objective=ON_LOGITS[1]))), epochs=1)
    assert [loss.objective.name for loss in distiller.distillation_losses] == ["standardized"]
