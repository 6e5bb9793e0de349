"""Detects tags in the wrong order, and tags that are given by chance.

The rules are those of ``label_order``, for tags: a tag is given by chance where its average precision is not above the
share of photos that have it, and its 95 % interval excludes even a third of the way from there to 1. A permutation is
chosen on one half of the photos, by how probabilities and tags go together, and tried on the other half.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgekd.evaluation.label_order import (
    EXPORT_AGAIN,
    FEWEST_PHOTOS,
    SIGNIFICANCE,
    WEAK,
    join_names,
    order_of_outputs,
)
from edgekd.metrics import wilson
from edgekd.tag_metrics import Floats, Probabilities, average_precision
from edgekd.tag_randomization import change_p


@dataclass(frozen=True)
class TagOrder:
    """How probabilities fit the tags: mean average precision as ``score``, and as ``chance`` that of a constant answer.

    ``at_chance`` are the numbers of tags that are given by chance. ``permutation`` [C] is the tag that each output
    stands for, where that explains the answers significantly better, with ``permuted_score``; None where it does not.
    """

    score: float
    chance: float
    at_chance: tuple[int, ...] = ()
    permutation: tuple[int, ...] | None = None
    permuted_score: float | None = None

    @property
    def fits(self) -> bool:
        """Whether the tags are in the right order, and each is given better than by chance."""
        return self.permutation is None and not self.at_chance

    def describe(self, outputs: tuple[str, ...], classes: tuple[str, ...], advice: str = EXPORT_AGAIN) -> str:
        """One sentence, as ``LabelOrder.describe``."""
        if self.permutation is not None and self.permuted_score is not None:
            order = order_of_outputs(self.permutation, outputs, classes)
            return (
                f"the tags are in another order than the model's outputs: mean average precision {self.score:.1%}, and "
                f"{self.permuted_score:.1%} with the order {order}. {advice.format(order=order)}"
            )
        text = f"mean average precision {self.score:.1%}, chance {self.chance:.1%}"
        if self.at_chance:
            names = join_names([classes[number] for number in self.at_chance])
            text += (
                f"; given by chance: {names}. Check the pixel range, the order of the tags, the photos that have them, "
                "and whether it was trained for long enough"
            )
        return text


def check_tag_order(truth: NDArray[np.integer], probabilities: Probabilities) -> TagOrder | None:
    """Compare tags and probabilities [N, C]; None if there is too little to judge by."""
    has_tag = truth > 0
    usable = np.flatnonzero(has_tag.any(axis=0) & ~has_tag.all(axis=0))
    if len(truth) < FEWEST_PHOTOS or not len(usable):
        return None
    scores = np.asarray(probabilities, np.float64)
    values, shares = average_precision(truth, scores), has_tag.mean(axis=0)
    score, chance = float(values[usable].mean()), float(shares[usable].mean())
    by_chance = tuple(int(tag) for tag in usable if _is_chance(values[tag], shares[tag], int(has_tag[:, tag].sum())))
    permutation = _best_permutation(has_tag, scores)
    better = float(average_precision(truth, _as_meant(scores, permutation))[usable].mean())
    if better > max(score, chance) and (permutation != np.arange(len(permutation))).any():
        meant = _permuted_across_halves(has_tag, scores)
        halves = float(average_precision(truth, meant)[usable].mean())
        if halves > score and change_p("mean_average_precision", truth, scores, meant).either < SIGNIFICANCE:
            return TagOrder(score, chance, by_chance, tuple(int(tag) for tag in permutation), better)
    return TagOrder(score, chance, by_chance)


def _is_chance(value: float, share: float, count: int) -> bool:
    # A constant answer has exactly the share.
    return value <= share + 1e-12 and wilson(value * count, count).high < share + WEAK * (1 - share)


def _as_meant(scores: Floats, permutation: NDArray[np.int64]) -> Floats:
    """Probabilities [N, C] by tag, where output i stands for the tag ``permutation[i]``."""
    meant = np.empty_like(scores)
    meant[:, permutation] = scores
    return meant


def _permuted_across_halves(has_tag: NDArray[np.bool_], scores: Floats) -> Floats:
    """Probabilities [N, C], each photo's by the best permutation of the half of the photos that it is not in."""
    # Photos in the order of their tags, so that each half has as many of each combination.
    order = np.lexsort(has_tag.T)
    half = np.empty(len(order), np.int64)
    half[order] = np.arange(len(order)) % 2
    meant = np.empty_like(scores)
    for number in (0, 1):
        permutation = _best_permutation(has_tag[half != number], scores[half != number])
        meant[half == number] = _as_meant(scores[half == number], permutation)
    return meant


def _best_permutation(has_tag: NDArray[np.bool_], scores: Floats) -> NDArray[np.int64]:
    """The tag that each output stands for, so that both go together best; the identity wins ties."""
    from scipy.optimize import linear_sum_assignment

    correlations = _standardized(scores).T @ _standardized(has_tag.astype(np.float64)) / len(scores)
    outputs, tags = linear_sum_assignment(correlations + 1e-9 * np.eye(len(correlations)), maximize=True)
    return np.asarray(tags[np.argsort(outputs)], np.int64)


def _standardized(columns: Floats) -> Floats:
    centred = columns - columns.mean(axis=0)
    spread = columns.std(axis=0)
    return np.asarray(centred / np.where(spread > 1e-12, spread, 1.0))
