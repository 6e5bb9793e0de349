"""Every objective: where its gradient goes, and that it is finite where networks start."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from pydantic import TypeAdapter

from edgekd.distill.attention_transfer import AttentionTransfer
from edgekd.distill.dist import Dist
from edgekd.distill.dkd import DKD
from edgekd.distill.fitnet import FitNet
from edgekd.distill.hinton import Hinton
from edgekd.distill.relational import Relational
from edgekd.distill.similarity_preserving import SimilarityPreserving
from edgekd.distill.standardized import Standardized
from edgekd.distill.table import Objective, Term, Weighted, terms_of

ON_LOGITS = (Hinton(), Standardized(), DKD(), Dist())
ON_FEATURES = (FitNet(), AttentionTransfer(), SimilarityPreserving(), Relational())
LABELS = tf.constant([0, 1, 2, -1])


def shape_of(objective: Any) -> tuple[int, ...]:
    return (4, 3) if objective in ON_LOGITS else (4, 5, 5, 6)


@pytest.mark.parametrize("objective", ON_LOGITS + ON_FEATURES, ids=lambda o: o.name)
def test_the_gradient_reaches_the_student_only(objective: Any) -> None:
    shape = shape_of(objective)
    student, teacher = tf.Variable(tf.random.normal(shape, seed=1)), tf.Variable(tf.random.normal(shape, seed=2))
    with tf.GradientTape() as tape:
        loss = objective(LABELS, student, teacher)
    assert loss.shape == (4,)
    to_student, to_teacher = tape.gradient(loss, [student, teacher])
    assert to_teacher is None
    assert np.isfinite(to_student).all() and float(tf.norm(to_student)) > 1e-4


@pytest.mark.parametrize("objective", ON_LOGITS + ON_FEATURES, ids=lambda o: o.name)
@pytest.mark.parametrize("start", ["zeros", "equal"])
def test_the_gradient_is_a_number_where_the_student_is_nothing_or_the_teacher(objective: Any, start: str) -> None:
    teacher = tf.random.normal(shape_of(objective), seed=2)
    student = tf.Variable(tf.zeros_like(teacher) if start == "zeros" else teacher)
    with tf.GradientTape() as tape:
        loss = objective(tf.fill((4,), -1), student, teacher)
    gradient = np.asarray(tape.gradient(loss, student))
    assert np.isfinite(gradient).all()
    if start == "equal":
        assert np.asarray(loss) == pytest.approx(0, abs=1e-5) and np.abs(gradient).max() < 1e-3


@pytest.mark.parametrize("objective", ON_LOGITS + ON_FEATURES, ids=lambda o: o.name)
def test_one_step_against_the_gradient_makes_it_smaller(objective: Any) -> None:
    teacher = tf.random.normal(shape_of(objective), seed=2)
    student = tf.Variable(tf.random.normal(shape_of(objective), seed=1))
    with tf.GradientTape() as tape:
        before = tf.reduce_mean(objective(LABELS, student, teacher))
    gradient = tape.gradient(before, student)
    student.assign_sub(1e-2 * gradient / tf.norm(gradient))
    assert float(tf.reduce_mean(objective(LABELS, student, teacher))) < float(before)


def test_an_objective_is_found_by_its_name() -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(Objective)
    assert adapter.validate_python({"name": "dkd", "other_weight": 8}) == DKD(other_weight=8)
    settings = {"name": "weighted", "terms": [{"weight": 2, "objective": {"name": "fitnet", "taps": {"student": "a"}}},
                                          {"objective": {"name": "labels"}}]}  # fmt: skip
    objective = adapter.validate_python(settings)
    assert [(term.weight, term.objective.name) for term in objective.terms] == [(2.0, "fitnet"), (1.0, "labels")]
    assert adapter.validate_python(objective.model_dump(mode="json")) == objective
    assert terms_of(Hinton()) == (Term(objective=Hinton()),)
    assert terms_of(objective) == objective.terms


def test_features_alone_are_refused() -> None:
    with pytest.raises(ValueError, match="leave the head untrained"):
        Weighted(terms=(Term(objective=FitNet()),))
    with pytest.raises(ValueError, match="fitnet"):
        TypeAdapter(Objective).validate_python({"name": "fitnet"})
    with pytest.raises(ValueError, match="greater than 0"):
        Term(weight=0, objective=DKD())
