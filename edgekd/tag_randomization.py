"""Whether chance explains that one model's tags are better than another's: a randomization test over photos.

If two models are equally good, which of them gave which answers for a photo is arbitrary. So the answers of photos are
swapped at random, and the gain is compared with those that this gives. Where one label decides, this is McNemar's test.
For average precision, an answer is the photo's rank among the model's own.

Source: R. A. Fisher, The Design of Experiments (1935); for average precision, M. Smucker, J. Allan, B. Carterette, CIKM
(2007).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgekd.tag_metrics import Probabilities, Targets, Thresholds, decide_tags, means_over_tags, paired_arrays
from edgekd.task import Metric

_DRAWS, _CHUNK = 1000, 100
# Up to so many photos every way to swap them is looked at.
_MOST_EXACT = 9
# Differences below are rounding.
_ROUNDING = 1e-12

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class ChangeP:
    """The probability of so large a ``loss`` or more if both are equally good, and of a change ``either`` way."""

    loss: float
    either: float


def change_p(
    metric: Metric,
    targets: Targets,
    reference: Probabilities,
    other: Probabilities,
    thresholds: Thresholds = 0.5,
    other_thresholds: Thresholds | None = None,
) -> ChangeP:
    """Test whether ``other`` is as good as ``reference`` by the ``metric``, both probabilities [N, C] of the photos.

    ``other_thresholds`` are those of ``other``, by default the same. Raises UsageError.
    """
    truth, first = paired_arrays(targets, reference)
    _, second = paired_arrays(targets, other)
    if metric == "mean_average_precision":
        # Of the order alone: mixed with another model's, larger probabilities would come first for their scale.
        first, second = _ranks(first), _ranks(second)
    else:
        theirs = thresholds if other_thresholds is None else other_thresholds
        first, second = (decide_tags(*each).astype(np.float64) for each in ((first, thresholds), (second, theirs)))
    score = _ranked_scores if metric == "mean_average_precision" else _f1_scores
    differ = (first != second).any(axis=1)

    def gain(swapped: Flags) -> Floats:
        return score(truth, second, first, swapped) - score(truth, first, second, swapped)

    observed = float(gain(np.zeros((1, len(truth)), bool))[0])
    gains = np.concatenate([gain(swapped) for swapped in _swaps(differ)])
    # One of the draws of a sample is what was observed; of all the ways to swap, it is among them already.
    extra = 0 if differ.sum() <= _MOST_EXACT else 1
    below = (int((gains <= observed + _ROUNDING).sum()) + extra) / (len(gains) + extra)
    as_far = (int((np.abs(gains) >= abs(observed) - _ROUNDING).sum()) + extra) / (len(gains) + extra)
    return ChangeP(below, as_far)


def _ranks(scores: Floats) -> Floats:
    """The rank of each photo [N, C] within its column, equal ones with their mean."""
    from scipy.stats import rankdata

    return np.asarray(rankdata(scores, axis=0), np.float64)


def _swaps(differ: Flags) -> Iterator[Flags]:
    """Which photos are swapped [B, N], of those that ``differ`` [N]."""
    places = np.flatnonzero(differ)
    if len(places) <= _MOST_EXACT:
        swapped = np.zeros((2 ** len(places), len(differ)), bool)
        swapped[:, places] = (np.arange(len(swapped))[:, None] >> np.arange(len(places))) & 1
        yield swapped
        return
    rng = np.random.default_rng(0)
    for _ in range(0, _DRAWS, _CHUNK):
        yield rng.integers(0, 2, (_CHUNK, len(differ)), np.int8).astype(bool) & differ


def _f1_scores(truth: Flags, tags: Floats, others: Floats, swapped: Flags) -> Floats:
    """Macro F1 [B] of tags, with the others' where photos are ``swapped`` [B, N]."""
    unswapped = (~swapped).astype(np.float64)
    hits = unswapped @ (truth & (tags > 0)) + swapped @ (truth & (others > 0)).astype(np.float64)
    predicted = unswapped @ tags + swapped @ others
    have = truth.sum(axis=0)
    return means_over_tags(np.where(have > 0, 2 * hits / np.maximum(have + predicted, 1.0), np.nan))


def _ranked_scores(truth: Flags, scores: Floats, others: Floats, swapped: Flags) -> Floats:
    """Mean average precision [B] of scores, with the others' where photos are ``swapped`` [B, N]."""
    values = np.full((len(swapped), truth.shape[1]), np.nan)
    for tag in np.flatnonzero(truth.any(axis=0)):
        mixed = np.where(swapped, others[:, tag], scores[:, tag])
        order = np.argsort(-mixed, axis=1, kind="stable")
        ranked, has_tag = np.take_along_axis(mixed, order, axis=1), truth[order, tag]
        ends = np.ones(ranked.shape, bool)
        ends[:, :-1] = ranked[:, 1:] != ranked[:, :-1]
        seen = np.arange(1.0, len(truth) + 1)
        # Counts only grow, so those at the end of a photo's step are the least of the ends that follow.
        hits_at_end = _next(np.where(ends, np.cumsum(has_tag, axis=1), np.inf))
        precision = hits_at_end / _next(np.where(ends, seen, np.inf))
        values[:, tag] = (precision * has_tag).sum(axis=1) / truth[:, tag].sum()
    return means_over_tags(values)


def _next(values: Floats) -> Floats:
    """Of each place [B, N] the least of the values from there on."""
    return np.asarray(np.minimum.accumulate(values[:, ::-1], axis=1)[:, ::-1])
