"""Which of a run's two students ships: the distilled one, or that from labels alone where validation speaks for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edgekd.evaluation.lead import LIKELY, SURE, lead_p
from edgekd.pipeline.context import RunContext
from edgekd.pipeline.validation_answers import read_answers
from edgekd.scoring import Answers, score
from edgekd.storage import read_json
from edgekd.task import metric_name
from edgekd.teacher.cross_validation import SMALL_VALIDATION
from edgekd.teacher.settings import TeacherSection


@dataclass(frozen=True)
class Shipped:
    """The student's row, the stage that trained it, and why, in a sentence, where it is not the distilled one.

    ``doubt`` says that the validation photos are too few to tell the two apart, and what to do; empty where they do.
    """

    row: Literal["distilled", "labels_only"]
    stage: Literal["distill", "scratch"]
    reason: str = ""
    doubt: str = ""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should read of it."""
        return tuple(text for text in (self.reason, self.doubt) if text)


_DISTILLED = Shipped("distilled", "distill")


def shipped_student(context: RunContext) -> Shipped:
    """The student that is quantized and exported in full, by the validation photos; both must be trained.

    The distilled one, unless ``distill.ships`` is "better" and the odds are at least 3 to 1 that the one from labels
    alone is better: an exact one-sided test of the recipe's metric with p <= 0.25, of photos that only one of them gets
    right 2 to 0, 4 to 1 or 6 to 2. Test photos take no part.

    One photo is no evidence, and distillation usually helps; certainty (p < 0.05) is more than 15 to 35 photos can
    give: in 15 runs of three tasks (benchmarks/budget), 4 shipped a file that was 5 to 13 points worse on test for want
    of it, and 2 one that was better, by 8 points and by 1.
    """
    if context.recipe.distill.ships == "distilled" or context.label_free:
        return _DISTILLED
    truth, metric = context.dataset.truth("val"), context.recipe.metric
    scratch, distilled = (_answers(context, f"{stage}/history.json") for stage in ("scratch", "distill"))
    if not len(truth) or len(scratch) != len(truth) or len(distilled) != len(truth):
        return _DISTILLED
    name = metric_name(metric)
    alone, taught = (score(metric, truth, answers).value for answers in (scratch, distilled))
    doubt = ""
    first, second = (scratch, distilled) if alone > taught else (distilled, scratch)
    p_value = lead_p(metric, truth, first, second)
    if len(truth) < SMALL_VALIDATION and alone != taught and p_value >= SURE:
        doubt = (
            f"{len(truth)} validation photos can't tell for sure which of the two students is better ({name} "
            f"{taught:.1%} distilled, {alone:.1%} from labels alone). Label more photos, or set a larger val under "
            "[data.split]"
        )
    if alone <= taught or p_value > LIKELY:
        return Shipped("distilled", "distill", doubt=doubt)
    reason = (
        f"the student from labels alone ships: {alone:.1%} {name} on {len(truth)} validation photos against "
        f"{taught:.1%} of the distilled one (p = {p_value:.2g})"
    )
    return Shipped("labels_only", "scratch", reason, doubt)


def describe_weak_teacher(context: RunContext) -> str:
    """That the teacher does worse than the student from labels alone, by the same test, and what to do; else empty."""
    if context.label_free:
        return ""
    truth, metric = context.dataset.truth("val"), context.recipe.metric
    scratch, teacher = (_answers(context, name) for name in ("scratch/history.json", "teacher/summary.json"))
    if not len(truth) or len(scratch) != len(truth) or len(teacher) != len(truth):
        return ""
    p_value = lead_p(metric, truth, scratch, teacher)
    if p_value > LIKELY:
        return ""
    alone, value = (score(metric, truth, answers).value for answers in (scratch, teacher))
    return (
        f"the teacher has {value:.1%} {metric_name(metric)} on {len(truth)} validation photos, the student "
        f"from labels alone {alone:.1%} (p = {p_value:.2g}), and a student hardly gets better than its teacher. "
        f"{_advice(context.recipe.teacher)}"
    )


def _advice(teacher: TeacherSection) -> str:
    if teacher.train and not teacher.encodes and teacher.fine_tune_blocks != "auto":
        return 'Set fine_tune_blocks = "auto" under [teacher]: it trains more of the teacher where held-out photos gain'
    return "Label more photos, or take another teacher"


def _answers(context: RunContext, record: str) -> Answers:
    return read_answers(read_json(context.path / record), context.recipe.data.task)
