from __future__ import annotations

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from edgekd.report.labels import Point, place_labels


def layout(points: list[tuple[float, float]]) -> tuple[list[Point], Figure]:
    figure = Figure(figsize=(5.2, 3.7))
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    return [
        Point(x, y, (x, x), (y - 0.1, y + 0.05), f"int8 TFLite {k}", "black") for k, (x, y) in enumerate(points)
    ], figure


@pytest.mark.parametrize(
    "points",
    [
        [(0.1, 0.5), (0.11, 0.5), (0.4, 0.6), (0.4, 0.3), (0.9, 0.7)],
        [(0.5, 0.5)] * 4,
        [tuple(row) for row in np.random.default_rng(3).uniform(0.1, 0.9, (7, 2))],
    ],
    ids=["a usual run", "all at one place", "scattered"],
)
def test_labels_overlap_nothing_and_stay_inside(points: list[tuple[float, float]]) -> None:
    marks, figure = layout(points)
    axes = figure.axes[0]
    boxes = place_labels(axes, marks)
    assert len(boxes) == len(points)
    for index, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:index])
        assert not any(box.contains(*axes.transData.transform(point)) for point in points)
        inside = axes.get_window_extent()
        assert inside.x0 <= box.x0 and box.x1 <= inside.x1 and inside.y0 <= box.y0 and box.y1 <= inside.y1
