"""Detects labels in the wrong order: predictions at chance, or explained by a permutation of the labels.

Two rules, both for few photos too. At chance is a balanced accuracy that is not above a constant prediction's and whose
95 % interval excludes even a third of the way from there to all right (or one class for every photo, where a model that
good would hardly do it): what a weak model has by bad luck is not that. A permutation is chosen on one half of the
photos and tried on the other: among many classes some permutation always fits the photos that chose it, and none that
chance made fits others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgekd.metrics import balanced_accuracy, mcnemar_p

FEWEST_PHOTOS = 10
"""On fewer labelled photos nothing is judged."""
EXPORT_AGAIN = "Export again with --classes {order}"
"""What to do about an exported file in the wrong order."""
SIGNIFICANCE = 0.01
"""Chance explains a permutation with less than this probability, or it is none."""
WEAK = 1 / 3
"""Of the way from chance to all right: a model this good is not called one at chance."""
# One side of a 95 % interval.
_UNLIKELY = 0.025
_MOST_NAMES = 20
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class LabelOrder:
    """How predictions fit the labels.

    ``score`` is the balanced accuracy, ``chance`` that of a constant prediction, and ``at_chance`` whether the model
    is no better. ``permutation`` [C] is the class that each predicted class stands for, where that explains the
    predictions significantly better, and ``permuted_score`` the balanced accuracy with it; None where the order fits.
    """

    score: float
    chance: float
    at_chance: bool = False
    permutation: tuple[int, ...] | None = None
    permuted_score: float | None = None

    @property
    def fits(self) -> bool:
        """Whether the labels are in the right order, as far as the predictions show."""
        return self.permutation is None and not self.at_chance

    def describe(self, outputs: tuple[str, ...], classes: tuple[str, ...], advice: str = EXPORT_AGAIN) -> str:
        """One sentence; ``outputs`` are the file's labels in order, ``classes`` [C] those of the data.

        ``advice`` is what to do about a wrong order, which stands for "{order}" in it.
        """
        if self.permutation is not None and self.permuted_score is not None:
            order = order_of_outputs(self.permutation, outputs, classes)
            return (
                f"the labels are in another order than the model's outputs: balanced accuracy {self.score:.1%}, and "
                f"{self.permuted_score:.1%} with the order {order}. {advice.format(order=order)}"
            )
        if self.at_chance:
            return (
                f"balanced accuracy {self.score:.1%} is not above chance ({self.chance:.1%}): check the pixel range, "
                "the order of the classes, the photos, and whether it was trained for long enough"
            )
        return f"balanced accuracy {self.score:.1%}, chance {self.chance:.1%}"


def order_of_outputs(permutation: tuple[int, ...], outputs: tuple[str, ...], classes: tuple[str, ...]) -> str:
    """What each of a file's ``outputs`` stands for, in words, where class i of [C] stands for ``permutation[i]``."""
    meaning = {name: classes[permutation[i]] for i, name in enumerate(classes)}
    return join_names([meaning.get(name, name) for name in outputs])


def check_label_order(truth: Labels, predictions: Labels, classes: int) -> LabelOrder | None:
    """Compare labels and predictions [N], class numbers below ``classes``; None if there is too little to judge by."""
    present = np.unique(truth)
    if len(truth) < FEWEST_PHOTOS or len(present) < 2:
        return None
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (truth, predictions), 1)
    score, chance = _balanced(counts, np.arange(classes)), 1 / len(present)
    weak = chance + WEAK * (1 - chance)
    at_chance = score <= chance and (
        balanced_accuracy(truth, predictions).high < weak or _is_constant(truth, predictions, weak)
    )
    permutation = _best_permutation(counts)
    better = _balanced(counts, np.argsort(permutation))
    meant = _permuted_across_halves(truth, predictions, classes)
    # The test has two sides, and only more photos that are right speak for the permutation.
    more = np.sum(meant == truth) > np.sum(predictions == truth)
    if more and better > max(score, chance) and mcnemar_p(truth, predictions, meant) < SIGNIFICANCE:
        return LabelOrder(score, chance, at_chance, tuple(int(i) for i in permutation), better)
    return LabelOrder(score, chance, at_chance)


def _is_constant(truth: Labels, predictions: Labels, recall: float) -> bool:
    """Whether one class is predicted for every photo, and a model of that ``recall`` would hardly do so."""
    others = int(np.sum(truth != predictions[0]))
    return bool((predictions == predictions[0]).all()) and (1 - recall) ** others < _UNLIKELY


def _permuted_across_halves(truth: Labels, predictions: Labels, classes: int) -> Labels:
    """Predictions [N], each by the best permutation of the half of the photos that it is not in."""
    # Every other photo of each class.
    order = np.argsort(truth, kind="stable")
    first = np.concatenate([[0], np.cumsum(np.bincount(truth, minlength=classes))])[:-1]
    half = np.empty(len(truth), np.int64)
    half[order] = (np.arange(len(truth)) - first[truth[order]]) % 2
    meant = np.empty_like(predictions)
    for number in (0, 1):
        counts = np.zeros((classes, classes), np.int64)
        np.add.at(counts, (truth[half != number], predictions[half != number]), 1)
        meant[half == number] = _best_permutation(counts)[predictions[half == number]]
    return meant


def _best_permutation(counts: npt.NDArray[np.int64]) -> Labels:
    """The class that each predicted class stands for, so that as many photos as possible are right; the identity
    wins ties."""
    from scipy.optimize import linear_sum_assignment

    preferred = counts.astype(np.float64) + np.eye(len(counts)) * 0.5 / len(counts)
    rows, columns = linear_sum_assignment(preferred, maximize=True)
    return np.asarray(rows[np.argsort(columns)], np.int64)


def _balanced(counts: npt.NDArray[np.int64], column_of_class: Labels) -> float:
    """Mean recall over the classes that have photos, if class i is predicted in ``column_of_class[i]``."""
    totals = counts.sum(axis=1)
    right = counts[np.arange(len(counts)), column_of_class]
    return float(np.mean(right[totals > 0] / totals[totals > 0]))


def join_names(names: list[str]) -> str:
    """Names with commas between them; of many the first few."""
    more = f",... ({len(names)} in all)" if len(names) > _MOST_NAMES else ""
    return ",".join(names[:_MOST_NAMES]) + more
