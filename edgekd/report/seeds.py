"""The two students over several seeds: with and without the teacher, how alike it they are, what of its lead they have.

Two sources of doubt, held to be independent, are in every interval. The seeds, by Student's t over their own values:
three seeds redrawn with replacement would cover four times of five, not nineteen of twenty. And the photos, redrawn
with replacement, the same for both students and the teacher. The half-widths are added as squares: Student's interval
where seeds differ, the photos' where they do not. The share of the lead is a ratio of two uncertain means.

Sources: Student, Biometrika 6 (1908); adding by squares, G. Zou & A. Donner, Statistics in Medicine 27 (2008); ratios,
E. C. Fieller, Journal of the Royal Statistical Society B 16 (1954).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgekd.bench.ratio import student_t
from edgekd.metrics import Interval, accuracy, balanced_accuracy
from edgekd.report import format as fmt
from edgekd.report.model import Repeats, SeedRow

_RESAMPLES = 2000
_CHUNK = 200
_Z95 = 1.959963984540054
_FEW = 3
Predictions = Sequence[Sequence[int]]


@dataclass(frozen=True)
class _Draws:
    """A number for every seed, as it is and over redrawn photos: ``value`` [S], ``redrawn`` [R, S]."""

    value: NDArray[np.float64]
    redrawn: NDArray[np.float64]

    def __sub__(self, other: _Draws) -> _Draws:
        return _Draws(self.value - other.value, self.redrawn - other.redrawn)


def repeats(
    truth: Sequence[int],
    teacher: Sequence[int] | None,
    without: Predictions | None,
    taught: Predictions,
    *,
    seeds: Sequence[int],
    metric: str,
) -> Repeats:
    """Compare the students' test answers over ``seeds``; lists are [S][N], ``truth`` and ``teacher`` [N].

    ``without`` is None where no label was there to learn from alone, ``teacher`` where its answers are not known.
    """
    labels, balanced = np.asarray(truth, np.int64), metric == "balanced_accuracy"
    known = None if teacher is None else np.asarray(teacher, np.int64)
    lists = {"without": without, "taught": taught}
    answers = {name: np.asarray(given, np.int64) for name, given in lists.items() if given is not None}
    everyone = answers if known is None else {**answers, "teacher": known[None]}
    score = _redraw({name: given == labels for name, given in everyone.items()}, labels, balanced)
    metric_of = balanced_accuracy if balanced else accuracy
    means = {name: _of_seeds([metric_of(labels, one) for one in given]) for name, given in answers.items()}
    likeness = {
        name: _of_seeds([accuracy(known, one) for one in given]) for name, given in answers.items() if known is not None
    }
    gain = recovered = None
    if without is not None:
        gained = score["taught"] - score["without"]
        gain = _difference(gained)
        if teacher is not None:
            recovered = share_recovered(gained, score["teacher"] - score["without"])
    rows = tuple(
        SeedRow(seed, None if without is None else float(score["without"].value[k]), float(score["taught"].value[k]))
        for k, seed in enumerate(seeds)
    )
    found = Repeats(
        metric=metric,
        n=len(labels),
        rows=rows,
        without=means.get("without"),
        taught=means["taught"],
        gain=gain,
        teacher=None if teacher is None else float(score["teacher"].value[0]),
        agreement_without=likeness.get("without"),
        agreement_taught=likeness.get("taught"),
        recovered=recovered.value if recovered else None,
        recovered_interval=recovered,
        sentences=(),
    )
    return Repeats(**{**vars(found), "sentences": tuple(_sentences(found))})


def _redraw(hits: dict[str, NDArray[np.bool_]], labels: NDArray[np.int64], balanced: bool) -> dict[str, _Draws]:
    """The means of ``hits`` [S, N], as they are and over photos redrawn with replacement, the same for all.

    Where ``balanced``, photos are redrawn within their class, and means are over classes first.
    """
    strata = [np.flatnonzero(labels == label) for label in np.unique(labels)] if balanced else [np.arange(len(labels))]
    by_class = np.zeros(len(labels))
    for here in strata:
        by_class[here] = 1 / len(here) / len(strata)
    weighted = {name: rows * by_class for name, rows in hits.items()}
    stacked = np.concatenate(list(weighted.values())).T
    redrawn = np.concatenate([counts @ stacked for counts in _counts(strata, len(labels))])
    ends = np.cumsum([len(rows) for rows in weighted.values()])
    parts = np.split(redrawn, ends[:-1], axis=1)
    return {name: _Draws(rows.sum(axis=1), part) for (name, rows), part in zip(weighted.items(), parts, strict=True)}


def _counts(strata: list[NDArray[np.int64]], n: int) -> Iterator[NDArray[np.float64]]:
    """How often each photo is drawn [chunk, N], in all the resamples one after the other."""
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


def _of_seeds(intervals: Sequence[Interval]) -> Interval:
    """The mean of the seeds' scores; of the photos' doubt each seed's own interval tells, also where all are right."""
    value, low, high = (float(np.mean([getattr(one, end) for one in intervals])) for end in ("value", "low", "high"))
    seeds = half_width(np.array([one.value for one in intervals]))
    return Interval(
        value, max(0.0, value - math.hypot(value - low, seeds)), min(1.0, value + math.hypot(high - value, seeds))
    )


def _difference(draws: _Draws) -> Interval:
    """The mean over seeds of what differs between two students, paired by seed and photo."""
    value, seeds = float(draws.value.mean()), half_width(draws.value)
    low, high = np.quantile(draws.redrawn.mean(axis=1), [0.025, 0.975])
    below, above = max(0.0, value - float(low)), max(0.0, float(high) - value)
    return Interval(value, max(-1.0, value - math.hypot(below, seeds)), min(1.0, value + math.hypot(above, seeds)))


def share_recovered(gain: _Draws, lead: _Draws) -> Interval | None:
    """What part of the teacher's lead the gain is, with Fieller's interval; None where the lead isn't surely above 0.

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


def _sentences(found: Repeats) -> list[str]:
    name, count = fmt.metric_name(found.metric), len(found.rows)
    over = f"Over {count} seeds" if count > 1 else "With one seed"
    taught = f"distilled {fmt.score(found.taught)}"
    if found.without is None or found.gain is None:
        said = [
            f"{over} the student has {fmt.score(found.taught)} {name}. No label took part in training, so there is no "
            "student from scratch to hold it against."
        ]
    else:
        said = [
            f"{over}: from scratch {fmt.score(found.without)}, {taught} {name}, a difference of "
            f"{fmt.points(found.gain.value)} points ({fmt.points(found.gain.low)} to {fmt.points(found.gain.high)}), "
            f"paired by {'seed and ' if count > 1 else ''}photo."
        ]
    said += [_alike(found), _recovered(found)]
    if count == 1:
        said.append(
            "One seed is one draw: another start of the same student may come out better or worse by more than the "
            "interval, which knows of the photos alone. seeds = 3 in the recipe shows how much."
        )
    elif count < _FEW:
        said.append("Two seeds say little of how much a seed matters, and Student's t knows it: take 3 or more.")
    return [sentence for sentence in said if sentence]


def _alike(found: Repeats) -> str:
    if found.agreement_taught is None:
        return ""
    scratch = f", from scratch {fmt.score(found.agreement_without)}" if found.agreement_without else ""
    return f"Share of photos with the teacher's answer: distilled {fmt.score(found.agreement_taught)}{scratch}."


def _recovered(found: Repeats) -> str:
    if found.teacher is None or found.without is None:
        return ""
    lead = found.teacher - found.without.value
    if found.recovered is None or found.recovered_interval is None:
        why = (
            f"of {fmt.points(lead)} points is within chance"
            if lead > 0
            else f"is no lead: the teacher has {fmt.percent(found.teacher)}, the student from scratch "
            f"{fmt.percent(found.without.value)}"
        )
        return f"Share of the teacher's lead that was recovered, (S_kd − S)/(T − S): {fmt.DASH}, as its lead {why}."
    interval = found.recovered_interval
    part, low, high = (f"{x * 100:.0f}".replace("-", "−") for x in (found.recovered, interval.low, interval.high))
    return (
        f"Distillation recovered {part}{fmt.NBSP}% of the {lead * 100:.1f} points that the teacher is ahead, "
        f"(S_kd − S)/(T − S) ({low} to {high}{fmt.NBSP}%)."
    )
