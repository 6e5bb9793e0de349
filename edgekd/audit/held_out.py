"""Probabilities for labelled photos from heads that have not seen them, nor any duplicate of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import softmax

from edgekd.audit.labelled_features import FOLDS
from edgekd.pipeline.feature_table import FeatureTable
from edgekd.progress import Progress
from edgekd.teacher.cross_validation import assign_folds
from edgekd.teacher.head import fit_head
from edgekd.training.labels import are_tags
from edgekd.training.scores import tag_probabilities

_SEED = 0


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Out-of-fold probabilities of labelled photos.

    Attributes:
        rows: Rows of the photos in the feature table, int64 [M].
        truth: Their labels int64 [M], or tags int8 [M, C].
        probabilities: float64 [M, C].
        judged: bool [M, C]: whether the heads of a photo's fold have learnt from a photo of the class (of a tag: from
            one with it and one without); others know nothing of it.
    """

    rows: npt.NDArray[np.int64]
    truth: npt.NDArray[np.integer]
    probabilities: npt.NDArray[np.float64]
    judged: npt.NDArray[np.bool_]


def hold_out(table: FeatureTable, progress: Progress | None = None) -> HeldOut:
    """Refit a linear head on features without each fifth of the labelled photos, and ask it for that fifth.

    Duplicates are in one fold. The penalty is the one that serves the first fold best.
    """
    rows = table.labelled
    truth, features, groups = table.truth[rows], table.features[rows], table.groups[rows]
    classes = len(table.classes)
    folds = assign_folds(truth, groups, _SEED, FOLDS)
    probabilities = np.zeros((len(rows), classes))
    judged = np.zeros((len(rows), classes), np.bool_)
    penalties: tuple[float, ...] = ()
    for fold in range(FOLDS):
        out, others = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        if len(out) and len(others):
            options: dict[str, Any] = {"penalties": penalties} if penalties else {}
            head = fit_head(features[others], truth[others], (features[out], truth[out]), classes, **options)
            penalties = (head.penalty,)
            logits = head.logits(features[out]).astype(np.float64)
            probabilities[out] = tag_probabilities(logits) if are_tags(truth) else softmax(logits, axis=1)
            judged[out] = _learnt(truth[others], classes)
        if progress:
            progress(fold + 1, FOLDS)
    return HeldOut(rows, truth, probabilities, judged)


def _learnt(truth: npt.NDArray[np.integer], classes: int) -> npt.NDArray[np.bool_]:
    if are_tags(truth):
        return np.asarray((truth == 1).any(axis=0) & (truth == 0).any(axis=0), np.bool_)
    return np.asarray(np.bincount(truth, minlength=classes) > 0, np.bool_)
