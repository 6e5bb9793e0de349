"""The two students over several seeds: scores, agreement with the teacher, share of the teacher's lead recovered.

Every interval has two sources of uncertainty, taken as independent. The seeds, by Student's t over their own values:
redrawing three seeds with replacement would cover 80 %, not 95 %. And the photos, redrawn
with replacement, the same for both students and the teacher. The half-widths are added as squares: Student's interval
where seeds differ, the photos' where they do not. The share of the lead is a ratio of two uncertain means.

Sources: Student, Biometrika 6 (1908); adding by squares, G. Zou & A. Donner, Statistics in Medicine 27 (2008); ratios,
E. C. Fieller, Journal of the Royal Statistical Society B 16 (1954).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.bench.ratio import student_t
from edgekd.metrics import Interval
from edgekd.report import format as fmt
from edgekd.report.gains import SeedRow, Seeds
from edgekd.scoring import Answers, Truth, as_answers, as_truth, has_tags, share_alike
from edgekd.scoring import gain as gain_of
from edgekd.scoring import score as value_of
from edgekd.tag_metrics import redrawn_scores
from edgekd.task import Metric

_RESAMPLES = 2000
_CHUNK = 200
_Z95 = 1.959963984540054
_FEW = 3
# An interval of a share that is wider than this says nothing.
_WIDEST_SHARE = 1.0
Predictions = Sequence[Sequence[Any]] | Answers


@dataclass(frozen=True)
class _Draws:
    """A number for every seed, as it is and over redrawn photos: ``value`` [S], ``redrawn`` [R, S]."""

    value: NDArray[np.float64]
    redrawn: NDArray[np.float64]

    def __sub__(self, other: _Draws) -> _Draws:
        return _Draws(self.value - other.value, self.redrawn - other.redrawn)


def compare_seeds(
    truth: Sequence[Any] | Truth,
    teacher: Sequence[Any] | Answers | None,
    from_scratch: Predictions | None,
    distilled: Predictions,
    *,
    seeds: Sequence[int],
    metric: Metric,
) -> Seeds:
    """Compare the students' test predictions over ``seeds``; lists are [S][N], ``truth`` and ``teacher`` [N].

    With tags, each of a photo's entries is a list [C], of answers as ``scoring`` takes them for the ``metric``.
    ``from_scratch`` is None where training used no labels, ``teacher`` where its predictions are not known.
    """
    labels = as_truth(truth)
    teachers = None if teacher is None else as_answers(teacher, labels)
    lists = {"from_scratch": from_scratch, "distilled": distilled}
    students = {name: as_answers(predictions, labels) for name, predictions in lists.items() if predictions is not None}
    models = students if teachers is None else {**students, "teacher": teachers[None]}
    score = _redraw_tags(models, labels, metric) if has_tags(labels) else _redraw_hits(models, labels, metric)
    means = {name: _mean_over_seeds([value_of(metric, labels, row) for row in rows]) for name, rows in students.items()}
    agreement = {
        name: _mean_over_seeds([share_alike(teachers, row) for row in rows])
        for name, rows in students.items()
        if teachers is not None
    }
    gain = recovered = None
    if from_scratch is not None:
        difference = score["distilled"] - score["from_scratch"]
        # Of one seed it is the difference that the gain of distillation is told by, with the one interval.
        gain = (
            _difference(difference)
            if len(seeds) > 1
            else gain_of(metric, labels, students["from_scratch"][0], students["distilled"][0])
        )
        if teacher is not None:
            recovered = share_recovered(difference, score["teacher"] - score["from_scratch"])
    rows = tuple(
        SeedRow(
            seed,
            None if from_scratch is None else float(score["from_scratch"].value[k]),
            float(score["distilled"].value[k]),
        )
        for k, seed in enumerate(seeds)
    )
    result = Seeds(
        metric=metric,
        n=len(labels),
        rows=rows,
        from_scratch=means.get("from_scratch"),
        distilled=means["distilled"],
        gain=gain,
        teacher=None if teacher is None else float(score["teacher"].value[0]),
        agreement_from_scratch=agreement.get("from_scratch"),
        agreement_distilled=agreement.get("distilled"),
        recovered=recovered.value if recovered else None,
        recovered_interval=recovered,
        sentences=(),
    )
    return replace(result, sentences=tuple(_sentences(result)))


def _redraw_hits(models: dict[str, Answers], labels: Truth, metric: Metric) -> dict[str, _Draws]:
    return _redraw(
        {name: predictions == labels for name, predictions in models.items()}, labels, metric == "balanced_accuracy"
    )


def _redraw_tags(models: dict[str, Answers], tags: Truth, metric: Metric) -> dict[str, _Draws]:
    """The ``metric`` of answers [S, N, C], as it is and over photos redrawn with replacement, the same for all."""
    photos = [np.arange(len(tags))]
    draws = {}
    for name, answers in models.items():
        parts = [
            np.stack([redrawn_scores(metric, tags, rows, counts) for rows in answers], axis=1)
            for counts in (np.ones((1, len(tags))), *_draw_counts(photos, len(tags)))
        ]
        # A resample without any tag at all says nothing.
        redrawn = np.concatenate(parts[1:])
        draws[name] = _Draws(parts[0][0], np.where(np.isnan(redrawn), parts[0], redrawn))
    return draws


def _redraw(hits: dict[str, NDArray[np.bool_]], labels: Truth, balanced: bool) -> dict[str, _Draws]:
    """The means of ``hits`` [S, N], as they are and over photos redrawn with replacement, the same for all.

    Where ``balanced``, photos are redrawn within their class, and means are over classes first.
    """
    strata = [np.flatnonzero(labels == label) for label in np.unique(labels)] if balanced else [np.arange(len(labels))]
    by_class = np.zeros(len(labels))
    for here in strata:
        by_class[here] = 1 / len(here) / len(strata)
    weighted = {name: rows * by_class for name, rows in hits.items()}
    stacked = np.concatenate(list(weighted.values())).T
    redrawn = np.concatenate([counts @ stacked for counts in _draw_counts(strata, len(labels))])
    ends = np.cumsum([len(rows) for rows in weighted.values()])
    parts = np.split(redrawn, ends[:-1], axis=1)
    return {name: _Draws(rows.sum(axis=1), part) for (name, rows), part in zip(weighted.items(), parts, strict=True)}


def _draw_counts(strata: list[NDArray[np.int64]], n: int) -> Iterator[NDArray[np.float64]]:
    """How often each photo is drawn [chunk, N], in chunks of all the resamples."""
    rng = np.random.default_rng(0)
    for _ in range(0, _RESAMPLES, _CHUNK):
        drawn = [here[rng.integers(0, len(here), (_CHUNK, len(here)))] for here in strata]
        places = np.concatenate(drawn, axis=1) + np.arange(_CHUNK)[:, None] * n
        yield np.bincount(places.ravel(), minlength=_CHUNK * n).reshape(_CHUNK, n).astype(np.float64)


def half_width(values: NDArray[np.float64]) -> float:
    """Half of Student's 95 % interval of the mean of ``values`` [S], one a seed; 0 of one seed, without spread."""
    return math.sqrt(_seeds_covariance(values)[0, 0])


def _seeds_covariance(*values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of the means of ``values`` [S], times the square of Student's 97.5 % quantile."""
    count = len(values[0])
    if count == 1:
        return np.zeros((len(values), len(values)))
    return np.atleast_2d(np.cov(np.stack(values))) / count * student_t(0.975, count - 1) ** 2


def _mean_over_seeds(intervals: Sequence[Interval]) -> Interval:
    """The mean of the seeds' scores; each seed's interval holds the photos' uncertainty, also where all are right."""
    value, low, high = (float(np.mean([getattr(each, end) for each in intervals])) for end in ("value", "low", "high"))
    seeds = half_width(np.array([each.value for each in intervals]))
    return Interval(
        value, max(0.0, value - math.hypot(value - low, seeds)), min(1.0, value + math.hypot(high - value, seeds))
    )


def _difference(draws: _Draws) -> Interval:
    """The mean over seeds of the difference of two students, paired by seed and photo."""
    value, seeds = float(draws.value.mean()), half_width(draws.value)
    low, high = np.quantile(draws.redrawn.mean(axis=1), [0.025, 0.975])
    below, above = max(0.0, value - float(low)), max(0.0, float(high) - value)
    return Interval(value, max(-1.0, value - math.hypot(below, seeds)), min(1.0, value + math.hypot(above, seeds)))


def share_recovered(gain: _Draws, lead: _Draws) -> Interval | None:
    """What part of the teacher's lead the gain is, with Fieller's interval; None where the lead may be 0.

    It holds every share r for which ``gain - r * lead`` is 0 within its own interval.
    """
    photos = np.cov(np.stack([gain.redrawn.mean(axis=1), lead.redrawn.mean(axis=1)])) * _Z95**2
    (a, b), (_, d) = _seeds_covariance(gain.value, lead.value) + photos
    g, top = float(gain.value.mean()), float(lead.value.mean())
    if top <= 0 or top**2 <= d:
        return None
    middle, square = g * top - b, top**2 - d
    root = math.sqrt(max(0.0, middle**2 - square * (g**2 - a)))
    return Interval(g / top, (middle - root) / square, (middle + root) / square)


def _sentences(seeds: Seeds) -> list[str]:
    name, count = fmt.metric_name(seeds.metric), len(seeds.rows)
    over = f"Over {count} seeds" if count > 1 else "With one seed"
    distilled = f"distilled {fmt.score(seeds.distilled)}"
    if seeds.from_scratch is None or seeds.gain is None:
        sentences = [
            f"{over} the student has {fmt.score(seeds.distilled)} {name}. Training used no labels, so there is no "
            "student from scratch to compare with."
        ]
    else:
        sentences = [
            f"{over}: from scratch {fmt.score(seeds.from_scratch)}, {distilled} {name}"
            + (f", a difference of {fmt.gain(seeds.gain)}, paired by seed and photo." if count > 1 else ".")
        ]
    sentences += [_agreement_sentence(seeds), _recovered_sentence(seeds)]
    if count == 1:
        sentences.append(
            "One seed is one draw: another start of the same student may be better or worse by more than the interval, "
            "which covers the choice of photos only. seeds = 3 in the recipe shows by how much."
        )
    elif count < _FEW:
        sentences.append("Two seeds say little about how much a seed matters, which widens Student's t: use 3 or more.")
    return [sentence for sentence in sentences if sentence]


def _agreement_sentence(seeds: Seeds) -> str:
    if seeds.agreement_distilled is None:
        return ""
    scratch = f", from scratch {fmt.score(seeds.agreement_from_scratch)}" if seeds.agreement_from_scratch else ""
    return f"Share of photos with the teacher's prediction: distilled {fmt.score(seeds.agreement_distilled)}{scratch}."


def _recovered_sentence(seeds: Seeds) -> str:
    if seeds.teacher is None or seeds.from_scratch is None:
        return ""
    lead = seeds.teacher - seeds.from_scratch.value
    if seeds.recovered is None or seeds.recovered_interval is None:
        why = (
            f"of {fmt.points(lead)} points is within chance"
            if lead > 0
            else f"is not positive: the teacher has {fmt.percent(seeds.teacher)}, the student from scratch "
            f"{fmt.percent(seeds.from_scratch.value)}"
        )
        return f"Share of the teacher's lead that was recovered, (S_kd − S)/(T − S): {fmt.DASH}, as its lead {why}."
    interval = seeds.recovered_interval
    if interval.high - interval.low > _WIDEST_SHARE:
        return (
            f"What share of the teacher's lead distillation recovered, (S_kd − S)/(T − S), can't be told: the lead is "
            f"{lead * 100:.1f} points, and {seeds.n:,} photos leave more than the whole of it open."
        )
    part, low, high = (f"{x * 100:.0f}".replace("-", "−") for x in (seeds.recovered, interval.low, interval.high))
    return (
        f"Distillation recovered {part}{fmt.NBSP}% of the {lead * 100:.1f} points that the teacher is ahead, "
        f"(S_kd − S)/(T − S) ({low} to {high}{fmt.NBSP}%)."
    )
