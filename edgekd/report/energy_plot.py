"""The plot of a report over devices that shows joules of an inference."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from edgekd.report import format as fmt
from edgekd.report import style
from edgekd.report.devices_report import DevicesReport
from edgekd.report.energy import EnergyLine, energy_lines
from edgekd.report.scatter import log_ticks

_ROWS = tuple(style.ROW_STYLE)


def energy(report: DevicesReport) -> Figure | None:
    """Joules of an inference, one strip a device and mode, on one logarithmic axis; what is not above 0 is left out."""
    strips = _strips(report)
    if not strips:
        return None
    height = 0.9 + sum(0.34 + 0.26 * len(lines) for lines in strips.values())
    figure = Figure(figsize=(7.4, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_xscale("log")
    places: list[tuple[float, str]] = []
    y = 0.0
    for heading, lines in strips.items():
        axes.text(0.0, y, heading, transform=axes.get_yaxis_transform(), fontweight="bold", va="center")
        y += 1.0
        for line in lines:
            _mark(axes, y, report.names.index(line.summary.name), line)
            places.append((y, line.summary.name))
            y += 0.8
        y += 0.35
    axes.set_ylim(y - 0.6, -0.6)
    low, high = axes.get_xlim()
    axes.set_xlim(low / 1.25, high * 1.6)
    axes.set_yticks([place for place, _ in places], [name for _, name in places])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    log_ticks(axes, lambda value: fmt.significant(value, 1))
    axes.grid(axis="x")
    axes.set_xlabel("mJ of an inference, idle subtracted (logarithmic)")
    return figure


def _strips(report: DevicesReport) -> dict[str, list[EnergyLine]]:
    strips: dict[str, list[EnergyLine]] = {}
    for part in report.parts:
        for line in energy_lines(part.result):
            joules = line.summary.joules
            if line.judgement.standing != "invalid" and joules is not None and joules.low > 0:
                strips.setdefault(f"{part.result.device}: {line.summary.mode}", []).append(line)
    return strips


def _mark(axes: Axes, y: float, index: int, line: EnergyLine) -> None:
    joules = line.summary.joules
    assert joules is not None
    colour, marker = style.row_style(_ROWS[index % len(_ROWS)], index)
    value, low, high = (1000 * each for each in (joules.value, joules.low, joules.high))
    face = colour if line.judgement.standing == "valid" else style.PAPER
    axes.errorbar(
        [value], [y], xerr=[[value - low], [high - value]], fmt=marker, color=colour, ecolor=colour, elinewidth=1.4,
        markersize=7, mfc=face, mec=colour, zorder=3,
    )  # fmt: skip
    text = fmt.significant(value) if line.judgement.standing == "valid" else f"{fmt.significant(value)}, semi-valid"
    axes.annotate(text, (high, y), (7, 0), textcoords="offset points", va="center", color=colour, fontsize=8.5)
