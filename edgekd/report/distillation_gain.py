"""The gain of distillation: the same student, from the same start, with and without the teacher."""

from __future__ import annotations

import numpy as np

from edgekd.metrics import Interval, mcnemar_p, paired_changes, paired_gain
from edgekd.report import format as fmt
from edgekd.report.model import DistillationGain


def distillation_gain(truth: list[int], from_scratch: list[int], distilled: list[int], metric: str) -> DistillationGain:
    """Compare two prediction lists photo by photo; the gain's 95 % interval is a seeded, paired bootstrap.

    Args:
        truth: Class numbers of the test photos [N].
        from_scratch: What the student from labels alone predicts for them [N].
        distilled: What the distilled student predicts [N].
        metric: "accuracy", or "balanced_accuracy", whose mean is over classes first.

    Returns:
        The gain (0 to 1), the photos put right and put wrong, McNemar's p, and all of it in words.
    """
    labels, scratch, student = (np.asarray(values, np.int64) for values in (truth, from_scratch, distilled))
    gain = paired_gain(labels, scratch, student, balanced=metric == "balanced_accuracy")
    broken, fixed = paired_changes(labels, scratch, student)
    p_value = mcnemar_p(labels, scratch, student)
    return DistillationGain(
        gain, fixed, broken, len(labels), p_value, _text(gain, fixed, broken, len(labels), p_value, metric)
    )


def _text(gain: Interval, fixed: int, broken: int, n: int, p_value: float, metric: str) -> str:
    interval = f"({fmt.points(gain.low)} to {fmt.points(gain.high)})"
    if gain.low > 0 or gain.high < 0:
        verb, amount = ("added", gain.value) if gain.value > 0 else ("cost", -gain.value)
        opening = f"Distillation {verb} {amount * 100:.1f} points of {fmt.metric_name(metric)} {interval}"
    else:
        opening = (
            f"Distillation made no difference that {n:,} photos can show: {fmt.points(gain.value)} points {interval}"
        )
    return (
        f"{opening}. Of {n:,} test photos it classifies {fixed} correctly that labels alone misclassify, and "
        f"misclassifies {broken} that they classify correctly (McNemar p = {p_value:.2g})."
    )
