"""A smaller copy of the question: heads fitted to parts of the labels, judged on photos that they have not seen.

What more labels are worth is asked of the labels at hand: were there only a part of them, what would twice as many
have brought, of all classes or of one? Folds are cross-fitted, so every labelled photo judges; test photos judge too,
and are never fitted to. Groups of duplicates stay together. Parts are nested, so that differences are paired.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from edgekd.teacher.cross_validation import assign_folds
from edgekd.teacher.head import solve_head
from edgekd.training.labels import are_tags
from edgekd.training.scores import mean_loss

Floats = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]
Truth = npt.NDArray[np.integer]

FOLDS = 5
PENALTIES = (1.0, 1e-1, 1e-2, 1e-3)
_FRACTIONS = (0.25, 0.35, 0.5, 0.71, 1.0)
# One class alone has this many times as many, at these fractions.
_MULTIPLIED = ((0.25, 4.0), (0.5, 2.0), (1.0, 0.5))
# Heads learn little more from further directions of the features.
_MOST_DIRECTIONS = 256
_ITERATIONS = 60
# Parts of which one is about twice the other.
_DOUBLED = ((0.25, 0.5), (0.35, 0.71), (0.5, 1.0))
# The variance of a head's accuracy by its photos, over the error a photo: what is taken where little is measured.
_LUCK = 0.3
# The fewest photos of a class in a part.
_FEWEST = 2


@dataclass(frozen=True)
class Scenario:
    """A part of the labels: a fraction of all, and of the class ``more`` that many times as many."""

    fraction: float
    more: int | None = None
    ratio: float = 1.0


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


@dataclass(frozen=True, eq=False)
class Rehearsal:
    """What heads fitted to parts of the labels scored.

    Attributes:
        scenarios: The S parts.
        sizes: Photos of each part over those at hand [S], the class multiplied left as it was.
        ratios: How many times as many of the multiplied class there were [S]; 1 where none was.
        scores: Mean score of each part [S].
        covariance: Of ``scores`` [S, S], by the photos that judge.
        draw: Variance of a gain by which photos are drawn, a unit of 1/size - 1/(larger size), of all classes.
        draw_of_one: The same where one class grows.
    """

    scenarios: tuple[Scenario, ...]
    sizes: Floats
    ratios: Floats
    scores: Floats
    covariance: Floats
    draw: float
    draw_of_one: float

    def of_all(self) -> Rehearsal:
        """The parts of all classes alone."""
        kept = [place for place, each in enumerate(self.scenarios) if each.more is None]
        return replace(
            self, scenarios=tuple(self.scenarios[place] for place in kept), sizes=self.sizes[kept],
            ratios=self.ratios[kept], scores=self.scores[kept], covariance=self.covariance[np.ix_(kept, kept)],
        )  # fmt: skip


def rehearse(photos: LabelledFeatures, asked: Sequence[int], repeats: int, seed: int) -> Rehearsal:
    """Fit heads to parts of the labels, of all classes and of each class in ``asked`` multiplied.

    Args:
        photos: The labelled photos.
        asked: Numbers of the classes that are multiplied alone.
        repeats: How often the photos are divided into folds anew.
        seed: Of folds and parts.

    Returns:
        The scores of all parts: accuracy with the shares of the photos, or mean average precision of tags.
    """
    scenarios = (
        *(Scenario(fraction) for fraction in _FRACTIONS),
        *(Scenario(fraction, number, ratio) for number in asked for fraction, ratio in _MULTIPLIED),
    )
    x, rng = _rotate(photos), np.random.default_rng(seed)
    folds = np.stack([_folds(photos, seed + repeat) for repeat in range(repeats)])
    penalties = _choose_penalties(photos, x, folds[0], rng)
    values, parts = np.zeros((repeats, len(scenarios), len(x))), np.zeros((len(scenarios), len(x), photos.classes))
    sizes, ratios = np.zeros((2, len(scenarios)))
    for repeat, fold in enumerate(folds):
        logits = np.zeros((len(scenarios), len(x), photos.classes))
        for number in range(FOLDS):
            judges = np.flatnonzero(fold == number)
            rank = _nested_ranks(photos, np.flatnonzero(photos.fitted & (fold != number)), rng)
            start: Floats | None = None
            # The whole first: the others start from its solution.
            for place in sorted(range(len(scenarios)), key=lambda place: place != len(_FRACTIONS) - 1):
                rows, size, ratio = _select(photos, rank, scenarios[place])
                penalty = penalties[_FRACTIONS.index(scenarios[place].fraction)]
                table = solve_head(x[rows], photos.truth[rows], photos.classes, penalty, start, _ITERATIONS)
                start = table if start is None else start
                logits[place, judges] = x[judges] @ table[:-1] + table[-1]
                sizes[place] += size / (FOLDS * repeats)
                ratios[place] += ratio / (FOLDS * repeats)
        of_classes = np.stack([photo_scores(photos, answers) for answers in logits])
        values[repeat], parts = of_classes.sum(axis=2), parts + of_classes / repeats
    return _summarize(scenarios, sizes, ratios, values, folds, _photo_covariance(photos, parts))


def _folds(photos: LabelledFeatures, seed: int) -> Numbers:
    """The fold [N] of every photo; those that judge only are spread by themselves."""
    folds = np.zeros(len(photos.truth), np.int64)
    for part in (photos.fitted, ~photos.fitted):
        if part.any():
            folds[part] = assign_folds(photos.truth[part], photos.groups[part], seed, FOLDS)
    return folds


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


def _rotate(photos: LabelledFeatures) -> Floats:
    """Standardized features in their main directions: a penalty on all of them is the same there."""
    fitted = photos.features[photos.fitted]
    mean, scale = fitted.mean(axis=0), fitted.std(axis=0) + 1e-6
    standardized = (photos.features - mean) / scale
    _, vectors = np.linalg.eigh((standardized[photos.fitted] @ standardized[photos.fitted].T).astype(np.float64))
    vectors = vectors[:, ::-1][:, : min(_MOST_DIRECTIONS, len(fitted))]
    directions = standardized[photos.fitted].T @ vectors
    directions /= np.maximum(np.linalg.norm(directions, axis=0), 1e-6)
    return np.asarray(standardized @ directions, np.float64)


def _nested_ranks(photos: LabelledFeatures, rows: Numbers, rng: np.random.Generator) -> Floats:
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


def _select(photos: LabelledFeatures, rank: Floats, scenario: Scenario) -> tuple[Numbers, float, float]:
    """Rows of a part, its size over that of all fitted photos, and how many times the class was multiplied."""
    part = rank <= scenario.fraction + 1e-9
    size = float(part.sum() / photos.fitted.sum())
    if scenario.more is None:
        return np.flatnonzero(part), size, 1.0
    of_class = photos.members[:, scenario.more]
    changed = np.where(of_class, rank <= scenario.fraction * scenario.ratio + 1e-9, part)
    before, after = int((part & of_class).sum()), int((changed & of_class).sum())
    return np.flatnonzero(changed), size, max(after, 1) / max(before, 1)


def _choose_penalties(photos: LabelledFeatures, x: Floats, fold: Numbers, rng: np.random.Generator) -> list[float]:
    """The penalty with the lowest loss for each fraction, on photos that were not fitted to."""
    losses = np.zeros((len(_FRACTIONS), len(PENALTIES)))
    for number in range(FOLDS):
        judges = np.flatnonzero(fold == number)
        rank = _nested_ranks(photos, np.flatnonzero(photos.fitted & (fold != number)), rng)
        for place, fraction in enumerate(_FRACTIONS):
            rows, table = _select(photos, rank, Scenario(fraction))[0], None
            for column, penalty in enumerate(PENALTIES):
                table = solve_head(x[rows], photos.truth[rows], photos.classes, penalty, table, _ITERATIONS)
                losses[place, column] += mean_loss(x[judges] @ table[:-1] + table[-1], photos.truth[judges])
    return [PENALTIES[best] for best in losses.argmin(axis=1)]


def _summarize(
    scenarios: tuple[Scenario, ...], sizes: Floats, ratios: Floats, values: Floats, folds: Numbers, covariance: Floats
) -> Rehearsal:
    """Means and their variance by draws, of photos' scores [R, S, N]; ``covariance`` [S, S] is that by photos."""
    mean = values.mean(axis=0).sum(axis=1)
    # A head's luck with its photos, were nothing measured of it: in the order of what each photo weighs in the error.
    expected = _LUCK * max(1 - float(mean[_FRACTIONS.index(1.0)]), 1 / values.shape[2]) / values.shape[2]
    at = {(each.fraction, each.more, each.ratio): place for place, each in enumerate(scenarios)}
    all_pairs = [(at[small, None, 1.0], at[large, None, 1.0]) for small, large in _DOUBLED]
    one_pairs = [
        (at[each.fraction, None, 1.0], place)
        for place, each in enumerate(scenarios)
        if each.more is not None and each.ratio == 2.0
    ]
    draw = _draw_variance(values, folds, all_pairs, sizes, sizes)
    draw_of_one = _draw_variance(values, folds, one_pairs, sizes, sizes * ratios) if one_pairs else draw
    # The mean over finitely many draws.
    covariance = covariance + np.diag((draw + expected) / 2 / sizes / len(values) / FOLDS)
    return Rehearsal(
        scenarios, sizes, ratios, mean, covariance, (draw + expected) / 2,
        (draw_of_one + expected / max(len(one_pairs), 1)) / 2,
    )  # fmt: skip


def _photo_covariance(photos: LabelledFeatures, parts: Floats) -> Floats:
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


def _draw_variance(
    values: Floats, folds: Numbers, pairs: Sequence[tuple[int, int]], before: Floats, after: Floats
) -> float:
    """How much gains vary with the photos fitted to, beyond the noise of each photo that judges; see ``Rehearsal``.

    ``pairs`` are places among the scores [R, S, N] of parts, with the sizes ``before`` and ``after`` [S]. Photos of one
    fold are answered by one head: what they share is the head's, and the mean product of pairs of them is unbiased.
    """
    repeats, photos = len(values), values.shape[2]
    units = []
    for first, second in pairs:
        change = values[:, second] - values[:, first]
        change = (change - change.mean(axis=0)) * np.sqrt(repeats / max(repeats - 1, 1))
        products = []
        for row, fold in zip(change, folds, strict=True):
            parts = [row[fold == number] for number in range(FOLDS)]
            # Scores add up to that of all photos: scaled as if this fold were all of them.
            products += [
                (part.sum() ** 2 - (part**2).sum()) / max(len(part) * (len(part) - 1), 1) * photos**2 for part in parts
            ]
        units.append(float(np.mean(products)) / (1 / before[first] - 1 / after[second]))
    return max(float(np.mean(units)), 0.0)
