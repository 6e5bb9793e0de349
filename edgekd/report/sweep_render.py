"""Writes a sweep's report: report.html, report.md and plots/. Reads sweep.json, which ``pipeline.sweep`` writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from edgekd import storage
from edgekd._version import __version__
from edgekd.errors import RunError
from edgekd.report import format as fmt
from edgekd.report import style
from edgekd.report.html import page
from edgekd.report.markdown import cells_table, escaped
from edgekd.report.plots import Plot, as_plot
from edgekd.report.scatter import scatter, size_tick
from edgekd.report.sweep_text import (
    as_interval,
    cost_sentence,
    gate_sentences,
    headline,
    pick_sentences,
    step_caption,
    step_sentences,
    sweep_cells,
)
from edgekd.report.table import Cells

SCHEMA = 1
_ROWS = tuple(style.ROW_STYLE)[1:]


def render_sweep(directory: Path) -> str:
    """Render ``directory/sweep.json``; each file is replaced whole. Returns the headline. Raises: RunError."""
    sweep = storage.read_json(directory / "sweep.json")
    if not isinstance(sweep, dict) or sweep.get("schema") != SCHEMA:
        raise RunError(f"{directory / 'sweep.json'} was written by another version. Sweep again: edgekd sweep RECIPE")
    try:
        plots, cells, line = draw(sweep), sweep_cells(sweep), headline(sweep)
        texts = {
            "costs": cost_sentence(sweep), "picks": (*pick_sentences(sweep), *gate_sentences(sweep)),
            "steps": step_sentences(sweep), "step_caption": step_caption(sweep),
        }  # fmt: skip
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RunError(f"{directory / 'sweep.json'} is damaged ({error!r}). Sweep again: edgekd sweep RECIPE") from None
    for plot in plots:
        storage.write_bytes(directory / "plots" / f"{plot.name}.png", plot.png)
    title = directory.resolve().name
    values = {"title": title, "version": __version__, "headline": line, "cells": cells, **texts}
    storage.write_text(directory / "report.html", page("sweep.html", plots, values))
    storage.write_text(directory / "report.md", _markdown(title, line, cells, plots, texts))
    return line


def _markdown(title: str, line: str, cells: Cells, plots: Sequence[Plot], texts: Mapping[str, Any]) -> str:
    pictures = [f"![{plot.alt}](plots/{plot.name}.png)" for plot in plots]
    steps = "\n".join(f"- {escaped(step)}" for step in texts["steps"])
    parts = [
        f"# {escaped(title)}", f"**{escaped(line)}**", cells_table(cells), *map(escaped, texts["picks"]), *pictures,
        steps, escaped(texts["step_caption"]), escaped(texts["costs"]),
    ]  # fmt: skip
    return "\n\n".join(part for part in parts if part) + "\n"


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
        (_ROWS[index % len(_ROWS)], _name(student, sweep), as_interval(student[key]), as_interval(student["accuracy"]))
        for index, student in enumerate(students)
    ]
    figure = scatter(points, label, sweep["metric"], tick, ringed=_place_of_winner(students, sweep))
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
    axes.plot(*zip(*front, strict=True), color=style.MUTED, alpha=0.5, linewidth=1.1, zorder=1)
    axes.text(
        0.985, 0.02, "line: the front by validation photos", transform=axes.transAxes, ha="right", va="bottom",
        color=style.MUTED, fontsize=8,
    )  # fmt: skip
    return figure


def _name(student: Mapping[str, Any], sweep: Mapping[str, Any]) -> str:
    return f"{student['student']} (picked)" if student["student"] == sweep["winner"] else str(student["student"])


def _place_of_winner(students: Sequence[Mapping[str, Any]], sweep: Mapping[str, Any]) -> int | None:
    return next((i for i, student in enumerate(students) if student["student"] == sweep["winner"]), None)


def _ratio_tick(value: float) -> str:
    return fmt.significant(value, 1)
