"""Whether one model is ahead of another on the photos that both answered, by the metric that judges them."""

from __future__ import annotations

import numpy as np

from edgekd.evaluation.teacher_gates import behind_p
from edgekd.scoring import Answers, Truth, loss_p, score
from edgekd.task import Metric

# One-sided: odds of 3 to 1, and what is called sure.
_LIKELY, _SURE = 0.25, 0.05
_ROUNDING = 1e-9


def leads(metric: Metric, truth: Truth, first: Answers, second: Answers) -> float | None:
    """The p-value of the lead of ``first``, where it has one that chance would hardly explain; None elsewhere.

    A lead is a higher ``metric``, and counts where the other one would be as good or better with p <= 0.25, by an exact
    or a randomization test on the same photos.
    """
    p_value = _lead_p(metric, truth, first, second)
    return p_value if p_value <= _LIKELY + _ROUNDING else None


def leads_surely(metric: Metric, truth: Truth, first: Answers, second: Answers) -> bool:
    """Whether ``first`` has the higher ``metric`` and p < 0.05."""
    return _lead_p(metric, truth, first, second) < _SURE


def _lead_p(metric: Metric, truth: Truth, first: Answers, second: Answers) -> float:
    """One-sided p-value that ``second`` is as good as ``first`` or better; 1 where ``first`` has no lead."""
    if score(metric, truth, first).value <= score(metric, truth, second).value:
        return 1.0
    if metric == "balanced_accuracy":
        # The signs are symmetric, so a change one way is half as likely as one either way.
        return behind_p(np.asarray(truth, np.int64), second, first, is_balanced=True) / 2
    return loss_p(metric, truth, first, second)
