"""How good predictions of tags are, any number of them a photo, and how sure one can be of it.

Everywhere ``targets`` [N, C] are 1 where a photo has a tag and 0 where it does not. A tag that no photo has can't be
judged: it is None or NaN in scores by tag, and is left out of means over tags.

An interval of one tag is a score interval; an interval of a mean over tags puts these together with the correlations
of the tags, which a seeded bootstrap over photos gives (G. Zou, A. Donner, Statistics in Medicine 27 (2008)). So tags
that are all right on a few photos still add their doubt, which a bootstrap alone does not see.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from edgekd.errors import UsageError
from edgekd.metrics import Agreement, Interval, wilson
from edgekd.task import Metric

_RESAMPLES = 1000
# Resamples that are looked at together: few enough for memory, whatever the number of photos.
_CHUNK = 100

Targets = NDArray[np.integer] | NDArray[np.bool_]
Probabilities = NDArray[np.floating]
Thresholds = float | NDArray[np.floating] | tuple[float, ...]
Floats = NDArray[np.float64]


def decide_tags(probabilities: Probabilities, thresholds: Thresholds = 0.5) -> NDArray[np.bool_]:
    """The tags [N, C] of photos: where a probability is at least its tag's threshold, compared as float64."""
    return np.asarray(np.asarray(probabilities, np.float64) >= np.asarray(thresholds, np.float64))


def average_precision(targets: Targets, probabilities: Probabilities) -> Floats:
    """Average precision of each tag [C]: the mean over steps of recall of the precision there; NaN without photos.

    Photos with the same probability are taken together, as scikit-learn does it. Raises UsageError.
    """
    truth, scores = paired_arrays(targets, probabilities)
    return np.asarray(_average_precisions(truth, scores, np.ones((1, len(truth))))[0])


def f1_scores(targets: Targets, predicted: NDArray[np.bool_]) -> Floats:
    """F1 of each tag [C], 2 TP / (2 TP + FP + FN); NaN for a tag that no photo has. Raises UsageError."""
    truth, tags = _pair_tags(targets, predicted)
    return np.asarray(_f1_scores(truth, tags, np.ones((1, len(truth))))[0])


def tag_value(
    metric: Metric, targets: Targets, probabilities: Probabilities, thresholds: Thresholds = 0.5
) -> float:  # fmt: skip
    """The value of ``tag_score`` without its interval, which is much faster. Raises UsageError."""
    if metric == "mean_average_precision":
        return _mean(average_precision(targets, probabilities))
    return _mean(f1_scores(targets, decide_tags(probabilities, thresholds)))


def tag_score(
    metric: Metric, targets: Targets, probabilities: Probabilities, thresholds: Thresholds = 0.5
) -> Interval:  # fmt: skip
    """``mean_average_precision`` or ``macro_f1`` of photos' probabilities [N, C], by its name.

    ``thresholds`` are one for all tags, or one a tag [C]; average precision needs none. Raises UsageError.
    """
    if metric == "mean_average_precision":
        return mean_average_precision(targets, probabilities)
    return macro_f1(targets, decide_tags(probabilities, thresholds))


def mean_average_precision(targets: Targets, probabilities: Probabilities) -> Interval:
    """Mean over tags of the average precision, with a 95 % interval. Raises UsageError.

    The interval of one tag is Wilson's, of a share of the photos that have it: K. Boyd, K. Eng, C. Page, ECML PKDD
    (2013), with Wilson's instead of the simple binomial one.
    """
    truth, scores = paired_arrays(targets, probabilities)
    intervals = [
        # Rounding must not make all right a little more than that.
        None if np.isnan(value) else wilson(min(value * count, count), count)
        for value, count in zip(average_precision(truth, scores), truth.sum(axis=0).tolist(), strict=True)
    ]
    return _mean_interval(intervals, _draw(lambda weights: _average_precisions(truth, scores, weights), len(truth)))


def f1_by_tag(targets: Targets, predicted: NDArray[np.bool_]) -> list[Interval | None]:
    """F1 of each tag with its 95 % interval; None for a tag that no photo has. Raises UsageError.

    F1 is 2 J / (1 + J) of J = TP / (TP + FP + FN), which is a share of photos, so Wilson's interval of J gives that
    of F1. Source: K. Lam, V. Gopal, J. Qian, arXiv:2309.14621.
    """
    truth, tags = _pair_tags(targets, predicted)
    both, either = (truth & tags).sum(axis=0), (truth | tags).sum(axis=0)
    return [
        None if not has_photos else f1_of_share(wilson(int(hits), int(count)))
        for has_photos, hits, count in zip(truth.sum(axis=0), both, either, strict=True)
    ]


def macro_f1(targets: Targets, predicted: NDArray[np.bool_]) -> Interval:
    """Mean over tags of F1, with a 95 % interval. Raises UsageError."""
    truth, tags = _pair_tags(targets, predicted)
    return _mean_interval(
        f1_by_tag(targets, predicted), _draw(lambda weights: _f1_scores(truth, tags, weights), len(truth))
    )


def exact_match(targets: Targets, predicted: NDArray[np.bool_]) -> Interval:
    """Share of photos all of whose tags are right, with Wilson's interval. Raises UsageError."""
    truth, tags = _pair_tags(targets, predicted)
    return wilson(int((truth == tags).all(axis=1).sum()), len(truth))


def tag_counts(targets: Targets, predicted: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Photos [C, 4] of each tag, counted: have it and get it, get it only, have it only, neither. Raises UsageError."""
    truth, tags = _pair_tags(targets, predicted)
    cells = (truth & tags, ~truth & tags, truth & ~tags, ~truth & ~tags)
    return np.stack([cell.sum(axis=0) for cell in cells], axis=1).astype(np.int64)


def paired_tag_gain(
    metric: Metric,
    targets: Targets,
    reference: Probabilities,
    other: Probabilities,
    thresholds: Thresholds = 0.5,
    other_thresholds: Thresholds | None = None,
) -> Interval:
    """How much larger the ``metric`` of ``other`` is than of ``reference``, on the same photos: a paired bootstrap.

    Both are probabilities [N, C]; ``other_thresholds`` are those of ``other``, by default the same. Raises UsageError.
    """
    truth, first = paired_arrays(targets, reference)
    _, second = paired_arrays(targets, other)
    theirs = thresholds if other_thresholds is None else other_thresholds
    tags, other_tags = decide_tags(first, thresholds), decide_tags(second, theirs)

    def gain(weights: Floats) -> Floats:
        if metric == "mean_average_precision":
            pair = (_average_precisions(truth, scores, weights) for scores in (first, second))
        else:
            pair = (_f1_scores(truth, decided, weights) for decided in (tags, other_tags))
        before, after = map(means_over_tags, pair)
        return after - before

    value = float(gain(np.ones((1, len(truth))))[0])
    if np.isnan(value):
        raise UsageError(_NOTHING_TO_JUDGE)
    low, high = np.nanquantile(_draw(gain, len(truth)), [0.025, 0.975])
    return Interval(value, min(float(low), value), max(float(high), value))


def redrawn_scores(metric: Metric, targets: Targets, answers: Probabilities, counts: Floats) -> Floats:
    """The ``metric`` [B] of answers [N, C] on photos that count ``counts`` [B, N] times; a tag is given from 0.5 on.

    NaN where no photo that counts has a tag. Raises UsageError.
    """
    truth, scores = paired_arrays(targets, answers)
    if metric == "mean_average_precision":
        return means_over_tags(_average_precisions(truth, scores, counts))
    return means_over_tags(_f1_scores(truth, decide_tags(scores), counts))


def same_tags(
    first: Probabilities, second: Probabilities, step: float = 0.0, thresholds: Thresholds = 0.5,
    other_thresholds: Thresholds | None = None,
) -> NDArray[np.bool_]:  # fmt: skip
    """Where two models decide alike on a tag, from their probabilities [N, C]; returns [N, C].

    Decisions are the same too where either probability is nearer to its threshold than ``step``, the resolution of an
    output: on which side of it the probability is, is then rounding.
    """
    theirs = thresholds if other_thresholds is None else other_thresholds
    same = decide_tags(first, thresholds) == decide_tags(second, theirs)
    return np.asarray(same | _is_near(first, thresholds, step) | _is_near(second, theirs, step))


def agreement_of_tags(
    first: Probabilities, second: Probabilities, step: float = 0.0, thresholds: Thresholds = 0.5,
    other_thresholds: Thresholds | None = None,
) -> Agreement:  # fmt: skip
    """Share of the N x C decisions on tags that two models, given as probabilities [N, C], take alike."""
    theirs = thresholds if other_thresholds is None else other_thresholds
    same = same_tags(first, second, step, thresholds, theirs)
    near_ties = int((same & (decide_tags(first, thresholds) != decide_tags(second, theirs))).sum())
    return Agreement(float(same.mean()), int((~same).sum()), same.size, near_ties)


_NOTHING_TO_JUDGE = "no photo has any of the tags, so nothing tells how good predictions are. Add photos that have them"


def _is_near(probabilities: Probabilities, thresholds: Thresholds, step: float) -> NDArray[np.bool_]:
    return np.asarray(np.abs(np.asarray(probabilities, np.float64) - np.asarray(thresholds, np.float64)) < step)


def _average_precisions(truth: NDArray[np.bool_], scores: Floats, weights: Floats) -> Floats:
    """Average precision [B, C] of photos that count ``weights`` [B, N] times."""
    values = np.full((len(weights), truth.shape[1]), np.nan)
    for tag in range(truth.shape[1]):
        order = np.argsort(-scores[:, tag], kind="stable")
        ranked, has_tag = scores[order, tag], truth[order, tag]
        # Photos of one probability are one step, and steps without a photo that has the tag add nothing.
        ends = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
        hits_at_end = np.cumsum(has_tag)[ends]
        ends = ends[np.diff(hits_at_end, prepend=0) > 0]
        if not len(ends):
            continue
        ordered = weights[:, order]
        seen = np.cumsum(ordered, axis=1)[:, ends]
        hits = np.cumsum(ordered * has_tag, axis=1)[:, ends]
        precision = hits / np.maximum(seen, 1.0)
        total = hits[:, -1]
        with np.errstate(invalid="ignore"):
            values[:, tag] = (np.diff(hits, axis=1, prepend=0.0) * precision).sum(axis=1) / total
    return values


def _f1_scores(truth: NDArray[np.bool_], tags: NDArray[np.bool_], weights: Floats) -> Floats:
    """F1 [B, C] of photos that count ``weights`` [B, N] times."""
    have = weights @ truth
    hits, total = weights @ (truth & tags), have + weights @ tags
    return np.asarray(np.where(have > 0, 2 * hits / np.maximum(total, 1.0), np.nan))


def _draw(score: Callable[[Floats], Floats], count: int) -> Floats:
    """``score`` of seeded resamples of ``count`` photos, stacked."""
    return np.concatenate([score(weights) for weights in _resamples(count)])


def _resamples(count: int) -> Iterator[Floats]:
    """How often each photo is in a resample, [_CHUNK, count] at a time."""
    rng = np.random.default_rng(0)
    for _ in range(0, _RESAMPLES, _CHUNK):
        yield rng.multinomial(count, np.full(count, 1 / count), size=_CHUNK).astype(np.float64)


def _mean_interval(intervals: list[Interval | None], draws: Floats) -> Interval:
    """The interval of the mean of tags' values, from each one's and how ``draws`` [B, C] of them vary together."""
    defined = [interval for interval in intervals if interval is not None]
    if not defined:
        raise UsageError(_NOTHING_TO_JUDGE)
    shares = _correlations(draws[:, [interval is not None for interval in intervals]])
    value = float(np.mean([interval.value for interval in defined]))
    below = np.array([interval.value - interval.low for interval in defined])
    above = np.array([interval.high - interval.value for interval in defined])
    low, high = (float(np.sqrt(max(side @ shares @ side, 0.0))) / len(defined) for side in (below, above))
    return Interval(value, max(value - low, 0.0), min(value + high, 1.0))


def _correlations(draws: Floats) -> Floats:
    """Correlations [K, K] of columns; of one that does not vary none is defined, and 0 is taken."""
    # A tag that a resample has no photos of says nothing there.
    centred = np.nan_to_num(draws - np.nanmean(draws, axis=0))
    covariance = centred.T @ centred
    spread = np.sqrt(np.diag(covariance))
    correlations = covariance / np.maximum(np.outer(spread, spread), 1e-300)
    np.fill_diagonal(correlations, 1.0)
    return np.asarray(correlations)


def f1_of_share(share: Interval) -> Interval:
    """F1 of the share of photos that have a tag and get it, among those that have it or get it."""
    value, low, high = (2 * x / (1 + x) for x in (share.value, share.low, share.high))
    return Interval(value, low, high)


def _mean(values: Floats) -> float:
    if np.isnan(values).all():
        raise UsageError(_NOTHING_TO_JUDGE)
    return float(np.nanmean(values))


def means_over_tags(values: Floats) -> Floats:
    """Means over tags [B]; NaN where there is none at all."""
    defined = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(defined, values, 0.0).sum(axis=1) / defined.sum(axis=1))


def paired_arrays(targets: Targets, probabilities: Probabilities) -> tuple[NDArray[np.bool_], Floats]:
    """Both as arrays [N, C]. Raises UsageError where their shapes differ, or a photo has no labels."""
    truth, scores = np.asarray(targets), np.asarray(probabilities, np.float64)
    if truth.ndim != 2 or truth.shape != scores.shape or not truth.size:
        raise UsageError(
            f"tags of at least one photo are needed, [N, C] for both, got {truth.shape} and {scores.shape}"
        )
    if bool(np.any(truth.astype(np.int64) < 0)):
        raise UsageError("some of the photos have no labels. Leave them out before predictions are judged")
    return truth.astype(bool), scores


def _pair_tags(targets: Targets, predicted: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    truth, tags = paired_arrays(targets, np.asarray(predicted, np.float64))
    return truth, tags > 0
