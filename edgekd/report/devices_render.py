"""Writes a report over devices: report.html, report.md and plots/."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgekd import storage
from edgekd._version import __version__
from edgekd.report import format as fmt
from edgekd.report.devices_report import Joined, conditions, device_cells, findings, matrix_cells, reasons, what

_LEGEND = (
    "Under 1 is faster, or fewer executed instructions. ~ is semi-valid and ✗ invalid: the reasons stand with the "
    "device. Instructions are counted, with the range over launches; they repeat, and are not time."
)


def render_joined(joined: Joined, folder: Path, title: str) -> Path:
    """Render into ``folder``; each file is replaced whole. Returns the page."""
    from edgekd.report.devices_plots import draw_all
    from edgekd.report.html import page
    from edgekd.report.markdown import cells_table, escaped

    plots = draw_all(joined)
    for plot in plots:
        storage.write_bytes(folder / "plots" / f"{plot.name}.png", plot.png)
    values: dict[str, Any] = {
        "title": title,
        "version": __version__,
        "headline": headline(joined),
        "failed": [told for _, told in joined.failed],
        "joined": joined,
        "matrix": matrix_cells(joined),
        "legend": _LEGEND,
        "parts": [
            {
                "address": part.result.device,
                "what": what(part.result.facts_before),
                "conditions": "; ".join([conditions(part), *findings(part)]),
                "reasons": ["; ".join(reasons(part))],
                "cells": device_cells(part),
            }
            for part in joined.parts
        ],
        "provenance": provenance(joined),
    }
    target = folder / "report.html"
    storage.write_text(target, page("devices.html", plots, values))
    parts = [
        f"# {escaped(title)}",
        f"**{escaped(values['headline'])}**",
        *(f"> ⚠ {escaped(told)}" for told in values["failed"]),
        cells_table(values["matrix"]),
        _LEGEND,
        *(f"![{plot.alt}](plots/{plot.name}.png)" for plot in plots),
    ]
    for part in values["parts"]:
        parts += [f"## {escaped(part['address'])}", escaped(part["what"]), escaped(part["conditions"])]
        parts += [*(f"> ⚠ {escaped(told)}" for told in part["reasons"] if told), cells_table(part["cells"])]
    parts += [
        "## Where this comes from",
        "\n".join(f"- {escaped(name)}: {escaped(value)}" for name, value in values["provenance"]),
    ]
    storage.write_text(folder / "report.md", "\n\n".join(part for part in parts if part) + "\n")
    return target


def headline(joined: Joined) -> str:
    """How the last file stands to the baseline on each device that took time, in one line."""
    if not joined.parts:
        return "Nothing was measured"
    name = joined.names[-1] if len(joined.names) == 1 else _shipped(joined)
    said = []
    for part in joined.parts:
        line = part.line(name)
        speedup = line.comparison.speedup if line is not None else None
        if line is None or part.counted or speedup is None or line.comparison.verdict not in ("faster", "slower"):
            continue
        said.append(f"{fmt.factor(speedup.value)} as fast on {part.result.device}")
    devices = len(joined.parts)
    counted = f"{len(joined.names)} files on {devices} device{'s' if devices > 1 else ''}"
    return f"{name} against {joined.baseline}: {', '.join(said)}" if said else counted


def provenance(joined: Joined) -> list[tuple[str, str]]:
    """The plan and every file's hash."""
    if not joined.parts:
        return []
    result = joined.parts[0].result
    plan = ", ".join(f"{key} {value}" for key, value in result.plan.model_dump().items() if value is not None)
    files = [(f"{one.name} ({one.file})", one.sha256) for one in result.measurements]
    return [("plan", plan), *files]


def _shipped(joined: Joined) -> str:
    """The smallest file that is not the baseline: what one would put on the device."""
    others = [one for one in joined.parts[0].result.measurements if one.name != joined.baseline]
    return min(others, key=lambda one: one.size_bytes).name
