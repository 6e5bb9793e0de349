"""The report's plots, each a figure: curves, accuracy against size and latency, confusion."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from edgekd.bench.statistics import Comparison
from edgekd.metrics import Interval
from edgekd.report import format as fmt
from edgekd.report import style
from edgekd.report.labels import Point, place_labels
from edgekd.report.model import Confusion, Curve, Report, Row, errors_by_class
from edgekd.report.search import against_work

_SIZE = (5.2, 3.7)
# More names than this would lie over each other.
_NAMED_MAX = 5
_CONFUSION_MAX = 12
# The report that a drawing is of.
Of = TypeVar("Of")
# Row, title, x and accuracy.
_Entry = tuple[str, str, Interval, Interval]


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
    drawings: tuple[tuple[str, str, str, Callable[[Report], Figure | None]], ...] = (
        ("curves", "Training", "Validation accuracy by epoch, with and without the teacher.", curves),
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
    figure, axes = _axes()
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
    _percent_axis(axes)
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


def _place_of(report: Report, points: Sequence[_Entry]) -> int | None:
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
    figure, axes = _axes((side + 0.5, side))
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
    errors = errors_by_class(confusion)
    return sorted(sorted(range(count), key=lambda k: (-errors[k], k))[:limit])


def _teacher_score(report: Report, metric: str) -> Interval | None:
    """The teacher's validation score, if it is of the same metric as the curves."""
    teacher = report.teacher
    return teacher.val_score if teacher is not None and teacher.metric == metric else None


def _axes(size: tuple[float, float] = _SIZE) -> tuple[Figure, Axes]:
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


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


def scatter(
    points: Sequence[_Entry], label: str, metric: str, tick: Callable[[float], str], ringed: int | None = None
) -> Figure:
    """Points with error bars: row for its style, title, x on a logarithmic axis, and a score.

    A few have their names beside them; many have numbers, and the names stand beside the axes. The point of the number
    ``ringed`` gets a ring.
    """
    numbered = len(points) > _NAMED_MAX
    figure, axes = _axes((_SIZE[0] + 1.6, _SIZE[1])) if numbered else _axes()
    axes.set_xscale("log")
    _limits(axes, points)
    marks = []
    for index, (row, title, x, y) in enumerate(_dodged(axes, points)):
        colour, marker = style.row_style(row, index)
        text = str(index + 1) if numbered else title
        axes.errorbar(
            [x.value], [y.value], label=f"{text}  {title}", xerr=_both_ways(x), yerr=_both_ways(y), fmt=marker,
            color=colour, ecolor=colour, elinewidth=1.3, markersize=7.5, mec=style.PAPER, mew=0.8, zorder=3,
        )  # fmt: skip
        if index == ringed:
            axes.plot([x.value], [y.value], "o", markersize=15, mfc="none", mec=colour, mew=1.6, zorder=2)
        marks.append(Point(x.value, y.value, (x.low, x.high), (y.low, y.high), text, colour))
    log_ticks(axes, tick)
    axes.grid(axis="both")
    axes.set_xlabel(f"{label} (logarithmic)")
    axes.set_ylabel(f"test {fmt.metric_name(metric)}")
    _percent_axis(axes)
    if numbered:
        axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=8.5)
    # Constrained layout moves the axes at the first drawing; labels are placed in its final pixels.
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    place_labels(axes, marks)
    return figure


def _dodged(axes: Axes, points: Sequence[_Entry]) -> list[_Entry]:
    """Points at the same x, moved apart by a hundredth of the axis each, so that no error bar hides another."""
    low, high = axes.get_xlim()
    step = (high / low) ** 0.011
    moved: list[_Entry] = []
    for row, title, x, y in points:
        before = sum(abs(math.log(x.value / other.value)) < math.log(step) for _, _, other, _ in points[: len(moved)])
        shift = step**before
        moved.append((row, title, Interval(x.value * shift, x.low * shift, x.high * shift), y))
    return moved


def _both_ways(interval: Interval) -> list[list[float]]:
    return [[interval.value - interval.low], [interval.high - interval.value]]


def _limits(axes: Axes, points: Sequence[_Entry]) -> None:
    left, right = min(x.low for _, _, x, _ in points), max(x.high for _, _, x, _ in points)
    low, high = min(y.low for *_, y in points), max(y.high for *_, y in points)
    # A fifth on either side, where labels find room.
    room = max(1.35, (right / left) ** 0.2)
    axes.set_xlim(left / room, right * room)
    pad = max(0.12 * (high - low), 0.01)
    axes.set_ylim(low - pad, high + pad)


def log_ticks(axes: Axes, text: Callable[[float], str], axis: Literal["x", "y"] = "x") -> None:
    """1, 2 and 5 of each decade; fewer where that would crowd."""
    low, high = axes.get_xlim() if axis == "x" else axes.get_ylim()
    for steps in ((1, 2, 5), (1, 3), (1,)):
        decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        ticks = [step * 10.0**decade for decade in decades for step in steps]
        ticks = [tick for tick in ticks if low <= tick <= high]
        if len(ticks) <= 7:
            break
    put = axes.set_xticks if axis == "x" else axes.set_yticks
    put(ticks, [text(tick) for tick in ticks])
    put([], minor=True)


def size_tick(size_bytes: float) -> str:
    """Bytes on an axis."""
    unit, value = next((u, size_bytes / s) for u, s in (("MB", 1e6), ("kB", 1e3), ("B", 1.0)) if size_bytes >= s)
    return f"{value:g} {unit}"


def _percent_axis(axes: Axes) -> None:
    low, high = axes.get_ylim()
    ticks = [tick for tick in axes.get_yticks() if low <= tick <= min(high, 1.0001)]
    digits = 0 if all(abs(tick * 100 - round(tick * 100)) < 1e-6 for tick in ticks) else 1
    axes.set_yticks(ticks, [f"{tick * 100:.{digits}f} %" for tick in ticks])
    axes.set_ylim(low, high)


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
