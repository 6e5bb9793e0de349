"""What is learned from tags, worked by hand: losses, certainty, and which epoch is the best."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgekd.distill.confidence import ConfidenceThreshold, ConfidenceWeight
from edgekd.distill.hinton import Hinton
from edgekd.distill.table import Term, Weighted, why_not_tags
from edgekd.training.batches import tag_certainty
from edgekd.training.labels import LabelsOnly
from edgekd.training.loop import _mixed_loss
from edgekd.training.scores import mean_loss, validation_scores

# A photo with the first of two tags, and one that nothing is known of.
TAGS = np.array([[1, 0], [-1, -1]], np.int32)
THREE_TO_ONE = float(np.log(3))


def row(*logits: float) -> Any:
    return np.float32([logits, logits])


def test_labels_count_as_the_mean_over_tags() -> None:
    # Probabilities 3/4 and 1/4 of the right answers: present, and absent where 3/4 says present.
    losses = np.asarray(LabelsOnly()(TAGS, row(THREE_TO_ONE, THREE_TO_ONE), None))
    assert losses == pytest.approx([(np.log(4 / 3) + np.log(4)) / 2, 0.0])


def test_a_tag_of_a_certain_student_has_a_finite_loss() -> None:
    assert np.asarray(LabelsOnly()(TAGS, row(-300.0, -300.0), None)) == pytest.approx([150.0, 0.0])


def test_distillation_compares_both_probabilities_of_a_tag() -> None:
    objective = Hinton(softmax_temperature=2.0, label_weight=0.0)
    # At T = 2 the teacher's are 3/4 and 1/4 for the first tag; both are undecided about the second.
    losses = np.asarray(objective(TAGS, row(0, 0), row(2 * THREE_TO_ONE, 0)))
    assert losses == pytest.approx([4 * (0.75 * np.log(1.5) + 0.25 * np.log(0.5)) / 2] * 2)
    assert np.asarray(objective(TAGS, row(1, -2), row(1, -2))) == pytest.approx([0.0, 0.0])


def test_a_photo_without_tags_known_keeps_the_teacher_whole() -> None:
    objective = Hinton(softmax_temperature=1.0, label_weight=0.25)
    teacher, student = row(1, -1), row(0, 0)
    alone = np.asarray(Hinton(softmax_temperature=1.0, label_weight=0.0)(TAGS, student, teacher))
    losses = np.asarray(objective(TAGS, student, teacher))
    assert losses == pytest.approx([0.75 * alone[0] + 0.25 * np.log(2), alone[1]])


def test_certainty_is_the_share_of_tags_that_are_likely_right() -> None:
    logits = row(THREE_TO_ONE, -THREE_TO_ONE * 2)
    expected = (3 / 4 + 9 / 10) / 2
    assert tag_certainty(logits) == pytest.approx([expected] * 2)
    assert np.asarray(ConfidenceWeight(power=2)(TAGS, logits)) == pytest.approx([1, expected**2])
    assert np.asarray(ConfidenceThreshold(at_least=0.9)(TAGS, logits)) == pytest.approx([1, 0])
    assert np.asarray(ConfidenceThreshold(at_least=0.8)(TAGS, logits)) == pytest.approx([1, 1])


def test_a_view_of_two_photos_has_the_tags_of_both_by_their_shares() -> None:
    first, second, logits = TAGS[:1], np.array([[0, 1]], np.int32), np.float32([[1.0, -2.0]])
    mixed = np.asarray(_mixed_loss(LabelsOnly(), first, logits, None, second, np.float32([0.7])))
    p = 1 / (1 + np.exp(-logits[0].astype(np.float64)))
    target = np.array([0.7, 0.3])
    assert mixed == pytest.approx([-(target * np.log(p) + (1 - target) * np.log(1 - p)).mean()], abs=1e-6)


def test_an_epoch_is_scored_by_the_metrics_of_tags() -> None:
    targets = np.array([[1, 0], [0, 1], [1, 1]], np.int8)
    logits = np.float32([[2, -2], [1, 3], [3, 1]])
    scores = validation_scores(logits, targets, "macro_f1")
    # The first tag is given to all three photos; both orders are right.
    assert scores["val_mean_average_precision"] == 1
    assert scores["val_macro_f1"] == pytest.approx((0.8 + 1) / 2)
    assert scores["val_loss"] == pytest.approx(mean_loss(logits, targets))
    assert "val_accuracy" not in scores


@pytest.mark.parametrize("name", ["dkd", "dist", "standardized"])
def test_objectives_of_one_choice_among_classes_are_refused(name: str) -> None:
    term = Term.model_validate({"weight": 1.0, "objective": {"name": name}})
    reason = why_not_tags(Weighted(terms=(Term(objective=Hinton()), term)))
    assert reason is not None and reason.startswith(f'"{name}" is for one class a photo') and '"hinton"' in reason
    assert why_not_tags(Hinton()) is None and why_not_tags(LabelsOnly()) is None
