"""When a teacher is not worth learning from."""

from __future__ import annotations

import numpy as np
import pytest

from edgekd.evaluation.lead import behind_p
from edgekd.evaluation.teacher_gates import teacher_gates

LABELS = np.array([0] * 12 + [1] * 8)


def passed(teacher: np.ndarray, student: np.ndarray) -> list[bool]:
    return [gate["passed"] for gate in teacher_gates(LABELS, teacher, student)]


def test_a_good_teacher_passes_both() -> None:
    assert passed(LABELS, np.zeros(20, int)) == [True, True]


def test_the_commonest_class_alone_is_chance() -> None:
    gates = teacher_gates(LABELS, np.zeros(20, int), np.zeros(20, int))
    assert not gates[0]["passed"]
    assert (gates[0]["value"], gates[0]["bar"]) == (0.6, 0.6)


def test_a_photo_or_two_worse_than_the_student_is_no_proof() -> None:
    teacher = LABELS.copy()
    teacher[:2] = 1
    assert passed(teacher, LABELS) == [True, True]
    assert teacher_gates(LABELS, teacher, LABELS)[1]["message"].endswith("100.0%: not significantly worse (p = 0.5)")
    assert "worse" not in teacher_gates(LABELS, LABELS, teacher)[1]["message"]


def test_eight_photos_worse_is() -> None:
    teacher = LABELS.copy()
    teacher[:8] = 1
    # 8 discordant photos, all against the teacher: exact McNemar p = 2 / 2**8 < 0.05.
    assert passed(teacher, LABELS)[1] is False
    assert ": significantly worse (p = 0.0078)" in teacher_gates(LABELS, teacher, LABELS)[1]["message"]


def test_balanced_accuracy_is_judged_by_its_own_chance() -> None:
    labels = np.array([0] * 90 + [1] * 10)
    # Right on 90 % of the photos, and yet no better than one answer for all.
    gates = teacher_gates(labels, np.zeros(100, int), labels, "balanced_accuracy")
    assert (gates[0]["value"], gates[0]["bar"]) == (0.5, 0.5)
    assert [gate["passed"] for gate in gates] == [False, False]
    # Five of the rare class against nine of the common one: by photos the teacher is behind, by recalls well ahead.
    teacher, student = labels.copy(), labels.copy()
    teacher[:9], student[-5:] = 1, 0
    assert [gate["passed"] for gate in teacher_gates(labels, teacher, student, "balanced_accuracy")] == [True, True]


def test_with_equal_classes_the_signs_are_mcnemar() -> None:
    labels = np.array([0] * 20 + [1] * 20)
    teacher, student = labels.copy(), labels.copy()
    teacher[:9], student[-2:] = 1, 0
    # 9 photos against 2: exact p of both tails is 2 (1 + 11 + 55) / 2**11.
    exact = 134 / 2048
    assert behind_p(labels, teacher, student, False) == pytest.approx(exact)
    assert behind_p(labels, teacher, student, True) == pytest.approx(exact, abs=0.006)


def test_a_teacher_of_tags_is_judged_by_its_ranking() -> None:
    rng = np.random.default_rng(0)
    truth = (rng.random((80, 3)) < 0.4).astype(np.int8)
    good = np.clip(0.6 * truth + 0.4 * rng.random(truth.shape), 0, 1)
    weak = np.clip(0.1 * truth + 0.9 * rng.random(truth.shape), 0, 1)
    assert [gate["passed"] for gate in teacher_gates(truth, good, weak, "mean_average_precision")] == [True, True]
    behind = teacher_gates(truth, weak, good, "macro_f1")
    assert not behind[1]["passed"] and "macro F1 on 80 validation photos" in behind[1]["message"]
    same = teacher_gates(truth, np.full(truth.shape, 0.5), weak, "mean_average_precision")[0]
    assert not same["passed"] and same["value"] == pytest.approx(same["bar"])
