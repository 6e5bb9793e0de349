"""The two students over several seeds: with and without the teacher, how alike it they are, what of its lead they have.

The intervals redraw seeds and photos independently of each other, and the two students and the teacher on the same
draws. Source: A. B. Owen, The pigeonhole bootstrap, Annals of Applied Statistics 1 (2007), arXiv:0712.1111; the spread
of the seeds is widened by sqrt(S / (S - 1)), because S seeds drawn from S spread too little.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgekd.metrics import Interval
from edgekd.report import format as fmt
from edgekd.report.model import Repeats, SeedRow

_RESAMPLES = 2000
_CHUNK = 200
# A lead of the teacher's that is not above 0 in this many of the draws has no ratio to it.
_DOUBT = 0.025
_FEW = 3
Predictions = Sequence[Sequence[int]]
_Name = tuple[str, str]


@dataclass(frozen=True)
class _Draws:
    """A number for every photo and seed, as it is and redrawn: ``value`` [S], ``redrawn`` [R, S]."""

    value: NDArray[np.float64]
    redrawn: NDArray[np.float64]


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
    hits = {("score", name): given == labels for name, given in answers.items()}
    if known is not None:
        hits["score", "teacher"] = (known == labels)[None]
        hits |= {("alike", name): given == known for name, given in answers.items()}
    drawn = _redraw(hits, labels, balanced)
    score = {name: draws for (kind, name), draws in drawn.items() if kind == "score"}
    alike = {name: draws for (kind, name), draws in drawn.items() if kind == "alike"}
    picked = _seed_draws(len(seeds))
    means = {name: _over_seeds(draws, picked) for name, draws in score.items()}
    likeness = {name: _interval(*_over_seeds(draws, picked)) for name, draws in alike.items()}
    gain = recovered = None
    if without is not None:
        (value, redrawn), (base, base_redrawn) = means["taught"], means["without"]
        gain = _interval(value - base, redrawn - base_redrawn)
        if teacher is not None:
            top, top_redrawn = float(score["teacher"].value[0]), score["teacher"].redrawn[:, 0]
            recovered = _ratio(value - base, redrawn - base_redrawn, top - base, top_redrawn - base_redrawn)
    rows = tuple(
        SeedRow(seed, None if without is None else float(score["without"].value[k]), float(score["taught"].value[k]))
        for k, seed in enumerate(seeds)
    )
    found = Repeats(
        metric=metric,
        n=len(labels),
        rows=rows,
        without=_interval(*means["without"]) if without is not None else None,
        taught=_interval(*means["taught"]),
        gain=gain,
        teacher=None if teacher is None else float(score["teacher"].value[0]),
        agreement_without=likeness.get("without"),
        agreement_taught=likeness.get("taught"),
        recovered=recovered[0] if recovered else None,
        recovered_interval=recovered[1] if recovered else None,
        sentences=(),
    )
    return Repeats(**{**vars(found), "sentences": tuple(_sentences(found))})


def _redraw(hits: dict[_Name, NDArray[np.bool_]], labels: NDArray[np.int64], balanced: bool) -> dict[_Name, _Draws]:
    """The means of ``hits`` [S, N], as they are and over photos redrawn with replacement, the same for all.

    Where ``balanced``, photos are redrawn within their class, and scores are means over classes first.
    """
    strata = [np.flatnonzero(labels == label) for label in np.unique(labels)] if balanced else [np.arange(len(labels))]
    even, by_class = np.full(len(labels), 1 / len(labels)), np.zeros(len(labels))
    for here in strata:
        by_class[here] = 1 / len(here) / len(strata)
    weighted = {name: rows * (by_class if name[0] == "score" else even) for name, rows in hits.items()}
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


def _seed_draws(count: int) -> NDArray[np.float64]:
    """Shares [R, S] of the seeds in each draw of as many seeds."""
    drawn = np.random.default_rng(1).integers(0, count, (_RESAMPLES, count))
    shares = np.stack([(drawn == k).mean(axis=1) for k in range(count)], axis=1)
    # About the even share: S seeds drawn from S spread by (S - 1) / S too little.
    return np.asarray(1 / count + (shares - 1 / count) * math.sqrt(count / max(1, count - 1)))


def _over_seeds(draws: _Draws, picked: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
    return float(draws.value.mean()), (draws.redrawn * picked).sum(axis=1)


def _interval(value: float, redrawn: NDArray[np.float64]) -> Interval:
    low, high = np.quantile(redrawn, [0.025, 0.975])
    return Interval(value, min(float(low), value), max(float(high), value))


def _ratio(
    gain: float, gain_redrawn: NDArray[np.float64], lead: float, lead_redrawn: NDArray[np.float64]
) -> tuple[float, Interval | None] | None:
    """What part of ``lead`` the ``gain`` is; None where there is no lead, no interval where one is not certain."""
    if lead <= 0:
        return None
    if (lead_redrawn <= 0).mean() > _DOUBT:
        return gain / lead, None
    certain = lead_redrawn > 0
    return gain / lead, _interval(gain / lead, gain_redrawn[certain] / lead_redrawn[certain])


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
        said.append("Two seeds say little of how much a seed matters: take 3 or more.")
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
    if found.recovered is None:
        return (
            f"The teacher ({fmt.percent(found.teacher)}) is no better than the student from scratch "
            f"({fmt.percent(found.without.value)}): there is no gap that distillation could close."
        )
    part = f"{found.recovered * 100:.0f}{fmt.NBSP}%".replace("-", "−")
    said = f"Distillation recovered {part} of the {lead * 100:.1f} points that the teacher is ahead, (S_kd − S)/(T − S)"
    if found.recovered_interval is None:
        return f"{said}; no interval, because the teacher's lead itself is within chance on {found.n:,} photos."
    interval = found.recovered_interval
    low, high = (f"{end * 100:.0f}".replace("-", "−") for end in (interval.low, interval.high))
    return f"{said} ({low} to {high}{fmt.NBSP}%)."
