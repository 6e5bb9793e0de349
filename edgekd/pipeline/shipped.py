"""Which of a run's two students ships: the distilled one, or the one from labels alone where that is surely better."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edgekd.pipeline.context import RunContext
from edgekd.pipeline.validation_answers import read_answers
from edgekd.scoring import loss_p, score
from edgekd.storage import read_json
from edgekd.task import metric_name

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
    validation photos right that chance hardly explains it (exact one-sided test, 5 %); where photos have tags, is so
    much better by the metric. Test photos take no part.
    """
    if context.recipe.distill.ships == "distilled" or context.label_free:
        return _DISTILLED
    truth, metric = context.dataset.truth("val"), context.recipe.metric
    scratch, distilled = (
        read_answers(read_json(context.path / stage / "history.json"), context.recipe.data.task)
        for stage in ("scratch", "distill")
    )
    if not len(truth) or len(scratch) != len(truth) or len(distilled) != len(truth):
        return _DISTILLED
    p_value = loss_p(metric, truth, scratch, distilled)
    if p_value >= _SURE:
        return _DISTILLED
    name = metric_name(metric)
    better, worse = (score(metric, truth, answers).value for answers in (scratch, distilled))
    return Shipped(
        "labels_only",
        "scratch",
        f"the student from labels alone ships: {better:.1%} {name} on {len(truth)} validation photos against "
        f"{worse:.1%} of the distilled one (p = {p_value:.2g})",
    )
