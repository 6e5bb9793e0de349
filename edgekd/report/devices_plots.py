"""The plots of a report over devices: ratios by device, a sustained run's curve, a sweep of threads."""

from __future__ import annotations

from collections.abc import Callable

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from edgekd.bench.records import Launch
from edgekd.report import format as fmt
from edgekd.report import style
from edgekd.report.devices_report import DevicePart, DevicesReport
from edgekd.report.energy_plot import energy
from edgekd.report.plots import Plot, draw_each
from edgekd.report.scatter import log_ticks

_ROWS = tuple(style.ROW_STYLE)


def draw_all(report: DevicesReport) -> tuple[Plot, ...]:
    """Every plot with numbers for it."""
    drawings: tuple[tuple[str, str, str, Callable[[DevicesReport], Figure | None]], ...] = (
        ("ratios", "Against the baseline, by device", "Each file's ratio to the baseline on each device.", ratios),
        ("energy", "Energy of an inference", "Joules of an inference of each file, idle subtracted.", energy),
        ("sustained", "Sustained", "Median latency of each second, over minutes.", sustained),
        ("threads", "Threads", "Median latency by number of threads.", threads),
    )
    return draw_each(drawings, report)


def ratios(report: DevicesReport) -> Figure | None:
    """One strip a device, one mark a file, on one logarithmic axis; hollow where the measurement is not valid."""
    parts = [part for part in report.parts if any(line.comparison.estimate is not None for line in part.lines)]
    if not parts or len(report.names) < 2:
        return None
    height = 0.9 + sum(0.34 + 0.26 * len(part.lines) for part in parts)
    figure, axes = _axes((7.4, height))
    axes.set_xscale("log")
    names: list[tuple[float, str]] = []
    y = 0.0
    for part in parts:
        axes.text(0.0, y, _heading(part), transform=axes.get_yaxis_transform(), fontweight="bold", va="center")
        y += 1.0
        for line in part.lines:
            index = report.names.index(line.measurement.name)
            _mark(axes, y, index, line.comparison, solid=line.validity.standing == "valid")
            names.append((y, line.measurement.name))
            y += 0.8
        y += 0.35
    axes.axvline(1.0, color=style.MUTED, linewidth=1.0, zorder=1)
    axes.set_ylim(y - 0.6, -0.6)
    low, high = axes.get_xlim()
    axes.set_xlim(low / 1.25, max(high, 1.0) * 1.6)
    axes.set_yticks([place for place, _ in names], [name for _, name in names])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    log_ticks(axes, lambda value: fmt.significant(value, 1))
    axes.grid(axis="x")
    axes.set_xlabel(f"ratio to {report.baseline} (logarithmic; less is faster, or fewer instructions)")
    return figure


def sustained(report: DevicesReport) -> Figure | None:
    """Medians by the second of every file's first launch that has a curve; one panel a device."""
    parts = [part for part in report.parts if any(_curve(part, k) for k in range(len(part.lines)))]
    if not parts:
        return None
    figure = Figure(figsize=(7.4, 2.6 * len(parts)), layout="constrained")
    FigureCanvasAgg(figure)
    for place, part in enumerate(parts):
        axes = figure.add_subplot(len(parts), 1, place + 1)
        axes.set_title(part.result.device)
        for index, line in enumerate(part.lines):
            launch = _curve(part, index)
            if launch is None or launch.curve is None:
                continue
            seconds, medians = [row[0] for row in launch.curve], [row[2] / 1e6 for row in launch.curve]
            colour, _ = style.row_style(_ROWS[index % len(_ROWS)], index)
            axes.plot(seconds, medians, color=colour, linewidth=1.6, label=line.measurement.name)
        axes.set_yscale("log")
        axes.set_ylabel("median, ms")
        log_ticks(axes, lambda value: fmt.significant(value, 1), axis="y")
        axes.grid(axis="y")
        axes.legend(frameon=False, fontsize=8.5, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    axes.set_xlabel("seconds")
    return figure


def threads(report: DevicesReport) -> Figure | None:
    """Median latency against the number of threads, a line a file and device."""
    lines: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for part in report.parts:
        for line in part.lines:
            if line.summary is not None and line.summary.p50_ms is not None:
                key = (line.measurement.file, part.result.device)
                lines.setdefault(key, []).append((line.measurement.threads, line.summary.p50_ms))
    swept = {key: sorted(points) for key, points in lines.items() if len({count for count, _ in points}) > 1}
    if not swept:
        return None
    figure, axes = _axes((7.4, 3.4))
    axes.set_yscale("log")
    for index, ((file, device), points) in enumerate(swept.items()):
        colour, marker = style.row_style(_ROWS[index % len(_ROWS)], index)
        label = file if len(report.parts) == 1 else f"{file}, {device}"
        axes.plot([n for n, _ in points], [ms for _, ms in points], marker=marker, color=colour, label=label)
    counts = sorted({count for points in swept.values() for count, _ in points})
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.set_xlabel("threads")
    axes.set_ylabel("p50, ms")
    log_ticks(axes, lambda value: fmt.significant(value, 1), axis="y")
    axes.grid(axis="y")
    axes.legend(frameon=False, fontsize=8.5, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


def _axes(size: tuple[float, float]) -> tuple[Figure, Axes]:
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def _heading(part: DevicePart) -> str:
    return f"{part.result.device}: executed instructions" if part.counted else f"{part.result.device}: latency"


def _mark(axes: Axes, y: float, index: int, comparison: object, solid: bool) -> None:
    from edgekd.bench.statistics import Comparison

    assert isinstance(comparison, Comparison)
    if comparison.estimate is None:
        return
    colour, marker = style.row_style(_ROWS[index % len(_ROWS)], index)
    # An invalid measurement's interval would claim what it does not know.
    ratio = None if comparison.standing == "invalid" else comparison.ratio
    spread = None if ratio is None else [[ratio.value - ratio.low], [ratio.high - ratio.value]]
    axes.errorbar(
        [comparison.estimate], [y], xerr=spread, fmt=marker, color=colour, ecolor=colour, elinewidth=1.4, markersize=7,
        mfc=colour if solid else style.PAPER, mec=colour, zorder=3,
    )  # fmt: skip
    text = "1" if comparison.verdict == "baseline" else fmt.significant(comparison.estimate)
    if comparison.standing != "valid":
        text = "invalid" if comparison.standing == "invalid" else f"{text}, {comparison.standing}"
    right = comparison.estimate if ratio is None else ratio.high
    axes.annotate(text, (right, y), (7, 0), textcoords="offset points", va="center", color=colour, fontsize=8.5)


def _curve(part: DevicePart, index: int) -> Launch | None:
    launches = part.lines[index].measurement.launches
    return next((launch for launch in launches if launch.curve), None)
