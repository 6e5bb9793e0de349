"""Which of a run's two students ships: the distilled one, or the one from labels alone where that is surely better."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from edgekd.metrics import accuracy, balanced_accuracy, loss_p
from edgekd.pipeline.context import RunContext
from edgekd.storage import read_json

# Chance explains a lead on the validation photos with less than this probability.
_SURE = 0.05


@dataclass(frozen=True)
class Shipped:
    """The student's row, the stage that trained it, and why, in a sentence, where it is not the distilled one."""

    row: Literal["distilled", "labels_only"]
    stage: Literal["distill", "scratch"]
    reason: str = ""


_DISTILLED = Shipped("distilled", "distill")


def shipped_student(context: RunContext) -> Shipped:
    """The student that is quantized and exported in full, by the validation photos; both must be trained.

    The distilled one, unless ``distill.ships`` is "better" and the student from labels alone gets so many more
    validation photos right that chance hardly explains it (exact one-sided test, 5 %). Test photos take no part.
    """
    if context.recipe.distill.ships == "distilled" or context.label_free:
        return _DISTILLED
    labels = context.dataset.labels("val")
    scratch, distilled = (
        np.asarray(read_json(context.path / stage / "history.json").get("val_predictions", ()), np.int64)
        for stage in ("scratch", "distill")
    )
    if not len(labels) or len(scratch) != len(labels) or len(distilled) != len(labels):
        return _DISTILLED
    p_value = loss_p(labels, scratch, distilled)
    if p_value >= _SURE:
        return _DISTILLED
    balanced = context.recipe.metric == "balanced_accuracy"
    score, name = (balanced_accuracy, "balanced accuracy") if balanced else (accuracy, "accuracy")
    better, worse = (score(labels, predictions).value for predictions in (scratch, distilled))
    return Shipped(
        "labels_only",
        "scratch",
        f"the student from labels alone ships: {better:.1%} {name} on {len(labels)} validation photos against "
        f"{worse:.1%} of the distilled one (p = {p_value:.2g})",
    )
