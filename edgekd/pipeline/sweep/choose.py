"""Which of a sweep's students are worth their size, and which one meets the conditions of ``--pick``."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from edgekd.pipeline.sweep.pick import Condition
from edgekd.pipeline.sweep.records import FrontStep, Pick, SweptStudent
from edgekd.scoring import Answers, Truth, gain, loss_p
from edgekd.task import Metric

FEW_VALIDATION = 100
"""With fewer validation photos than this, the teacher's answers on the pool decide between students."""
LEAST_POOL = 200
"""Photos without labels that it takes for that."""
# Two students that chance tells apart with less than this probability are not equally good.
_SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Predictions:
    """The ``labels`` of photos, and each student's answers by its name, as ``scoring`` takes them."""

    labels: Truth
    of: Mapping[str, Answers]
    metric: Metric = "accuracy"

    def tie(self, better: str, other: str) -> bool:
        """Whether the photos do not show that ``better`` is better (one-sided test, 5 %)."""
        return loss_p(self.metric, self.labels, self.of[better], self.of[other]) >= _SIGNIFICANT


def front(students: Sequence[SweptStudent]) -> list[SweptStudent]:
    """Marked are those that no other beats in both size and validation accuracy; smallest first."""
    ordered = sorted(students, key=lambda student: (student.size_bytes, -student.val_accuracy.value))
    best, marked = -1.0, []
    for student in ordered:
        marked.append(replace(student, on_front=student.val_accuracy.value > best))
        best = max(best, student.val_accuracy.value)
    return marked


def reasons_against(student: SweptStudent, conditions: Sequence[Condition]) -> tuple[str, ...]:
    """Why a student can't be picked: gates that failed, conditions that it does not meet; empty where it can."""
    values = student.values()
    return (
        *(f"the gate {name} failed" for name in student.failed_gates),
        *(
            f"{condition.key} has no valid number" if values.get(condition.key) is None else f"not {condition}"
            for condition in conditions
            if not condition.holds(values)
        ),
    )


def mark_left_out(students: Sequence[SweptStudent], conditions: Sequence[Condition]) -> list[SweptStudent]:
    """The students with the reasons why each can't be picked; as they are where there are no conditions."""
    if not conditions:
        return list(students)
    return [replace(student, left_out=reasons_against(student, conditions)) for student in students]


def pick(students: Sequence[SweptStudent], conditions: Sequence[Condition]) -> SweptStudent | None:
    """Of those that meet every condition and no gate failed: the best on the validation photos, then the smallest."""
    fit = [student for student in students if not reasons_against(student, conditions)]
    return max(fit, key=lambda student: (student.val_accuracy.value, -student.size_bytes), default=None)


def teacher_decides(validation: int, pool: int) -> bool:
    """Whether so few validation photos leave the choice to the teacher's answers on so many photos without labels."""
    return validation < FEW_VALIDATION and pool >= LEAST_POOL


def pick_with_teacher(
    students: Sequence[SweptStudent], conditions: Sequence[Condition], validation: Predictions, pool_n: int
) -> tuple[SweptStudent | None, Pick]:
    """The student that is picked, and how.

    As ``pick``; but where `teacher_decides`, of the students that meet every condition and that the validation photos
    can't tell from the best of them, the one that agrees most with the teacher on ``pool_n`` photos without labels.
    """
    named, count = tuple(map(str, conditions)), len(validation.labels)
    best = pick(students, conditions)
    if best is None:
        return None, Pick(named, "accuracy", "No student meets every condition.")
    if not teacher_decides(count, pool_n):
        rule = f"Picked by the {count:,} validation photos among those that meet every condition; then the smallest."
        return best, Pick(named, "accuracy", rule)
    tied = [
        student
        for student in students
        if student.agreement is not None
        and not reasons_against(student, conditions)
        and validation.tie(best.student, student.student)
    ]
    chosen = max(tied, key=lambda student: (student.agreement or 0.0, -student.size_bytes), default=best)
    rule = (
        f"Picked by the teacher's answers on {pool_n:,} photos without labels: {count:,} validation photos are fewer "
        f"than {FEW_VALIDATION}, and can't tell {_students(len(tied))} that meet every condition from the best of them "
        f"({best.student}, p ≥ {_SIGNIFICANT}). {chosen.student} agrees with the teacher on "
        f"{(chosen.agreement or 0.0):.1%}."
    )
    return chosen, Pick(named, "agreement", rule)


def _students(count: int) -> str:
    return "1 student" if count == 1 else f"{count} students"


def steps_of(students: Sequence[SweptStudent], test: Predictions) -> tuple[FrontStep, ...]:
    """What each step along the front of sizes, and along that of latencies, costs and gains on the test photos."""
    by_size = [student for student in front(students) if student.on_front]
    timed = [student for student in students if student.values()["p50"] is not None]
    by_time, best = [], -1.0
    for student in sorted(timed, key=lambda student: (student.p50_ms or 0.0, -student.val_accuracy.value)):
        if student.val_accuracy.value > best:
            by_time.append(student)
            best = student.val_accuracy.value

    def step(student: SweptStudent, after: SweptStudent) -> FrontStep:
        gained = gain(test.metric, test.labels, test.of[student.student], test.of[after.student])
        cost = float(after.size_bytes - student.size_bytes)
        return FrontStep("size", student.student, after.student, cost, gained, len(test.labels))

    sizes = [step(*pair) for pair in itertools.pairwise(by_size)]
    times = [
        replace(step(one, after), of="latency", cost=(after.p50_ms or 0.0) - (one.p50_ms or 0.0))
        for one, after in itertools.pairwise(by_time)
    ]
    return (*sizes, *times)
