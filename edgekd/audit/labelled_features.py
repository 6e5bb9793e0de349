"""Labelled photos as features, what a head's answers for them score, and how sure one can be of the score."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgekd.pipeline.feature_table import FeatureTable
from edgekd.task import Metric
from edgekd.teacher.cross_validation import assign_folds
from edgekd.teacher.head import solve_head
from edgekd.training.labels import are_tags
from edgekd.training.scores import mean_loss

Floats = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]
Truth = npt.NDArray[np.integer]

FOLDS = 5
PENALTIES = (1.0, 1e-1, 1e-2, 1e-3)
ITERATIONS = 60
# Heads learn little more from further directions of the features.
_MOST_DIRECTIONS = 256
_LEAST_SQUARE = 1e-5
_PENALTY_FOLDS = 3
# The fewest photos of a class in a part.
_FEWEST = 2


@dataclass(frozen=True, eq=False)
class LabelledFeatures:
    """Photos whose labels are known: features [N, D], class numbers [N] or tags [N, C], groups of duplicates [N].

    ``fitted`` [N] are those that heads may be fitted to; the others judge only. ``shares`` [C] are the weights of the
    classes in the score, summing to 1.
    """

    features: npt.NDArray[np.floating]
    truth: Truth
    groups: Numbers
    fitted: npt.NDArray[np.bool_]
    shares: Floats

    @property
    def classes(self) -> int:
        """The number of classes."""
        return len(self.shares)

    @property
    def members(self) -> npt.NDArray[np.bool_]:
        """Whether each photo is of each class [N, C]."""
        return self.truth > 0 if are_tags(self.truth) else self.truth[:, None] == np.arange(self.classes)


def labelled_features(
    table: FeatureTable, rows: Numbers, fitted: npt.NDArray[np.bool_], metric: Metric
) -> LabelledFeatures:
    """The photos, and the weight of each class in the score: for accuracy its share of the test photos."""
    truth = table.truth[rows]
    members = truth > 0 if table.are_tags else truth[:, None] == np.arange(len(table.classes))
    present = members.any(axis=0)
    shares = present.astype(np.float64)
    if metric == "accuracy" and not table.are_tags:
        of_test = members[np.array(table.splits)[rows] == "test"].sum(axis=0)
        shares = (of_test if (of_test[present] > 0).all() else members.sum(axis=0)).astype(np.float64)
    _, groups = np.unique(table.groups[rows], return_inverse=True)
    return LabelledFeatures(
        table.features[rows], truth, groups, fitted, np.asarray(shares / max(float(shares.sum()), 1.0))
    )


def spread_folds(photos: LabelledFeatures, seed: int) -> Numbers:
    """The fold [N] of every photo; those that judge only are spread by themselves."""
    folds = np.zeros(len(photos.truth), np.int64)
    for part in (photos.fitted, ~photos.fitted):
        if part.any():
            folds[part] = assign_folds(photos.truth[part], photos.groups[part], seed, FOLDS)
    return folds


def nested_ranks(photos: LabelledFeatures, rows: Numbers, rng: np.random.Generator) -> Floats:
    """Where each of ``rows`` stands in a random order of its class, 0 to 1, and 2 for other photos [N]."""
    rank = np.full(len(photos.truth), 2.0)
    lottery = rng.random(int(photos.groups.max()) + 1)[photos.groups]
    parts = [rows] if are_tags(photos.truth) else [rows[photos.truth[rows] == c] for c in range(photos.classes)]
    for part in parts:
        ordered = part[np.argsort(lottery[part], kind="stable")]
        places = (np.arange(len(part)) + 1) / max(len(part), 1)
        # However small the part, a few photos of each class are in it.
        places[:_FEWEST] = 0.0
        rank[ordered] = places
    return rank


def photo_scores(photos: LabelledFeatures, logits: Floats) -> Floats:
    """What each photo adds to the score by each of its classes [N, C]: shares of right photos, or average precision.

    Average precision of a tag is the mean, over the photos that have it, of the precision at the photo's rank.
    """
    members = photos.members
    weights = members * (photos.shares / np.maximum(members.sum(axis=0), 1))
    if not are_tags(photos.truth):
        return np.asarray(weights * (logits.argmax(axis=1) == photos.truth)[:, None])
    order = np.argsort(-logits, axis=0, kind="stable")
    has_tag = np.take_along_axis(members, order, axis=0)
    precision = np.cumsum(has_tag, axis=0) / np.arange(1, len(logits) + 1)[:, None]
    at_photo = np.empty_like(precision)
    np.put_along_axis(at_photo, order, precision, axis=0)
    return np.asarray(weights * at_photo)


def photo_covariance(photos: LabelledFeatures, parts: Floats) -> Floats:
    """The covariance [S, S] of scores by the groups of photos that judge, shrunk towards one common correlation.

    ``parts`` [S, N, C] are what photos add to the scores. Classes have their shares whichever photos judge.
    """
    members = photos.members
    expected = members * (parts.sum(axis=1) / np.maximum(members.sum(axis=0), 1))[:, None]
    deviations = (parts - expected).sum(axis=2)
    _, group = np.unique(photos.groups, return_inverse=True)
    totals = np.zeros((int(group.max()) + 1, len(parts)))
    np.add.at(totals, group, deviations.T)
    count = len(totals)
    covariance = totals.T @ totals * (count / max(count - 1, 1))
    deviation = np.sqrt(np.diag(covariance)) + 1e-9
    correlation = covariance / np.outer(deviation, deviation)
    places = len(parts)
    common = (correlation.sum() - places) / max(places * (places - 1), 1)
    target = common + (1 - common) * np.eye(places)
    weight = places / (places + count)
    return np.asarray(((1 - weight) * correlation + weight * target) * np.outer(deviation, deviation))


def rotate(features: npt.NDArray[np.floating], fitted: npt.NDArray[np.bool_]) -> Floats:
    """Features [N, D] standardized by the ``fitted`` photos, in their main directions [N, K].

    A penalty on all directions is the same as on all features, and a head is fitted much sooner.
    """
    fitted_rows = features[fitted]
    mean, scale = fitted_rows.mean(axis=0), fitted_rows.std(axis=0) + 1e-6
    fitted_rows = (fitted_rows - mean) / scale
    squares, vectors = np.linalg.eigh((fitted_rows @ fitted_rows.T).astype(np.float64))
    # The largest first, without those in which the photos do not differ.
    largest = np.flatnonzero(squares > _LEAST_SQUARE * squares[-1])[::-1][:_MOST_DIRECTIONS]
    directions = fitted_rows.T @ vectors[:, largest] / np.sqrt(squares[largest])
    return np.asarray(((features - mean) / scale) @ directions, np.float64)


def fit_table(x: Floats, truth: Truth, groups: Numbers, classes: int, seed: int) -> Floats:
    """A head's kernel and bias [K + 1, C] for features [N, K], with the penalty that cross-validation chooses."""
    folds = assign_folds(truth, groups, seed, _PENALTY_FOLDS)
    losses = np.zeros(len(PENALTIES))
    for number in range(_PENALTY_FOLDS):
        out, table = folds == number, None
        if out.any() and not out.all():
            for place, penalty in enumerate(PENALTIES):
                table = solve_head(x[~out], truth[~out], classes, penalty, table, ITERATIONS)
                losses[place] += mean_loss(answer(x[out], table), truth[out]) * out.sum()
    return solve_head(x, truth, classes, PENALTIES[int(losses.argmin())])


def answer(x: Floats, table: Floats) -> Floats:
    """Logits [N, C] of a head."""
    return np.asarray(x @ table[:-1] + table[-1])
