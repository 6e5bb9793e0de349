"""Writes a sweep's report: report.html, report.md and plots/. Reads sweep.json, which ``pipeline.sweep`` writes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from edgekd import storage
from edgekd._version import __version__
from edgekd.errors import RunError
from edgekd.metrics import Interval
from edgekd.report import format as fmt
from edgekd.report import style
from edgekd.report.html import page
from edgekd.report.markdown import cells_table, escaped
from edgekd.report.plots import Plot, as_plot, scatter, size_tick
from edgekd.report.table import Cells

SCHEMA = 1
_ROWS = tuple(style.ROW_STYLE)[1:]


def render_sweep(directory: Path) -> str:
    """Render ``directory/sweep.json``; each file is replaced whole. Returns the headline. Raises: RunError."""
    sweep = storage.read_json(directory / "sweep.json")
    if not isinstance(sweep, dict) or sweep.get("schema") != SCHEMA:
        raise RunError(f"{directory / 'sweep.json'} was written by another version. Sweep again: edgekd sweep RECIPE")
    try:
        plots, cells, line, costs = draw(sweep), sweep_cells(sweep), headline(sweep), cost_sentence(sweep)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RunError(f"{directory / 'sweep.json'} is damaged ({error!r}). Sweep again: edgekd sweep RECIPE") from None
    for plot in plots:
        storage.write_bytes(directory / "plots" / f"{plot.name}.png", plot.png)
    title = directory.resolve().name
    values = {"title": title, "version": __version__, "headline": line, "cells": cells, "costs": costs}
    storage.write_text(directory / "report.html", page("sweep.html", plots, values))
    pictures = [f"![{plot.alt}](plots/{plot.name}.png)" for plot in plots]
    text = [f"# {escaped(title)}", f"**{escaped(line)}**", cells_table(cells), *pictures, escaped(costs)]
    storage.write_text(directory / "report.md", "\n\n".join(text) + "\n")
    return line


def sweep_cells(sweep: Mapping[str, Any]) -> Cells:
    """A student a row, smallest file first; intervals are of 95 %."""
    name = fmt.metric_name(sweep["metric"])
    header = ("student", "parameters", "size", f"{name}, validation", f"{name}, test (95{fmt.NBSP}%)",
              f"latency ratio (95{fmt.NBSP}%)", "p50", "")  # fmt: skip
    return Cells(header, tuple(_row(student, sweep["winner"]) for student in sweep["students"]))


def headline(sweep: Mapping[str, Any]) -> str:
    """The winner, or how many there are to choose from."""
    students = sweep["students"]
    best = [student["student"] for student in students if student["on_front"]]
    if sweep["winner"] is None:
        return (
            f"{len(students)} students of one teacher; by the validation photos none beats {', '.join(best)} in both "
            "size and accuracy"
        )
    winner = next(student for student in students if student["student"] == sweep["winner"])
    test = fmt.percent(winner["accuracy"]["value"])
    size = fmt.size(winner["size_bytes"])
    return f"{winner['student']}: {size} and {test} of the test photos, of {len(students)} students"


def cost_sentence(sweep: Mapping[str, Any]) -> str:
    """What the students share and what each cost."""
    students = sum(student["seconds"] for student in sweep["students"])
    shared, soft_targets = fmt.duration(sweep["shared_s"]), fmt.duration(sweep["column_s"])
    stopped = sweep.get("stopped") or ()
    early = f" Stopped early: {', '.join(stopped)}." if stopped else ""
    doubtful = any((student.get("standing") or "valid") != "valid" for student in sweep["students"])
    marks = f" Of latencies, {fmt.STANDING_LEGEND}." if doubtful else ""
    return (
        f"Photos, teacher and soft targets took {shared}, once ({soft_targets} of it the soft targets); the "
        f"{len(sweep['students'])} students {fmt.duration(students)}. The front and the pick are decided on the "
        f"validation photos; the test photos decide nothing.{early}{marks}"
    )


def draw(sweep: Mapping[str, Any]) -> tuple[Plot, ...]:
    """Test accuracy against size, and against latency where it was measured.

    A line joins the students that none beats on the validation photos. The test photos do not choose it, so it may
    fall where the validation photos show a gain.
    """
    name = fmt.metric_name(sweep["metric"])
    plots = []
    for plot, title, key, label, tick in (
        ("size", f"{name.capitalize()} against size", "size_bytes", "size of the int8 file", size_tick),
        ("latency", f"{name.capitalize()} against latency", "latency", "latency, teacher = 1", _ratio_tick),
    ):
        with style.styled(plot):
            figure = _scatter(sweep, key, label, tick)
            if figure is not None:
                alt = f"Test {name} of each student against its {plot}; a line joins the front by validation photos."
                plots.append(as_plot(figure, plot, title, alt))
    return tuple(plots)


def _scatter(sweep: Mapping[str, Any], key: str, label: str, tick: Any) -> Figure | None:
    students = [student for student in sweep["students"] if student[key] is not None]
    if len(students) < 2:
        return None
    points = [
        (_ROWS[index % len(_ROWS)], student["student"], _interval(student[key]), _interval(student["accuracy"]))
        for index, student in enumerate(students)
    ]
    figure = scatter(points, label, sweep["metric"], tick)
    front, best = [], -1.0
    candidates = [
        (x.value, student["val_accuracy"]["value"], y.value)
        for student, (_, _, x, y) in zip(students, points, strict=True)
    ]
    for cost, validation, test in sorted(candidates, key=lambda point: (point[0], -point[1])):
        if validation > best:
            front.append((cost, test))
            best = validation
    axes = figure.axes[0]
    axes.plot(*zip(*front, strict=True), color=style.MUTED, linewidth=1.1, zorder=1)
    axes.text(
        0.985, 0.02, "line: the front by validation photos", transform=axes.transAxes, ha="right", va="bottom",
        color=style.MUTED, fontsize=8,
    )  # fmt: skip
    return figure


def _row(student: Mapping[str, Any], winner: str | None) -> tuple[str, ...]:
    marks = ["picked" if student["student"] == winner else "", "on the front" if student["on_front"] else ""]
    marks += [f"failed: {name}" for name in student["failed_gates"]]
    return (
        student["student"],
        fmt.count(student["parameters"]),
        fmt.size(student["size_bytes"]),
        fmt.percent(student["val_accuracy"]["value"]),
        fmt.score(_interval(student["accuracy"])),
        _latency(student),
        fmt.mark(fmt.milliseconds(student["p50_ms"]), student.get("standing") or "valid"),
        ", ".join(mark for mark in marks if mark),
    )


def _latency(student: Mapping[str, Any]) -> str:
    # Absent from sweeps before it was recorded.
    standing = student.get("standing") or "valid"
    if not student["latency"]:
        return "invalid" if standing == "invalid" else fmt.DASH
    return fmt.mark(fmt.ratio(_interval(student["latency"])), standing)


def _interval(value: Any) -> Interval:
    if isinstance(value, (int, float)):
        return Interval(float(value), float(value), float(value))
    return Interval(float(value["value"]), float(value["low"]), float(value["high"]))


def _ratio_tick(value: float) -> str:
    return fmt.significant(value, 1)
