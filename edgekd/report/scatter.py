"""Points with error bars on a logarithmic axis, and the axes that all plots share."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from edgekd.metrics import Interval
from edgekd.report import format as fmt
from edgekd.report import style
from edgekd.report.labels import Point, place_labels

_SIZE = (5.2, 3.7)
# More names than this would lie over each other.
_NAMED_MAX = 5
# Row, title, x and accuracy.
Entry = tuple[str, str, Interval, Interval]


def plot_axes(size: tuple[float, float] = _SIZE) -> tuple[Figure, Axes]:
    """A figure with one pair of axes, of a size in inches."""
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def scatter(
    points: Sequence[Entry], label: str, metric: str, tick: Callable[[float], str], ringed: int | None = None
) -> Figure:
    """Points with error bars: row for its style, title, x on a logarithmic axis, and a score.

    A few have their names beside them; many have numbers, and the names stand beside the axes. The point of the number
    ``ringed`` gets a ring.
    """
    numbered = len(points) > _NAMED_MAX
    figure, axes = plot_axes((_SIZE[0] + 1.6, _SIZE[1])) if numbered else plot_axes()
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
    percent_axis(axes)
    if numbered:
        axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=8.5)
    # Constrained layout moves the axes at the first drawing; labels are placed in its final pixels.
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    place_labels(axes, marks)
    return figure


def _dodged(axes: Axes, points: Sequence[Entry]) -> list[Entry]:
    """Points at the same x, moved apart by a hundredth of the axis each, so that no error bar hides another."""
    low, high = axes.get_xlim()
    step = (high / low) ** 0.011
    moved: list[Entry] = []
    for row, title, x, y in points:
        before = sum(abs(math.log(x.value / other.value)) < math.log(step) for _, _, other, _ in points[: len(moved)])
        shift = step**before
        moved.append((row, title, Interval(x.value * shift, x.low * shift, x.high * shift), y))
    return moved


def _both_ways(interval: Interval) -> list[list[float]]:
    return [[interval.value - interval.low], [interval.high - interval.value]]


def _limits(axes: Axes, points: Sequence[Entry]) -> None:
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


def percent_axis(axes: Axes) -> None:
    """Let the y axis be read in percent, none above 100."""
    low, high = axes.get_ylim()
    ticks = [tick for tick in axes.get_yticks() if low <= tick <= min(high, 1.0001)]
    digits = 0 if all(abs(tick * 100 - round(tick * 100)) < 1e-6 for tick in ticks) else 1
    axes.set_yticks(ticks, [f"{tick * 100:.{digits}f} %" for tick in ticks])
    axes.set_ylim(low, high)
