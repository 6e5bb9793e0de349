"""How the student was found: the candidates within the budget, what each scored, and which one was trained in full."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure

from edgekd.report import format as fmt
from edgekd.report import style

HEADER = ("candidate", "costs", "head on its features", "short trainings", "")


@dataclass(frozen=True)
class SearchCandidate:
    """A student that was looked at: its measured costs in words, and its scores, None where it was not tried.

    ``trials`` are (steps, score) of its short trainings; ``size`` is the input size and ``macs`` its work.
    """

    student: str
    costs: str
    macs: float
    probe: float | None
    trials: tuple[tuple[int, float], ...]
    is_winner: bool


@dataclass(frozen=True)
class SearchResult:
    """The search of a run: ``considered`` designs by their shapes, the ``candidates`` whose files were measured."""

    student: str
    reason: str
    considered: int
    candidates: tuple[SearchCandidate, ...]
    seconds: float


def search_of(value: dict[str, Any]) -> SearchResult:
    """The search in a run's search.json."""
    student = str(value["student"])
    candidates = tuple(
        SearchCandidate(
            str(one["student"]), str(one["costs_text"]), float(one["costs"]["macs"]), one["probe"],
            tuple((int(trial["steps"]), float(trial["score"])) for trial in one["trials"]),
            str(one["student"]) == student,
        )
        for one in value["candidates"]
    )  # fmt: skip
    return SearchResult(
        student, str(value["reason"]), len(value["considered"]), candidates, float(value["seconds"]),
    )  # fmt: skip


_RIGHT_CLASS = "the mean probability of the right class, which says more than accuracy where photos are few"
_SCORES = {
    "mean_average_precision": "mean average precision",
    "macro_f1": "F1 with probabilities in the place of decisions, which says more where photos are few",
}


def search_sentence(search: SearchResult | None, metric: str = "accuracy") -> str:
    """What was looked at, and why this student was trained; empty without a search."""
    if search is None:
        return ""
    trained = sum(1 for one in search.candidates if one.trials)
    return (
        f"Of {search.considered} designs that fill the budget, {len(search.candidates)} were measured and {trained} "
        f"trained briefly, in {fmt.duration(search.seconds)}. {search.student} was then trained in full: "
        f"{search.reason}. Scores are {_SCORES.get(metric, _RIGHT_CLASS)}; no test photo took part."
    )


def search_rows(search: SearchResult | None) -> tuple[tuple[str, ...], ...]:
    """A row for each candidate, those that were trained longest first."""
    if search is None:
        return ()
    ordered = sorted(search.candidates, key=lambda one: (-len(one.trials), -_score(one)))
    return tuple(
        (
            one.student,
            one.costs,
            fmt.DASH if one.probe is None else fmt.percent(one.probe),
            ", ".join(f"{fmt.percent(score)} after {steps} steps" for steps, score in one.trials) or fmt.DASH,
            "chosen" if one.is_winner else "",
        )
        for one in ordered
    )


def against_work(search: SearchResult | None) -> Figure | None:
    """Every candidate's score against its multiply-accumulates, the chosen one marked; None with fewer than two."""
    shown = [one for one in search.candidates if one.trials or one.probe is not None] if search else []
    if len(shown) < 2:
        return None
    figure = Figure(figsize=(5.2, 3.7), layout="constrained")
    axes = figure.subplots()
    axes.set_xscale("log")
    for one in shown:
        colour = style.RIGHT if one.is_winner else style.MUTED
        axes.plot([one.macs / 1e6], [100 * _score(one)], "o" if one.trials else "x", color=colour, markersize=8)
        if one.is_winner:
            axes.annotate(
                "chosen", (one.macs / 1e6, 100 * _score(one)), xytext=(6, 6), textcoords="offset points", color=colour
            )
    axes.grid(axis="both")
    axes.set_xlabel("millions of multiply-accumulates (logarithmic)")
    axes.set_ylabel("score, % (circles: trained briefly; crosses: a head alone)")
    return figure


def _score(one: SearchCandidate) -> float:
    return one.trials[-1][1] if one.trials else one.probe or 0.0
