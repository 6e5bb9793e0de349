"""Whether one model is ahead of another on the photos that both answered, by the metric that judges them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgekd.metrics import mcnemar_p
from edgekd.scoring import Answers, Truth, loss_p, score
from edgekd.task import Metric

Labels = npt.NDArray[np.int64]

# One-sided: odds of 3 to 1, and what is called sure.
_LIKELY, _SURE = 0.25, 0.05
_ROUNDING = 1e-9
_DRAWS, _CHUNK = 20_000, 1_000


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


def behind_p(labels: Labels, teacher: Labels, student: Labels, is_balanced: bool) -> float:
    """Two-sided p-value that both are equally good: McNemar's exact test; for balanced accuracy, a randomization test.

    There a photo's weight is its share of the mean recall. The signs of photos that only one of the two gets right are
    exchanged in every way, or, of more than 14 photos, in 20,000 random ways with a fixed seed. Source: R. A. Fisher,
    The Design of Experiments (1935).
    """
    if not is_balanced:
        return mcnemar_p(labels, teacher, student)
    change = weights_of(labels, is_balanced) * ((teacher == labels).astype(np.float64) - (student == labels))
    change = change[change != 0]
    count, bar = len(change), abs(change.sum()) - 1e-12
    if 2**count <= _DRAWS:
        signs = (np.arange(2**count)[:, None] >> np.arange(count) & 1) * 2.0 - 1.0
        return float((np.abs(signs @ change) >= bar).mean())
    rng, as_far = np.random.default_rng(0), 0
    for _ in range(0, _DRAWS, _CHUNK):
        signs = rng.integers(0, 2, (_CHUNK, count), np.int8) * 2.0 - 1.0
        as_far += int((np.abs(signs @ change) >= bar).sum())
    return (1 + as_far) / (1 + _DRAWS)


def weights_of(labels: Labels, is_balanced: bool) -> npt.NDArray[np.float64]:
    """The share of the score that each photo [N] adds if it is right."""
    if not is_balanced:
        return np.full(len(labels), 1 / len(labels))
    classes, where, counts = np.unique(labels, return_inverse=True, return_counts=True)
    return np.asarray(1 / counts[where] / len(classes))
