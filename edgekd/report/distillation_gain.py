"""The gain of distillation: the same student, from the same start, with and without the teacher."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgekd.metrics import Interval, mcnemar_p
from edgekd.report import format as fmt
from edgekd.report.model import DistillationGain

_RESAMPLES = 4000


def distillation_gain(truth: list[int], from_scratch: list[int], distilled: list[int], metric: str) -> DistillationGain:
    """Compare two prediction lists photo by photo; the gain's 95 % interval is a seeded, paired bootstrap."""
    labels, scratch, student = (np.asarray(values, np.int64) for values in (truth, from_scratch, distilled))
    change = (student == labels).astype(np.float64) - (scratch == labels)
    gain = _gain(change, labels, balanced=metric == "balanced_accuracy")
    fixed, broken = int((change > 0).sum()), int((change < 0).sum())
    p_value = mcnemar_p(labels, scratch, student)
    return DistillationGain(
        gain, fixed, broken, len(labels), p_value, _text(gain, fixed, broken, len(labels), p_value, metric)
    )


def _gain(change: NDArray[np.float64], labels: NDArray[np.int64], balanced: bool) -> Interval:
    """Mean of ``change``; over classes first where ``balanced``, photos then being redrawn within their class."""
    strata = [change[labels == label] for label in np.unique(labels)] if balanced else [change]
    rng = np.random.default_rng(0)
    draws = np.mean([_resampled_means(values, rng) for values in strata], axis=0)
    low, high = np.quantile(draws, [0.025, 0.975])
    value = float(np.mean([values.mean() for values in strata]))
    return Interval(value, min(float(low), value), max(float(high), value))


def _resampled_means(values: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    # Values are -1, 0 or 1, so a resample is three counts: no matrix of indices is needed.
    shares = np.array([(values < 0).mean(), (values == 0).mean(), (values > 0).mean()])
    counts = rng.multinomial(len(values), shares, size=_RESAMPLES)
    return np.asarray((counts[:, 2] - counts[:, 0]) / len(values))


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
