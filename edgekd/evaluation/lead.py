"""Whether one model is ahead of another on the photos that both answered, by the metric that judges them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgekd.metrics import mcnemar_p
from edgekd.scoring import Answers, Truth, loss_p, score
from edgekd.task import Metric

Labels = npt.NDArray[np.int64]

LIKELY, SURE = 0.25 + 1e-9, 0.05
"""One-sided p-values of a lead: at most the first are odds of 3 to 1, and below the second it is called sure."""
_DRAWS, _CHUNK = 20_000, 1_000


def lead_p(metric: Metric, truth: Truth, first: Answers, second: Answers) -> float:
    """One-sided p-value that ``second`` is as good as ``first`` or better, by an exact or a randomization test.

    Both answered the same photos. It is 1 where ``first`` has no lead, which is a higher ``metric``.
    """
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
