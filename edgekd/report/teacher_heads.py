"""The heads that were tried on an encoder's features, side by side: class words, few labels, both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgekd.metrics import Interval
from edgekd.report import format as fmt
from edgekd.teacher.words import describe_words

_TITLES = {
    "words": "class words alone, no label",
    "linear": "labels alone, linear head",
    "mlp": "labels alone, MLP",
    "both": "class words and labels",
}
Row = tuple[str, ...]


@dataclass(frozen=True)
class TeacherHead:
    """A head as held-out photos judged it; ``loss`` is the mean cross-entropy in nats over ``n`` photos."""

    head: str
    score: Interval
    loss: float
    n: int
    cross_validated: bool
    chosen: bool


def heads_of(value: Mapping[str, Any]) -> tuple[TeacherHead, ...] | None:
    """The heads in a teacher's summary; None where there was nothing to choose."""
    heads = tuple(
        TeacherHead(
            str(head["head"]), Interval(head["score"], head["low"], head["high"]), float(head["loss"]), int(head["n"]),
            bool(head["cross_validated"]), bool(head["kept"]),
        )
        for head in value.get("heads", ())
    )  # fmt: skip
    return heads or None


def words_of(value: Mapping[str, Any]) -> str | None:
    """The class words in a teacher's summary, in a sentence; None where it has none."""
    words = value.get("words")
    return None if words is None else f"It has {describe_words(words)}."


def head_header(metric: str) -> Row:
    """The names of the columns."""
    return "teacher's head", f"{fmt.metric_name(metric)} (95{fmt.NBSP}%)", "cross-entropy", "judged on", "taken"


def head_rows(heads: tuple[TeacherHead, ...]) -> tuple[Row, ...]:
    """A row a head."""
    return tuple(
        (
            _TITLES.get(head.head, head.head), fmt.score(head.score), f"{head.loss:.3f}",
            f"{head.n:,} photos{', cross-validated' if head.cross_validated else ''}", "yes" if head.chosen else "",
        )
        for head in heads
    )  # fmt: skip
