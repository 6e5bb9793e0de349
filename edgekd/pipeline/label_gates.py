"""The gate on the order of labels, for a run's teacher and students: what it calls the outputs, and what to do."""

from __future__ import annotations

from edgekd.evaluation.gates import label_gate
from edgekd.evaluation.rows import GateRecord
from edgekd.pipeline.context import RunContext
from edgekd.scoring import Answers
from edgekd.teacher.settings import TeacherSection

_TRAINED = "Its head was trained on these labels: look for photos in folders of other classes"
_USED = "Correct the order in [teacher] classes"
_WORDS = "Correct the order of classes in the table that [teacher] words names"


def teacher_label_gate(context: RunContext, split: str, answers: Answers) -> GateRecord | None:
    """The gate on the teacher's answers for a split, as ``scoring`` takes them; None where too few photos tell.

    One that fails counts as accepted where the run accepts a weak teacher.
    """
    section, classes = context.recipe.teacher, context.dataset.classes
    truth = context.dataset.truth(split)
    gate = label_gate(f"teacher, {split}", truth, answers, _names(section) or classes, classes, _advice(section))
    if gate is None:
        return None
    accepts = context.accept_weak_teacher or section.accept_weak
    record = gate.to_json()
    return {**record, "accepted": True} if accepts and not gate.passed else record


def student_advice(section: TeacherSection) -> str:
    """What to do about a student whose labels are in the wrong order: it has learned them from somewhere."""
    return f"It learned that from its teacher or from the labels. {_advice(section)}"


def _names(section: TeacherSection) -> tuple[str, ...]:
    """The teacher's outputs as the recipe calls them; nothing where its file has the names, or several differ."""
    names = {member.classes for member in section.members()}
    return names.pop() if len(names) == 1 else ()


def _advice(section: TeacherSection) -> str:
    if section.words is not None:
        return _WORDS
    return _TRAINED if section.train else _USED
