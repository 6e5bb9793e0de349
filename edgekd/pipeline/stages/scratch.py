"""Stage ``scratch``: the same student, trained on the labels alone for as many steps."""

from __future__ import annotations

from typing import Any

from edgekd.distill.bind import bind
from edgekd.pipeline.context import RunContext
from edgekd.pipeline.student_training import Lesson, train_student
from edgekd.training.batches import BatchStream
from edgekd.training.labels import LabelsOnly


def run(context: RunContext, repeat: int = 0) -> None:
    """Writes ``scratch/student.keras`` and ``scratch/history.json``."""
    schedule, seed = context.recipe.distill.schedule, context.recipe.seed + repeat

    def lesson(student: Any) -> Lesson:
        stream = BatchStream(
            context.views(student), context.pool.labelled, context.pool.labels, None,
            batch_size=schedule.batch_size, seed=seed,
        )  # fmt: skip
        # The budget is that of the whole pool, so that both trainings get as many steps; further stores, which the
        # labels know nothing of, add to the distillation's alone.
        return Lesson(bind(LabelsOnly(), student), stream, len(context.pool.samples), {})

    train_student(context, "scratch", repeat, {}, lesson)
