"""What more labels are worth: a forecast from stored features, without training a student.

Heads are fitted to parts of the labels and judged on photos that they have not seen (``rehearsal``), a power law goes
through the scores (``power_law``), and draws of it say what further labels bring. An interval holds 80 % of the draws:
of the photos that judge, of what the curve leaves open, and of the luck with which photos the next labels are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgekd.audit.labelled_features import Floats, LabelledFeatures, Numbers, labelled_features
from edgekd.audit.power_law import Posterior, fit_power_law
from edgekd.audit.rehearsal import Rehearsal, rehearse
from edgekd.pipeline.feature_table import FeatureTable
from edgekd.task import Metric

NOMINAL = 0.8
"""The share of the cases that a forecast's interval is to hold."""
# The fewest labels: of all classes together, and of a class that is asked for alone.
_FEWEST, _FEWEST_OF_CLASS = 40, 8
# Of more classes those that the head knows worst are asked for; of more photos a part.
_MOST_CLASSES, _MOST_PHOTOS = 12, 3000
# An interval that holds 0 says something only where it is narrower.
_WIDEST = 0.02
# A class that grows more than this has outgrown what could be rehearsed.
_MOST_RATIO = 4.0
_NICE = (1, 2, 3, 4, 5, 6, 8)
_QUANTILE = 1.2815515655446004
_DRAWN_SIZES = (0.2, 0.25, 0.35, 0.5, 0.71, 1.0, 1.41, 2.0, 2.83, 4.0)


@dataclass(frozen=True)
class Gain:
    """How much a score grows, as a share of 1, with the interval that holds 80 % of the cases."""

    value: float
    low: float
    high: float

    @property
    def can_tell(self) -> bool:
        """Whether the interval says anything: one that holds 0 and is wide does not."""
        return self.low > 0 or self.high < 0 or self.high - self.low <= _WIDEST


@dataclass(frozen=True)
class ClassForecast:
    """What ``more`` labels of a class alone bring; it has ``labels`` of them."""

    name: str
    labels: int
    more: int
    gain: Gain


@dataclass(frozen=True)
class CurvePoint:
    """A score with its 80 % interval at a number of labels of all classes; one was rehearsed or is a forecast."""

    labels: float
    score: float
    low: float
    high: float


@dataclass(frozen=True)
class LearningCurve:
    """The forecast for a run.

    Attributes:
        metric: What is forecast: the run's metric, of tags always mean average precision.
        labels: Labelled photos that there are to fit to: of training and validation.
        judges: Photos that judged.
        doubled: What twice as many labels of every class bring.
        quadrupled: What four times as many bring.
        classes: What labels of one class bring, the largest gain first.
        rehearsed: Scores of heads fitted to parts of the labels.
        curve: The power law through them and beyond.
        not_asked: Names of the classes with too few labels to be asked for alone.
    """

    metric: Metric
    labels: int
    judges: int
    doubled: Gain
    quadrupled: Gain
    classes: tuple[ClassForecast, ...]
    rehearsed: tuple[CurvePoint, ...]
    curve: tuple[CurvePoint, ...]
    not_asked: tuple[str, ...]


@dataclass(frozen=True)
class NoForecast:
    """Why nothing can be told."""

    reason: str


def forecast_gains(table: FeatureTable, metric: Metric, seed: int) -> LearningCurve | NoForecast:
    """What more labels bring to a linear head on these features, on photos like the test photos.

    Args:
        table: Photos with features; labels of training and validation photos are fitted to, those of test photos judge
            as well.
        metric: The run's.
        seed: Of folds, parts and draws.

    Returns:
        The forecast, or why there is none.
    """
    rows = rows_to_rehearse(table, seed)
    fitted = np.isin(np.array(table.splits)[rows], ("train", "val"))
    labels = int(np.isin(np.array(table.splits)[table.labelled], ("train", "val")).sum())
    if labels < _FEWEST:
        return NoForecast(
            f"{labels} labels of training and validation photos are too few: at least {_FEWEST} are needed"
        )
    photos = labelled_features(table, rows, fitted, metric)
    counts = photos.members[fitted].sum(axis=0)
    enough = [number for number in range(photos.classes) if counts[number] >= _FEWEST_OF_CLASS]
    if len(enough) < 2:
        return NoForecast(f"fewer than two classes have at least {_FEWEST_OF_CLASS} labels")
    asked = sorted(enough, key=lambda number: (counts[number], number))[:_MOST_CLASSES]
    rehearsal = rehearse(photos, sorted(asked), repeats_for(len(rows)), seed)
    return _forecast(table, metric, rehearsal, photos, labels / int(fitted.sum()), seed)


def gain_of(draws: Floats, variance: float, rng: np.random.Generator) -> Gain:
    """The gain of draws [K] of what is expected, each with a luck of that variance."""
    lucky = draws + rng.normal(size=len(draws)) * np.sqrt(variance)
    low, high = np.quantile(lucky, [(1 - NOMINAL) / 2, (1 + NOMINAL) / 2])
    value = float(np.mean(draws))
    return Gain(value, min(float(low), value), max(float(high), value))


def gain_of_all(
    posterior: Posterior, rehearsal: Rehearsal, ratio: float, rng: np.random.Generator, noise: float = 0.0
) -> Gain:
    """What ``ratio`` times as many labels of every class bring; ``noise`` is the variance of what will measure it."""
    return gain_of(posterior.gains(ratio, rng), rehearsal.draw * (1 - 1 / ratio) + noise, rng)


def gain_of_class(
    posterior: Posterior, rehearsal: Rehearsal, place: int, ratio: float, rng: np.random.Generator, noise: float = 0.0
) -> Gain:
    """The same of one class alone, by its place among those that were asked for."""
    return gain_of(posterior.gains_of_class(place, ratio, rng), rehearsal.draw_of_class * (1 - 1 / ratio) + noise, rng)


def round_number(count: float) -> int:
    """The largest number of one digit and zeros up to ``count``, at least 1: 87 is 80, 113 is 100."""
    digits = 10 ** int(np.floor(np.log10(max(count, 1))))
    return int(max((nice * digits for nice in _NICE if nice * digits <= count), default=1))


def rows_to_rehearse(table: FeatureTable, seed: int) -> Numbers:
    """Rows of the labelled photos; of very many, whole groups of as many as can be rehearsed with."""
    rows, groups = table.labelled, table.groups[table.labelled]
    if len(rows) <= _MOST_PHOTOS:
        return rows
    lottery = np.random.default_rng(seed).random(int(groups.max()) + 1)[groups]
    return np.asarray(np.sort(rows[np.argsort(lottery, kind="stable")[:_MOST_PHOTOS]]))


def repeats_for(count: int) -> int:
    """How often to divide photos into folds: the more, the fewer they are."""
    return 6 if count <= 400 else 4 if count <= 1000 else 2


def _rehearsed_points(rehearsal: Rehearsal, labels: float) -> tuple[CurvePoint, ...]:
    of_all = rehearsal.of_all()
    spread = _QUANTILE * np.sqrt(np.diag(of_all.covariance))
    return tuple(
        CurvePoint(float(size * labels), float(score), float(score - wide), min(float(score + wide), 1.0))
        for size, score, wide in zip(of_all.sizes, of_all.scores, spread, strict=True)
    )


def _curve_points(posterior: Posterior, labels: float) -> tuple[CurvePoint, ...]:
    points = []
    for size in _DRAWN_SIZES:
        scores = 1 - posterior.errors(size)
        low, high = np.quantile(scores, [(1 - NOMINAL) / 2, (1 + NOMINAL) / 2])
        points.append(CurvePoint(float(size * labels), float(scores.mean()), float(low), float(high)))
    return tuple(points)


def _forecast(
    table: FeatureTable, metric: Metric, rehearsal: Rehearsal, photos: LabelledFeatures, part: float, seed: int
) -> LearningCurve:
    """``part`` is how many times as many labels there are as were rehearsed with."""
    posterior, rng = fit_power_law(rehearsal, photos.classes, seed), np.random.default_rng(seed)
    counts = photos.members[photos.fitted].sum(axis=0) * part
    asked = sorted({each.more for each in rehearsal.scenarios if each.more is not None})
    usual = float(np.median(counts[counts > 0]))
    classes = []
    for place, number in enumerate(asked):
        more = round_number(min(usual, (_MOST_RATIO - 1) * counts[number]))
        gain = gain_of_class(posterior, rehearsal, place, 1 + more / float(counts[number]), rng)
        classes.append(ClassForecast(table.classes[number], round(counts[number]), more, gain))
    labels = photos.fitted.sum() * part
    return LearningCurve(
        metric="mean_average_precision" if table.are_tags else metric,
        labels=round(labels),
        judges=len(photos.truth),
        doubled=gain_of_all(posterior, rehearsal, 2.0, rng),
        quadrupled=gain_of_all(posterior, rehearsal, 4.0, rng),
        classes=tuple(sorted(classes, key=lambda each: -each.gain.value)),
        rehearsed=_rehearsed_points(rehearsal, labels),
        curve=_curve_points(posterior, labels),
        not_asked=tuple(name for number, name in enumerate(table.classes) if number not in asked),
    )
