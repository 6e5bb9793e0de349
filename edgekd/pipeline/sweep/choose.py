"""Which of a sweep's students are worth their size, and which one meets the conditions of ``--pick``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from edgekd.pipeline.sweep.pick import Condition
from edgekd.pipeline.sweep.records import SweptStudent


def front(students: Sequence[SweptStudent]) -> list[SweptStudent]:
    """Marked are those that no other beats in both size and validation accuracy; smallest first."""
    ordered = sorted(students, key=lambda student: (student.size_bytes, -student.val_accuracy.value))
    best, marked = -1.0, []
    for student in ordered:
        marked.append(replace(student, on_front=student.val_accuracy.value > best))
        best = max(best, student.val_accuracy.value)
    return marked


def pick(students: Sequence[SweptStudent], conditions: Sequence[Condition]) -> SweptStudent | None:
    """Of those that meet every condition and no gate failed: the best on the validation photos, then the smallest."""
    fit = [
        student
        for student in students
        if not student.failed_gates and all(condition.holds(student.values()) for condition in conditions)
    ]
    return max(fit, key=lambda student: (student.val_accuracy.value, -student.size_bytes), default=None)
