"""How the int8 file was converted: what its precision means, and the steps of the ladder that were tried."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edgekd.metrics import Interval
from edgekd.quantize.ladder_step import Step
from edgekd.quantize.precisions import PRECISIONS
from edgekd.report import format as fmt
from edgekd.task import METRICS


@dataclass(frozen=True)
class Ladder:
    """The steps that were tried to keep ``max_drop`` points of the ``metric`` on ``photos`` validation photos."""

    metric: str
    photos: int
    max_drop: float
    float_score: Interval
    steps: tuple[Step, ...]
    sensitive: tuple[tuple[str, float], ...] = ()


def ladder_of(value: dict[str, Any]) -> Ladder | None:
    """The ladder in a run's quantize.json; None where none was climbed."""
    ladder = value.get("ladder")
    if ladder is None:
        return None
    steps = tuple(map(Step.from_json, ladder["steps"]))
    return Ladder(
        str(ladder["metric"]), int(ladder["photos"]), float(ladder["max_drop"]), Interval(**ladder["float"]), steps,
        tuple((str(op["op"]), float(op["divergence"])) for op in ladder["sensitivities"]),
    )  # fmt: skip


def ladder_sentence(ladder: Ladder | None) -> str:
    """The bound and which step met it; empty where no ladder was climbed."""
    if ladder is None:
        return ""
    holds = next((step.name for step in ladder.steps if step.holds), None)
    ended = f"the first that holds is: {holds}" if holds else "none holds"
    worst = ", ".join(f"{op} ({divergence:.2g})" for op, divergence in ladder.sensitive[:5])
    return (
        f"The int8 file may lose {ladder.max_drop:g} points of {fmt.metric_name(ladder.metric)} against the float "
        f"student's {fmt.score(ladder.float_score)} on {ladder.photos:,} validation photos; {ended}. {_counts(ladder)}"
        + (f" Ops that lose most when they alone are int8 (divergence in nats): {worst}." if worst else "")
    )


def _counts(ladder: Ladder) -> str:
    if ladder.metric in METRICS["multi-label"]:
        return (
            "Lost and gained are photos that only the float student, or only the file, gives exactly their tags; p is "
            "that of a randomization test."
        )
    return "Lost and gained are photos that only the float student, or only the file, gets right; p is McNemar's."


LADDER_HEADER = ("step", f"score (95{fmt.NBSP}%)", "drop, points", "lost", "gained", "p", "size", "holds")


def ladder_rows(ladder: Ladder | None) -> tuple[tuple[str, ...], ...]:
    """The steps as cells of text under ``LADDER_HEADER``."""
    return tuple(
        (
            step.name, fmt.score(step.score), f"{step.drop_points:+.2f}", fmt.count(step.lost), fmt.count(step.gained),
            f"{step.p_value:.2g}", fmt.size(step.size_bytes), "yes" if step.holds else "no",
        )
        for step in (ladder.steps if ladder else ())
    )  # fmt: skip


def precision_sentences(precisions: tuple[str | None, ...]) -> tuple[str, ...]:
    """What each precision of the table means, once, with its warning."""
    known = [PRECISIONS[name] for name in dict.fromkeys(precisions) if name in PRECISIONS]
    return tuple(
        f"{precision.title}: {precision.means}." + (f" Beware: {precision.warning}." if precision.warning else "")
        for precision in known
        if precision.title != "float32"
    )
