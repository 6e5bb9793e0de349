"""Confident learning: which labels are probably wrong, from labels and out-of-fold probabilities.

Source: Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels", JAIR 2021
(arXiv:1911.00068): thresholds per class (eq. 2), the confident joint (eq. 1), its calibration (eq. 3), pruning by noise
rate and ranking by normalized margin (section 3.2 and 3.3).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ConfidentJoint:
    """Counts of labels that were given and labels that are probably true.

    Attributes:
        thresholds: Mean probability of each class over the photos that have its label, float64 [C]; NaN of a class
            without photos.
        counts: Photos by given label and confident class, int64 [C, C].
        joint: The same as a distribution whose rows have the shares of the given labels, float64 [C, C].
        issues: Photos whose label is probably wrong, int64 [K], the most doubtful first.
        suggested: The class that each of them probably shows, int64 [K].
        margins: Probability of the given label less the largest one of another class, float64 [N]; below 0 where
            another class is more probable.
    """

    thresholds: npt.NDArray[np.float64]
    counts: Numbers
    joint: npt.NDArray[np.float64]
    issues: Numbers
    suggested: Numbers
    margins: npt.NDArray[np.float64]

    @property
    def wrong_share(self) -> float:
        """The estimated share of labels that are wrong."""
        return float(self.joint.sum() - np.trace(self.joint))


def find_label_issues(
    labels: Numbers, probabilities: npt.NDArray[np.float64], judged: npt.NDArray[np.bool_]
) -> ConfidentJoint:
    """Estimate which labels [N] are wrong, given out-of-fold ``probabilities`` [N, C].

    ``judged`` [N, C] is False for classes that the model behind a photo's row has not learnt: they are never suggested,
    and a photo whose own label is one of them is never an issue.
    """
    count, classes = probabilities.shape
    everyone = np.arange(count)
    own = probabilities[everyone, labels]
    known = judged[everyone, labels]
    sizes = np.bincount(labels[known], minlength=classes)
    with np.errstate(invalid="ignore"):
        thresholds = np.bincount(labels[known], weights=own[known], minlength=classes) / sizes
    confident = judged & (probabilities >= np.where(sizes, thresholds, np.inf))
    guesses = np.where(confident, probabilities, -1.0).argmax(axis=1)
    counted = known & confident.any(axis=1)
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (labels[counted], guesses[counted]), 1)
    joint = _calibrate(counts, sizes)
    others = np.where(judged, probabilities, -1.0)
    others[everyone, labels] = -1.0
    margins = own - others.max(axis=1)
    issues, suggested = _prune_by_noise_rate(labels, probabilities, judged & known[:, None], joint, sizes.sum())
    order = np.lexsort((issues, margins[issues]))
    return ConfidentJoint(thresholds, counts, joint, issues[order], suggested[order], margins)


def _calibrate(counts: Numbers, sizes: Numbers) -> npt.NDArray[np.float64]:
    """The confident joint [C, C] as a distribution with the shares of the given labels (eq. 3)."""
    rows = counts.sum(axis=1)
    # A class none of whose photos is confident in anything is taken as it is labelled.
    shares = np.where(rows[:, None] > 0, counts / np.maximum(rows, 1)[:, None], np.eye(len(sizes)))
    scaled = shares * sizes[:, None]
    return np.asarray(scaled / max(1, sizes.sum()), np.float64)


def _prune_by_noise_rate(
    labels: Numbers,
    probabilities: npt.NDArray[np.float64],
    judged: npt.NDArray[np.bool_],
    joint: npt.NDArray[np.float64],
    total: int,
) -> tuple[Numbers, Numbers]:
    """For each pair of given and true class, as many photos as the joint says, those with the largest margin."""
    best: dict[int, tuple[float, int]] = {}
    for given, true in zip(*np.nonzero(joint), strict=True):
        if given == true:
            continue
        members = np.flatnonzero((labels == given) & judged[:, true])
        margins = probabilities[members, true] - probabilities[members, given]
        wanted = round(float(joint[given, true]) * total)
        for place in np.lexsort((members, -margins))[:wanted]:
            # Only a photo that looks more like the other class can be one of it.
            if margins[place] > 0:
                photo, margin = int(members[place]), float(margins[place])
                best[photo] = max(best.get(photo, (margin, int(true))), (margin, int(true)))
    issues = np.array(sorted(best), np.int64)
    return issues, np.array([best[int(photo)][1] for photo in issues], np.int64)
