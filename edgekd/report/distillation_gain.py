"""The gain of distillation: the same student, from the same start, with and without the teacher."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgekd.metrics import Interval
from edgekd.report import format as fmt
from edgekd.report.gains import DistillationGain
from edgekd.scoring import Answers, Truth, as_answers, as_truth, changes, difference_p, gain, has_tags
from edgekd.task import Metric


def distillation_gain(
    truth: Sequence[Any] | Truth, from_scratch: Sequence[Any] | Answers, distilled: Sequence[Any] | Answers,
    metric: Metric,
) -> DistillationGain:  # fmt: skip
    """Compare two students' answers photo by photo; the gain's 95 % interval is a seeded, paired bootstrap.

    Args:
        truth: Class numbers of the test photos [N], or their tags [N, C].
        from_scratch: What the student from labels alone answers, as ``scoring`` takes it.
        distilled: What the distilled student answers.
        metric: What the gain is of.

    Returns:
        The gain (0 to 1), the photos put right and put wrong, the p-value, and all of it in words.
    """
    labels = as_truth(truth)
    scratch, student = (as_answers(values, labels) for values in (from_scratch, distilled))
    gained = gain(metric, labels, scratch, student)
    broken, fixed = changes(labels, scratch, student)
    p_value = difference_p(metric, labels, scratch, student)
    text = _text(gained, fixed, broken, len(labels), p_value, metric, by_tags=has_tags(labels))
    return DistillationGain(gained, fixed, broken, len(labels), p_value, text)


def _text(gain: Interval, fixed: int, broken: int, n: int, p_value: float, metric: str, *, by_tags: bool) -> str:
    interval = f"({fmt.points(gain.low)} to {fmt.points(gain.high)})"
    if gain.low > 0 or gain.high < 0:
        verb, amount = ("added", gain.value) if gain.value > 0 else ("cost", -gain.value)
        opening = f"Distillation {verb} {amount * 100:.1f} points of {fmt.metric_name(metric)} {interval}"
    else:
        opening = (
            f"Distillation made no difference that {n:,} photos can show: {fmt.points(gain.value)} points {interval}"
        )
    if by_tags:
        return (
            f"{opening}. Of {n:,} test photos {fixed} get exactly their tags from it and not from labels alone, and "
            f"{broken} the other way round (randomization test of the {fmt.metric_name(metric)}, p = {p_value:.2g})."
        )
    return (
        f"{opening}. Of {n:,} test photos it classifies {fixed} correctly that labels alone misclassify, and "
        f"misclassifies {broken} that they classify correctly (McNemar p = {p_value:.2g})."
    )
