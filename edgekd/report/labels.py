"""Puts a label beside each point of a plot where it covers neither another label, a point nor an error bar."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from edgekd.report.style import MUTED

# Distances in points and directions in degrees, the liked ones first.
_RADII = (9.0, 17.0, 28.0, 42.0, 60.0)
_ANGLES = (0, 180, 90, 270, 45, 135, 315, 225)
_LEADER_FROM = 20.0


@dataclass(frozen=True)
class Point:
    """A point to label, in data coordinates, with the ends of its error bars."""

    x: float
    y: float
    x_ends: tuple[float, float]
    y_ends: tuple[float, float]
    text: str
    colour: str


def place_labels(axes: Axes, points: Sequence[Point]) -> list[Bbox]:
    """Annotate every point; returns the labels' boxes in pixels. The axes' limits must be final."""
    figure = axes.get_figure(root=True)
    if figure is None or not isinstance(figure.canvas, FigureCanvasAgg):
        raise TypeError("labels are placed on a figure with an Agg canvas")
    renderer: RendererAgg = figure.canvas.get_renderer()  # type: ignore[no-untyped-call]
    scale = figure.dpi / 72
    obstacles = [box for point in points for box in _boxes(axes, point, scale)]
    inside = axes.get_window_extent(renderer)
    placed: list[Bbox] = []
    for point in points:
        probe = axes.text(0, 0, point.text, fontsize=9, fontweight="bold")
        size = probe.get_window_extent(renderer)
        probe.remove()
        candidates = [(r * scale, a) for r in _RADII for a in _ANGLES]
        spots = [_box(axes.transData.transform((point.x, point.y)), size, r, a) for r, a in candidates]
        others = [axes.transData.transform((other.x, other.y)) for other in points if other is not point]
        middle = axes.transData.transform((point.x, point.y))
        costs = [
            _cost(box, [*obstacles, *placed], inside) + _crossing(middle, box, others, scale) + rank * 0.5
            for rank, box in enumerate(spots)
        ]
        best = min(range(len(spots)), key=costs.__getitem__)
        box, radius = spots[best], candidates[best][0] / scale
        placed.append(box)
        _annotate(axes, point, box, leader=radius >= _LEADER_FROM)
    return placed


def _boxes(axes: Axes, point: Point, scale: float) -> list[Bbox]:
    """The marker, and thin boxes along both error bars, in pixels."""
    to_pixels, thin, marker = axes.transData.transform, 1.5 * scale, 4.5 * scale
    middle = to_pixels((point.x, point.y))
    left, right = (to_pixels((x, point.y))[0] for x in point.x_ends)
    low, high = (to_pixels((point.x, y))[1] for y in point.y_ends)
    return [
        Bbox([[middle[0] - marker, middle[1] - marker], [middle[0] + marker, middle[1] + marker]]),
        Bbox([[left, middle[1] - thin], [right, middle[1] + thin]]),
        Bbox([[middle[0] - thin, low], [middle[0] + thin, high]]),
    ]


def _box(middle: NDArray[np.float64], size: Bbox, radius: float, angle: float) -> Bbox:
    """A box of that size, its nearest edge ``radius`` away from ``middle`` in a direction."""
    dx, dy = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    x = middle[0] + radius * dx + (size.width / 2) * _sign(dx)
    y = middle[1] + radius * dy + (size.height / 2) * _sign(dy)
    return Bbox([[x - size.width / 2, y - size.height / 2], [x + size.width / 2, y + size.height / 2]])


def _sign(value: float) -> float:
    return 0.0 if abs(value) < 1e-9 else math.copysign(1.0, value)


def _cost(box: Bbox, obstacles: Sequence[Bbox], inside: Bbox) -> float:
    """Square pixels covered, and far more for what would stick out of the axes."""
    covered = sum(_overlap(box, other) for other in obstacles)
    outside = box.width * box.height - _overlap(box, inside)
    return covered + 10 * outside


def _crossing(middle: NDArray[np.float64], box: Bbox, others: list[NDArray[np.float64]], scale: float) -> float:
    """A lot for every other point that lies between a point and its label."""
    end = np.clip(middle, box.min, box.max) - middle
    length = float(np.hypot(*end))
    if length == 0:
        return 0.0
    crossed = 0
    for other in others:
        along = float(np.dot(other - middle, end)) / length
        aside = abs(float(np.cross([*end, 0], [*(other - middle), 0])[2])) / length
        crossed += 0 <= along <= length and aside < 5 * scale
    return 500.0 * crossed


def _overlap(first: Bbox, other: Bbox) -> float:
    width = min(first.x1, other.x1) - max(first.x0, other.x0)
    height = min(first.y1, other.y1) - max(first.y0, other.y0)
    return width * height if width > 0 and height > 0 else 0.0


def _annotate(axes: Axes, point: Point, box: Bbox, leader: bool) -> None:
    from_pixels = axes.transData.inverted().transform
    x, y = from_pixels(((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2))
    axes.annotate(
        point.text,
        (point.x, point.y),
        xytext=(x, y),
        ha="center",
        va="center",
        fontsize=9,
        fontweight="bold",
        color=point.colour,
        arrowprops={"arrowstyle": "-", "color": MUTED, "linewidth": 0.7, "shrinkA": 1, "shrinkB": 5}
        if leader
        else None,
    )
