"""The report's plots, each a figure: curves, accuracy against size and latency, confusion."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from edgekd.bench.statistics import Comparison
from edgekd.metrics import Interval
from edgekd.report import format as fmt
from edgekd.report import style
from edgekd.report.decisions import rejection_plot
from edgekd.report.model import Confusion, Curve, Report, Row
from edgekd.report.scatter import Entry, percent_axis, plot_axes, scatter, size_tick
from edgekd.report.search import against_work
from edgekd.report.tags import tag_bars

_CONFUSION_MAX = 12
# The report that a drawing is of.
Of = TypeVar("Of")


@dataclass(frozen=True)
class Plot:
    """One plot: the file's name without a suffix, a title, a sentence for those who cannot see it, both renderings.

    ``width_px`` is as wide as it should be shown at most.
    """

    name: str
    title: str
    alt: str
    png: bytes
    svg: str
    width_px: int


def draw_all(report: Report) -> tuple[Plot, ...]:
    """Every plot that the run has numbers for."""
    metric = fmt.metric_name(report.metric)
    by_epoch = metric if report.tags else "accuracy"
    drawings: tuple[tuple[str, str, str, Callable[[Report], Figure | None]], ...] = (
        ("curves", "Training", f"Validation {by_epoch} by epoch, with and without the teacher.", curves),
        ("size", f"{metric.capitalize()} against size", f"Test {metric} of each file against its size.", against_size),
        (
            "latency",
            f"{metric.capitalize()} against latency",
            f"Test {metric} of each file against its latency over the teacher's.",
            against_latency,
        ),
        (
            "search",
            "Candidates",
            "Score of each candidate of the search against its work; the chosen one is marked.",
            lambda of: against_work(of.search),
        ),
        ("confusion", "Confusion", "How often each true class was predicted as each class.", confusion),
        (
            "rejection",
            "Rejected photos",
            "Share of photos of the classes and of none of them that each threshold rejects.",
            lambda of: rejection_plot(of.decisions or ()),
        ),
        ("tags", "F1 by tag", "F1 of each tag with its 95 % interval.", lambda of: tag_bars(of.tags)),
    )
    return draw_each(drawings, report)


def draw_each(drawings: Sequence[tuple[str, str, str, Callable[[Of], Figure | None]]], report: Of) -> tuple[Plot, ...]:
    """Draw name, title, alternative text and drawing of each; one that gives no figure has no numbers to show."""
    plots = []
    for name, title, alt, draw in drawings:
        with style.styled(name):
            figure = draw(report)
            if figure is not None:
                plots.append(as_plot(figure, name, title, alt))
    return tuple(plots)


def as_plot(figure: Figure, name: str, title: str, alt: str) -> Plot:
    """Both renderings of a figure that was drawn inside ``style.styled(name)``."""
    return Plot(name, title, alt, style.to_png(figure), style.to_svg(figure, name), round(figure.get_figwidth() * 108))


def curves(report: Report) -> Figure | None:
    """Validation accuracy by epoch; the chosen epoch is marked, the teacher is a dashed line."""
    drawn = [curve for curve in report.curves if curve.epochs]
    if not drawn:
        return None
    figure, axes = plot_axes()
    for curve in drawn:
        _draw_curve(axes, curve)
    lowest = min(min(curve.val_score) for curve in drawn)
    highest = max(max(curve.val_score) for curve in drawn)
    teacher = _teacher_score(report, drawn[0].metric)
    if teacher is not None:
        value = teacher.value
        axes.axhline(value, color=style.ROW_STYLE["teacher"][0], linewidth=1.2, dashes=(4, 3), zorder=1)
        lowest, highest = min(lowest, value), max(highest, value)
    pad = 0.06 * max(highest - lowest, 0.05)
    axes.set_ylim(lowest - pad, highest + 2 * pad)
    last = max(curve.epochs[-1] for curve in drawn)
    axes.set_xlim(1 if last > 1 else 0.5, last + 0.01)
    _label_line_ends(axes, report, drawn, last)
    axes.grid(axis="y")
    axes.set_xlabel("epoch")
    axes.set_ylabel(f"validation {fmt.metric_name(drawn[0].metric)}")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    percent_axis(axes)
    return figure


def against_size(report: Report) -> Figure | None:
    """Accuracy of each file against its bytes, on a logarithmic axis."""
    points = [
        (row.row, row.title, Interval(size, size, size), score)
        for row in report.rows
        if (score := row.score(report.metric)) and (size := row.size_bytes)
    ]
    ringed = _place_of(report, points)
    return scatter(points, "size of the file", report.metric, size_tick, ringed) if points else None


def against_latency(report: Report) -> Figure | None:
    """Accuracy of each file against its latency over the baseline's, on a logarithmic axis; without invalid ones."""
    points = [
        (row.row, _title_of(row, row.comparison), row.comparison.ratio, score)
        for row in report.rows
        if (score := row.score(report.metric))
        and row.comparison
        and row.comparison.ratio
        and row.comparison.standing != "invalid"
    ]
    if len(points) < 2:
        return None
    return scatter(
        points, f"latency, {report.baseline_title} = 1", report.metric, lambda value: fmt.significant(value, 1),
        _place_of(report, points),
    )  # fmt: skip


def _place_of(report: Report, points: Sequence[Entry]) -> int | None:
    """The place of the file that ships."""
    return next((place for place, (row, *_) in enumerate(points) if row == report.headline.row), None)


def _title_of(row: Row, comparison: Comparison) -> str:
    return row.title if comparison.standing == "valid" else f"{row.title} ({comparison.standing})"


def confusion(report: Report) -> Figure | None:
    """Counts, shaded by their share of the true class; of many classes those with the most errors."""
    if report.confusion is None:
        return None
    classes = worst_classes(report.confusion, _CONFUSION_MAX)
    names = [_short(report.confusion.classes[index]) for index in classes]
    side = 1.7 + 0.62 * max(len(classes), 3)
    figure, axes = plot_axes((side + 0.5, side))
    for place, truth in enumerate(classes):
        line = report.confusion.counts[truth]
        for across, predicted in enumerate(classes):
            _cell(axes, across, place, line[predicted], sum(line), right=truth == predicted)
    axes.set_xlim(-0.5, len(classes) - 0.5)
    axes.set_ylim(len(classes) - 0.5, -0.5)
    axes.set_aspect("equal")
    turned = len(classes) > 4 or max(map(len, names)) > 9
    axes.set_xticks(range(len(classes)), names, rotation=45 if turned else 0, ha="right" if turned else "center")
    axes.set_yticks(range(len(classes)), names)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    rest = "" if len(classes) == len(report.confusion.classes) else f" (the {len(classes)} classes with most errors)"
    axes.set_xlabel(f"predicted by {report.confusion.title}{rest}")
    axes.set_ylabel("truth")
    return figure


def worst_classes(confusion: Confusion, limit: int) -> list[int]:
    """All class numbers, or the ``limit`` with the most errors as true or as predicted class, in their order."""
    count = len(confusion.classes)
    if count <= limit:
        return list(range(count))
    errors = confusion.errors_by_class()
    return sorted(sorted(range(count), key=lambda k: (-errors[k], k))[:limit])


def _teacher_score(report: Report, metric: str) -> Interval | None:
    """The teacher's validation score, if it is of the same metric as the curves."""
    teacher = report.teacher
    return teacher.val_score if teacher is not None and teacher.metric == metric else None


def _draw_curve(axes: Axes, curve: Curve) -> None:
    colour, marker = style.row_style(curve.row, 0)
    axes.plot(curve.epochs, curve.val_score, color=colour, linewidth=1.8, zorder=3)
    if curve.best_epoch in curve.epochs:
        score = curve.val_score[curve.epochs.index(curve.best_epoch)]
        axes.plot(
            [curve.best_epoch], [score], marker, color=colour, markersize=7, mec=style.PAPER, zorder=4, clip_on=False
        )


def _label_line_ends(axes: Axes, report: Report, drawn: Sequence[Curve], last: int) -> None:
    """Names right of the axes, at the height where each line ends, moved apart where they would touch."""
    ends = [(curve.val_score[-1], curve.title, style.row_style(curve.row, 0)[0]) for curve in drawn]
    teacher = _teacher_score(report, drawn[0].metric)
    if teacher is not None:
        ends.append((teacher.value, "teacher", style.ROW_STYLE["teacher"][0]))
    low, high = axes.get_ylim()
    gap = 0.062 * (high - low)
    heights: list[float] = []
    for value, _, _ in sorted(ends):
        heights.append(max(value, heights[-1] + gap) if heights else value)
    # Pushed above the top: the whole stack comes down.
    surplus = max(0.0, heights[-1] - high)
    for height, (_, text, colour) in zip(heights, sorted(ends), strict=True):
        axes.annotate(
            f" {text}", (1.01, height - surplus), xycoords=("axes fraction", "data"), va="center", color=colour,
            fontsize=9, fontweight="bold", annotation_clip=False,
        )  # fmt: skip


def _cell(axes: Axes, x: int, y: int, count: int, total: int, right: bool) -> None:
    share = count / total if total else 0.0
    # Errors are few: the root lets them be seen.
    colour, depth = (style.RIGHT, 0.06 + 0.94 * share) if right else (style.WRONG, 0.10 + 0.75 * math.sqrt(share))
    face = (colour, depth) if count else (style.MUTED, 0.08)
    axes.add_patch(Rectangle((x - 0.47, y - 0.47), 0.94, 0.94, facecolor=face, edgecolor="none"))
    if count:
        ink = style.PAPER if depth > 0.6 and right else style.INK
        axes.text(x, y, f"{count:,}", ha="center", va="center", color=ink, fontsize=9.5)


def _short(name: str) -> str:
    return name if len(name) <= 18 else f"{name[:17]}…"
