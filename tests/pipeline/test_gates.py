"""When a teacher is not worth learning from."""

from __future__ import annotations

import numpy as np

from edgekd.pipeline.gates import teacher_gates

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


def test_eight_photos_worse_is() -> None:
    teacher = LABELS.copy()
    teacher[:8] = 1
    # 8 discordant photos, all against the teacher: exact McNemar p = 2 / 2**8 < 0.05.
    assert passed(teacher, LABELS)[1] is False
