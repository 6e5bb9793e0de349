"""Which photos of the pool to label first, and what that is worth over as many chosen at random.

Photos that a head on the features is unsure of are put into as many clusters as photos are wanted, where the unsure
ones weigh more; of each cluster the photo nearest to its centre is suggested. So what is suggested is uncertain, unlike
each other, and typical of what it stands for. No photo is suggested twice by its duplicates, and none that a labelled
one is a duplicate of.

Source: F. Zhdanov, Diverse mini-batch active learning, arXiv:1901.05954; D. Arthur, S. Vassilvitskii, SODA 2007, of the
first centres.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import softmax

from edgekd.audit.labelled_features import (
    FOLDS,
    Floats,
    LabelledFeatures,
    Numbers,
    answer,
    fit_table,
    labelled_features,
    nested_ranks,
    photo_covariance,
    photo_scores,
    rotate,
    spread_folds,
)
from edgekd.audit.learning_curve import Gain, repeats_for, rows_to_rehearse
from edgekd.data.dataset import Sample
from edgekd.pipeline.feature_table import FeatureTable
from edgekd.task import Metric
from edgekd.training.labels import are_tags
from edgekd.training.scores import tag_probabilities

# How many times as many of the most uncertain photos there are to choose from.
_CANDIDATES = 10
_ROUNDS = 8
# The part of the labels that the rehearsal starts from, and the largest part of the others that it chooses.
_START, _MOST_CHOSEN = 0.25, 1 / 3
_RANDOM_DRAWS = 2
_FEWEST = 60
_QUANTILE = 1.2815515655446004


@dataclass(frozen=True)
class Suggestion:
    """A photo to label: its row in the feature table, and what a head takes it for.

    ``classes`` are the two most probable ones, or the tags, with their ``probabilities``.
    """

    row: int
    sample: Sample
    classes: tuple[str, ...]
    probabilities: tuple[float, ...]


@dataclass(frozen=True)
class Suggestions:
    """Photos of the pool, the first to label first; ``pool`` is the number that there were to choose from.

    ``advantage`` is by how much more labelling such photos raised the score than labelling as many at random did, when
    labels at hand were hidden and asked for again; None where there are too few labels to try.
    """

    photos: tuple[Suggestion, ...]
    pool: int
    advantage: Gain | None


def suggest_photos(table: FeatureTable, count: int, metric: Metric, seed: int) -> Suggestions:
    """Choose ``count`` photos of the pool to label, or all where there are fewer.

    Args:
        table: Photos with features; labels of training and validation photos are learnt from.
        count: How many.
        metric: The run's.
        seed: Of folds and draws.

    Returns:
        The photos, of different groups of duplicates.
    """
    pool, labelled = _pool(table), np.intersect1d(table.labelled, table.rows_of("train", "val"))
    if not len(pool) or not len(labelled):
        return Suggestions((), len(pool), None)
    fitted = np.zeros(len(table.samples), np.bool_)
    fitted[labelled] = True
    x = rotate(table.features, fitted)
    head = fit_table(x[labelled], table.truth[labelled], table.groups[labelled], len(table.classes), seed)
    probabilities = probabilities_of(answer(x[pool], head), table.are_tags)
    places = choose_photos(uncertainty_of(probabilities, table.are_tags), x[pool], count, np.random.default_rng(seed))
    photos = tuple(_suggestion(table, int(pool[place]), probabilities[place]) for place in places)
    return Suggestions(photos, len(pool), rehearse_advantage(table, count / len(labelled), metric, seed))


def probabilities_of(logits: Floats, tags: bool) -> Floats:
    """Probabilities [N, C] of classes, or of each tag by itself."""
    return np.asarray(tag_probabilities(logits) if tags else softmax(logits, axis=1))


def uncertainty_of(probabilities: Floats, tags: bool) -> Floats:
    """How unsure a head is of each photo [N], 0 to 1: by the lead of the first class, or over all tags."""
    if tags:
        return np.asarray(4 * (probabilities * (1 - probabilities)).mean(axis=1))
    ordered = np.sort(probabilities, axis=1)
    return np.asarray(1 - ordered[:, -1] + ordered[:, -2])


def choose_photos(uncertainty: Floats, x: Floats, count: int, rng: np.random.Generator) -> Numbers:
    """Numbers of ``count`` photos that are uncertain and unlike each other, the most uncertain first.

    Args:
        uncertainty: Of each photo [N].
        x: Features [N, K]; what counts is their direction.
        count: How many; all where there are fewer.
        rng: Draws the first centres.
    """
    order = np.argsort(-uncertainty, kind="stable")[: _CANDIDATES * count]
    if len(order) <= count:
        return order
    units = x[order] / np.maximum(np.linalg.norm(x[order], axis=1, keepdims=True), 1e-9)
    weights = np.maximum(uncertainty[order], 1e-6)
    centres = units[_spread_out(units, weights, count, rng)]
    for _ in range(_ROUNDS):
        nearest = _closeness(units, centres).argmax(axis=1)
        for number in np.unique(nearest):
            members = nearest == number
            centres[number] = np.average(units[members], axis=0, weights=weights[members])
    closeness = _closeness(units, centres)
    chosen = np.zeros(len(order), np.bool_)
    # The fullest cluster first: what is nearest to two centres stands for that one.
    for number in np.argsort(-np.bincount(closeness.argmax(axis=1), weights, count), kind="stable"):
        chosen[np.where(chosen, -np.inf, closeness[:, number]).argmax()] = True
    return np.asarray(order[chosen])


def _closeness(units: Floats, centres: Floats) -> Floats:
    """Squared distances [N, count] with the sign turned, but for a part that is the same for all centres."""
    return np.asarray(units @ centres.T - 0.5 * (centres**2).sum(axis=1))


def _spread_out(units: Floats, weights: Floats, count: int, rng: np.random.Generator) -> list[int]:
    """``count`` different photos, each drawn by its weight and its squared distance to those before it."""
    chosen = [int(weights.argmax())]
    distance = np.full(len(units), np.inf)
    while len(chosen) < count:
        distance = np.minimum(distance, np.maximum(2 - 2 * units @ units[chosen[-1]], 0.0))
        chances = distance * weights
        chances[chosen] = 0.0
        if not chances.sum() > 0:
            # All that is left is the same as what was chosen.
            return [*chosen, *np.setdiff1d(np.arange(len(units)), chosen)[: count - len(chosen)].tolist()]
        chosen.append(int(rng.choice(len(units), p=chances / chances.sum())))
    return chosen


def rehearse_advantage(table: FeatureTable, ratio: float, metric: Metric, seed: int) -> Gain | None:
    """What choosing is worth over chance, tried on labels at hand: a quarter is kept, ``ratio`` as many are chosen.

    Returns None where there are too few.
    """
    rows = rows_to_rehearse(table, seed)
    fitted = np.isin(np.array(table.splits)[rows], ("train", "val"))
    if int(fitted.sum()) < _FEWEST:
        return None
    photos = labelled_features(table, rows, fitted, metric)
    x, rng, repeats = rotate(photos.features, fitted), np.random.default_rng(seed), repeats_for(len(rows))
    parts = np.zeros((len(rows), photos.classes))
    for repeat in range(repeats):
        folds = spread_folds(photos, seed + repeat)
        for number in range(FOLDS):
            judges = np.flatnonzero(folds == number)
            rank = nested_ranks(photos, np.flatnonzero(fitted & (folds != number)), rng)
            chosen, others = _fold_logits(photos, x, rank, judges, ratio, rng)
            parts += _partial(photos, judges, chosen) / repeats
            for logits in others:
                parts -= _partial(photos, judges, logits) / repeats / len(others)
    value, wide = float(parts.sum()), _QUANTILE * float(np.sqrt(photo_covariance(photos, parts[None])[0, 0]))
    return Gain(value, value - wide, value + wide)


def _fold_logits(
    photos: LabelledFeatures, x: Floats, rank: Floats, judges: Numbers, ratio: float, rng: np.random.Generator
) -> tuple[Floats, list[Floats]]:
    """Logits for a fold after labelling what was chosen, and after labelling as many at random, a few times."""
    start = np.flatnonzero(rank <= _START)
    hidden = np.flatnonzero((rank > _START) & (rank <= 1) & ~np.isin(photos.groups, photos.groups[start]))
    hidden = hidden[np.unique(photos.groups[hidden], return_index=True)[1]]
    count = max(1, min(round(ratio * len(start)), int(_MOST_CHOSEN * len(hidden))))

    def logits_with(rows: Numbers, of: Numbers) -> Floats:
        labelled = np.concatenate([start, rows])
        seed = int(rng.integers(1 << 31))
        return answer(
            x[of], fit_table(x[labelled], photos.truth[labelled], photos.groups[labelled], photos.classes, seed)
        )

    tags = are_tags(photos.truth)
    uncertainty = uncertainty_of(probabilities_of(logits_with(hidden[:0], hidden), tags), tags)
    chosen = hidden[choose_photos(uncertainty, x[hidden], count, rng)]
    random_choices = [rng.choice(hidden, count, replace=False) for _ in range(_RANDOM_DRAWS)]
    return logits_with(chosen, judges), [logits_with(rows, judges) for rows in random_choices]


def _partial(photos: LabelledFeatures, judges: Numbers, logits: Floats) -> Floats:
    """What the photos of a fold add to the score [N, C]; tags are ranked within the fold."""
    everyone = np.full((len(photos.truth), photos.classes), -np.inf)
    everyone[judges] = logits
    scores = photo_scores(photos, everyone)
    outside = np.ones(len(scores), np.bool_)
    outside[judges] = False
    scores[outside] = 0.0
    return scores


def _pool(table: FeatureTable) -> Numbers:
    """Rows of photos without labels, the first of each group of duplicates; none of a group with a labelled photo."""
    pool = table.rows_of("unlabelled")
    pool = pool[~np.isin(table.groups[pool], table.groups[table.labelled])]
    return np.asarray(pool[np.sort(np.unique(table.groups[pool], return_index=True)[1])])


def _suggestion(table: FeatureTable, row: int, probabilities: npt.NDArray[np.float64]) -> Suggestion:
    order = np.argsort(-probabilities, kind="stable")
    shown = [i for i in order if probabilities[i] >= 0.5] if table.are_tags else list(order[:2])
    return Suggestion(
        row, table.samples[row], tuple(table.classes[i] for i in shown), tuple(float(probabilities[i]) for i in shown)
    )  # fmt: skip
