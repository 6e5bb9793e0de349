"""Stage ``distill``: the student learns from the stored soft targets, and from further stores if there are any."""

from __future__ import annotations

from typing import Any

from edgekd.distill.bind import bind
from edgekd.pipeline.context import RunContext
from edgekd.pipeline.stages.features import open_features
from edgekd.pipeline.student_training import Lesson, distillation_batches, distillation_photos, train_student
from edgekd.soft_targets.joined import extra_stores


def run(context: RunContext, repeat: int = 0) -> None:
    """Writes ``distill/student.keras`` and ``distill/history.json``."""
    section, hashes = context.recipe.distill, context.workspace.hashes
    depends: dict[str, Any] = {
        "objective": section.objective.model_dump(mode="json"), "soft_targets": hashes["soft_targets"],
    }  # fmt: skip
    if section.confidence:
        depends["confidence"] = section.confidence.model_dump(mode="json")
    if section.labelled_share is not None:
        depends["labelled_share"] = section.labelled_share
    if "features" in hashes:
        depends["features"] = hashes["features"]
    if context.recipe.data.soft_labelled:
        depends["extra_targets"] = [store["key"] for store in extra_stores(context.path)]

    def lesson(student: Any) -> Lesson:
        features = open_features(context) if "features" in hashes else None
        loss = bind(section.objective, student, features and features.teacher, section.confidence)
        stream = distillation_batches(
            context, student, section.schedule.batch_size, context.recipe.seed + repeat,
            features.sources if features else (),
        )  # fmt: skip
        record = {"features": features.record} if features else {}
        return Lesson(loss, stream, distillation_photos(context), record)

    train_student(context, "distill", repeat, depends, lesson)
