"""A smaller copy of the question: heads fitted to parts of the labels, judged on photos that they have not seen.

What more labels are worth is asked of the labels at hand: were there only a part of them, what would twice as many
have brought, of all classes or of one? Folds are cross-fitted, so every labelled photo judges; test photos judge too,
and are never fitted to. Groups of duplicates stay together. Parts are nested, so that differences are paired.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from edgekd.audit.labelled_features import (
    FOLDS,
    ITERATIONS,
    PENALTIES,
    Floats,
    LabelledFeatures,
    Numbers,
    answer,
    nested_ranks,
    photo_covariance,
    photo_scores,
    rotate,
    spread_folds,
)
from edgekd.teacher.head import solve_head
from edgekd.training.scores import mean_loss

_FRACTIONS = (0.25, 0.35, 0.5, 0.71, 1.0)
# One class alone has this many times as many, at these fractions.
_MULTIPLIED = ((0.25, 4.0), (0.5, 2.0), (1.0, 0.5))
# Parts of which one is about twice the other.
_DOUBLED = ((0.25, 0.5), (0.35, 0.71), (0.5, 1.0))
# The variance of a head's accuracy by its photos, over the error a photo: what is taken where little is measured.
_LUCK = 0.3
_LEAST_UNIT = 0.1


@dataclass(frozen=True)
class Scenario:
    """A part of the labels: a fraction of all, and of the class ``more`` that many times as many."""

    fraction: float
    more: int | None = None
    ratio: float = 1.0


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
        draw_of_class: The same where one class grows.
    """

    scenarios: tuple[Scenario, ...]
    sizes: Floats
    ratios: Floats
    scores: Floats
    covariance: Floats
    draw: float
    draw_of_class: float

    def of_all(self) -> Rehearsal:
        """The parts of all classes alone."""
        places = [place for place, each in enumerate(self.scenarios) if each.more is None]
        return replace(
            self, scenarios=tuple(self.scenarios[place] for place in places), sizes=self.sizes[places],
            ratios=self.ratios[places], scores=self.scores[places], covariance=self.covariance[np.ix_(places, places)],
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
    x, rng = rotate(photos.features, photos.fitted), np.random.default_rng(seed)
    folds = np.stack([spread_folds(photos, seed + repeat) for repeat in range(repeats)])
    penalties = _choose_penalties(photos, x, folds[0], rng)
    values, parts = np.zeros((repeats, len(scenarios), len(x))), np.zeros((len(scenarios), len(x), photos.classes))
    sizes, ratios = np.zeros((2, len(scenarios)))
    for repeat, fold in enumerate(folds):
        logits = np.zeros((len(scenarios), len(x), photos.classes))
        for number in range(FOLDS):
            judges = np.flatnonzero(fold == number)
            rank = nested_ranks(photos, np.flatnonzero(photos.fitted & (fold != number)), rng)
            start: Floats | None = None
            # The whole first: the others start from its solution.
            for place in sorted(range(len(scenarios)), key=lambda place: place != len(_FRACTIONS) - 1):
                rows, size, ratio = _select(photos, rank, scenarios[place])
                penalty = penalties[_FRACTIONS.index(scenarios[place].fraction)]
                table = solve_head(x[rows], photos.truth[rows], photos.classes, penalty, start, ITERATIONS)
                start = table if start is None else start
                logits[place, judges] = answer(x[judges], table)
                sizes[place] += size / (FOLDS * repeats)
                ratios[place] += ratio / (FOLDS * repeats)
        of_classes = np.stack([photo_scores(photos, answers) for answers in logits])
        values[repeat], parts = of_classes.sum(axis=2), parts + of_classes / repeats
    return _summarize(scenarios, sizes, ratios, values, folds, photo_covariance(photos, parts))


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
        rank = nested_ranks(photos, np.flatnonzero(photos.fitted & (fold != number)), rng)
        for place, fraction in enumerate(_FRACTIONS):
            rows, table = _select(photos, rank, Scenario(fraction))[0], None
            for column, penalty in enumerate(PENALTIES):
                table = solve_head(x[rows], photos.truth[rows], photos.classes, penalty, table, ITERATIONS)
                losses[place, column] += mean_loss(answer(x[judges], table), photos.truth[judges])
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
    class_pairs = [
        (at[each.fraction, None, 1.0], place)
        for place, each in enumerate(scenarios)
        if each.more is not None and each.ratio == 2.0
    ]
    draw = _draw_variance(values, folds, all_pairs, sizes, sizes)
    draw_of_class = _draw_variance(values, folds, class_pairs, sizes, sizes * ratios) if class_pairs else draw
    # The mean over finitely many draws.
    covariance = covariance + np.diag((draw + expected) / 2 / sizes / len(values) / FOLDS)
    return Rehearsal(
        scenarios, sizes, ratios, mean, covariance, (draw + expected) / 2,
        (draw_of_class + expected / max(len(class_pairs), 1)) / 2,
    )  # fmt: skip


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
        unit = 1 / before[first] - 1 / after[second]
        if unit < _LEAST_UNIT:
            # Of so few photos both parts are the same.
            continue
        change = values[:, second] - values[:, first]
        change = (change - change.mean(axis=0)) * np.sqrt(repeats / max(repeats - 1, 1))
        products = []
        for row, fold in zip(change, folds, strict=True):
            parts = [row[fold == number] for number in range(FOLDS)]
            # Scores add up to that of all photos: scaled as if this fold were all of them.
            products += [
                (part.sum() ** 2 - (part**2).sum()) / max(len(part) * (len(part) - 1), 1) * photos**2 for part in parts
            ]
        units.append(float(np.mean(products)) / unit)
    return max(float(np.mean(units)), 0.0) if units else 0.0
