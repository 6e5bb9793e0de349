"""Detects labels in the wrong order: predictions at chance, or explained by a permutation of the labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgekd.metrics import mcnemar_p

FEWEST_PHOTOS = 10
"""On fewer labelled photos nothing is judged."""
_SIGNIFICANCE = 0.01
_MOST_NAMES = 20
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class LabelOrder:
    """How predictions fit the labels.

    ``score`` is the balanced accuracy, ``chance`` that of a constant prediction. ``permutation`` [C] is the class that
    each predicted class stands for, where that explains the predictions significantly better, and ``permuted_score``
    the balanced accuracy with it; None where the order fits.
    """

    score: float
    chance: float
    permutation: tuple[int, ...] | None = None
    permuted_score: float | None = None

    @property
    def fits(self) -> bool:
        """Whether the labels are in the right order, as far as the predictions show."""
        return self.permutation is None and self.score > self.chance

    def describe(self, outputs: tuple[str, ...], classes: tuple[str, ...]) -> str:
        """One sentence; ``outputs`` are the file's labels in order, ``classes`` [C] those of the data."""
        if self.permutation is not None and self.permuted_score is not None:
            meaning = {name: classes[self.permutation[i]] for i, name in enumerate(classes)}
            order = [meaning.get(name, name) for name in outputs]
            return (
                f"the labels are in another order than the model's outputs: balanced accuracy {self.score:.1%}, and "
                f"{self.permuted_score:.1%} with the order {_join(order)}. Export again with --classes {_join(order)}"
            )
        if self.score <= self.chance:
            return (
                f"balanced accuracy {self.score:.1%} is not above chance ({self.chance:.1%}): check the pixel range, "
                "the order of the classes and the photos"
            )
        return f"balanced accuracy {self.score:.1%}, chance {self.chance:.1%}"


def check_label_order(truth: Labels, predictions: Labels, classes: int) -> LabelOrder | None:
    """Compare labels and predictions [N], class numbers below ``classes``; None if there is too little to judge by."""
    present = np.unique(truth)
    if len(truth) < FEWEST_PHOTOS or len(present) < 2:
        return None
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (truth, predictions), 1)
    score, chance = _balanced(counts, np.arange(classes)), 1 / len(present)
    permutation = _best_permutation(counts)
    meant = permutation[predictions]
    better = _balanced(counts, np.argsort(permutation))
    # A weak model's mistakes also fit some permutation a little better, hence a test on the photos.
    if better > max(score, chance) and mcnemar_p(truth, predictions, meant) < _SIGNIFICANCE:
        return LabelOrder(score, chance, tuple(int(i) for i in permutation), better)
    return LabelOrder(score, chance)


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


def _join(names: list[str]) -> str:
    more = f",... ({len(names)} in all)" if len(names) > _MOST_NAMES else ""
    return ",".join(names[:_MOST_NAMES]) + more
