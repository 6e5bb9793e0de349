"""What a report says of tags: each one's scores and counts, and the photos that were given wrong ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure

from edgekd.evaluation.tag_scores import TagScore
from edgekd.metrics import Interval
from edgekd.report import format as fmt
from edgekd.report import style
from edgekd.report.model import MisclassifiedPhoto, TagTable
from edgekd.report.scatter import plot_axes

NO_TAG = "no tag"
HEADER = (
    "tag", "photos", f"F1 (95{fmt.NBSP}%)", "average precision", "threshold", "right", "missed", "extra",
    "rightly absent",
)  # fmt: skip
# More bars than this are too many for a page: those of the lowest F1 are shown.
_BARS_MAX = 24


@dataclass(frozen=True)
class _Bar:
    """A tag of the plot: its name, its F1, and the photos that have it."""

    tag: str
    f1: Interval
    photos: int


def tag_table(row: Mapping[str, Any]) -> TagTable | None:
    """The tags of a row of check.json; None where photos have one label each."""
    if row.get("tags") is None:
        return None
    return TagTable(str(row["row"]), str(row["title"]), tuple(map(TagScore.from_json, row["tags"])))


def wrong_tags(check: Mapping[str, Any], row: Mapping[str, Any]) -> tuple[MisclassifiedPhoto, ...]:
    """The photos whose tags a row of check.json gives wrongly: the true ones, and what is missing or extra."""
    names = check["classes"]
    trio = zip(check["ids"], check["labels"], row["predictions"], strict=True)
    return tuple(
        MisclassifiedPhoto(str(id_), _names(true, names) or NO_TAG, _difference(true, predicted, names))
        for id_, true, predicted in trio
        if set(true) != set(predicted)
    )


def _difference(true: Sequence[int], predicted: Sequence[int], names: Sequence[str]) -> str:
    parts = (
        ("missing", [number for number in true if number not in predicted]),
        ("extra", [number for number in predicted if number not in true]),
    )
    return "; ".join(f"{word} {_names(numbers, names)}" for word, numbers in parts if numbers)


def _names(numbers: Sequence[int], names: Sequence[str]) -> str:
    return ", ".join(str(names[number]) for number in numbers)


def tag_rows(table: TagTable | None) -> tuple[tuple[str, ...], ...]:
    """The tags as cells of text under ``HEADER``."""
    return tuple(
        (
            one.tag, fmt.count(one.true_positives + one.false_negatives), fmt.score(one.f1),
            fmt.DASH if one.average_precision is None else fmt.percent(one.average_precision), f"{one.threshold:.3f}",
            fmt.count(one.true_positives), fmt.count(one.false_negatives), fmt.count(one.false_positives),
            fmt.count(one.true_negatives),
        )
        for one in (table.tags if table else ())
    )  # fmt: skip


def tags_sentence(table: TagTable | None, scores: Mapping[str, Interval | None]) -> str:
    """The means over tags, and which tags can't be judged; ``scores`` are the row's by the metric's name."""
    if table is None:
        return ""
    parts = [f"{fmt.metric_name(name)} {fmt.score(value)}" for name, value in scores.items() if value is not None]
    absent = [one.tag for one in table.tags if one.f1 is None]
    left_out = f" No test photo has {', '.join(absent)}: left out of the means." if absent else ""
    return (
        f"{table.title}: {', '.join(parts)}. Right are photos that have the tag and get it, missed those that do not "
        f"get it, extra those that get it without having it.{left_out}"
    )


def wrong_tags_sentence(table: TagTable, wrong: int, count: int) -> str:
    """How many photos have other tags than they should."""
    return f"{table.title} gives {wrong} of {count:,} test photos other tags than theirs."


def tag_bars(table: TagTable | None) -> Figure | None:
    """F1 of every tag as a bar with its 95 % interval; of many tags those with the lowest."""
    all_bars = [] if table is None else [
        _Bar(one.tag, one.f1, one.true_positives + one.false_negatives) for one in table.tags if one.f1 is not None
    ]  # fmt: skip
    if table is None or not all_bars:
        return None
    lowest = sorted(all_bars, key=lambda bar: bar.f1.value)[:_BARS_MAX]
    bars = [bar for bar in all_bars if bar in lowest]
    figure, axes = plot_axes((5.6, 1.1 + 0.34 * max(len(bars), 2)))
    colour = style.row_style(table.row, 0)[0]
    places = range(len(bars))
    axes.barh(places, [bar.f1.value for bar in bars], height=0.62, color=colour, alpha=0.35)
    errors = [[bar.f1.value - bar.f1.low for bar in bars], [bar.f1.high - bar.f1.value for bar in bars]]
    axes.errorbar(
        [bar.f1.value for bar in bars], places, xerr=errors, fmt="o", color=colour, ecolor=colour, elinewidth=1.4,
        capsize=3, markersize=5,
    )  # fmt: skip
    axes.set_yticks(places, [f"{_short(bar.tag)} ({bar.photos:,})" for bar in bars])
    axes.set_ylim(len(bars) - 0.4, -0.6)
    axes.set_xlim(0, 1.02)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1.0], ["0 %", "25 %", "50 %", "75 %", "100 %"])
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")
    rest = "" if len(bars) == len(all_bars) else f" (the {len(bars)} tags with the lowest of {len(all_bars)})"
    axes.set_xlabel(f"F1 of {table.title}; test photos in brackets{rest}")
    return figure


def _short(name: str) -> str:
    return name if len(name) <= 22 else f"{name[:21]}…"
