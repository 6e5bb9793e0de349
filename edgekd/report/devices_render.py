"""Writes a report over devices: report.html, report.md and plots/."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgekd import storage
from edgekd._version import __version__
from edgekd.report.accelerators import ACCELERATORS_CAPTION, accelerator_cells, accelerator_notes, accelerator_warnings
from edgekd.report.devices_report import (
    DevicesReport,
    conditions,
    describe_device,
    device_cells,
    estimate_remarks,
    findings,
    matrix_cells,
    reasons,
    speed_claim,
)
from edgekd.report.end_to_end import CAPTION, end_to_end_cells
from edgekd.report.energy import energy_cells, energy_notes

_LEGEND = (
    "Below 1 is faster, or fewer executed instructions. A ratio that is not valid says so; the reasons are given with "
    "the device. Instructions are counted, with the range over launches; they are reproducible, but are not time."
)


def render_devices(report: DevicesReport, folder: Path, title: str) -> Path:
    """Render into ``folder``; each file is replaced whole. Returns the page."""
    from edgekd.report.devices_plots import draw_all
    from edgekd.report.html import page
    from edgekd.report.markdown import cells_table, escaped

    plots = draw_all(report)
    for plot in plots:
        storage.write_bytes(folder / "plots" / f"{plot.name}.png", plot.png)
    values: dict[str, Any] = {
        "title": title,
        "version": __version__,
        "headline": headline(report),
        "failed": [message for _, message in report.failed],
        "report": report,
        "matrix": matrix_cells(report),
        "legend": _LEGEND,
        "end_to_end_caption": CAPTION,
        "accelerators_caption": ACCELERATORS_CAPTION,
        "parts": [
            {
                "address": part.result.device,
                "what": describe_device(part.result.facts_before),
                "conditions": "; ".join([conditions(part), *findings(part), *estimate_remarks(part)]),
                "reasons": ["; ".join(reasons(part)), *accelerator_warnings(part.result.accelerators)],
                "cells": device_cells(part),
                "end_to_end": end_to_end_cells(part.end_to_end),
                "energy": energy_cells(part.result),
                "energy_notes": "; ".join(energy_notes(part.result)),
                "accelerators": accelerator_cells(part.result.accelerators),
                "accelerator_notes": "; ".join(accelerator_notes(part.result.accelerators)),
            }
            for part in report.parts
        ],
        "provenance": provenance(report),
    }
    target = folder / "report.html"
    storage.write_text(target, page("devices.html", plots, values))
    parts = [
        f"# {escaped(title)}",
        f"**{escaped(values['headline'])}**",
        *(f"> ⚠ {escaped(message)}" for message in values["failed"]),
        cells_table(values["matrix"]),
        _LEGEND,
        *(f"![{plot.alt}](plots/{plot.name}.png)" for plot in plots),
    ]
    for part in values["parts"]:
        parts += [f"## {escaped(part['address'])}", escaped(part["what"]), escaped(part["conditions"])]
        parts += [*(f"> ⚠ {escaped(reason)}" for reason in part["reasons"] if reason), cells_table(part["cells"])]
        parts += [CAPTION, cells_table(part["end_to_end"])] if part["end_to_end"].rows else []
        parts += [escaped(part["energy_notes"]), "" if part["energy"] is None else cells_table(part["energy"])]
        if part["accelerators"].rows:
            parts += [ACCELERATORS_CAPTION, cells_table(part["accelerators"]), escaped(part["accelerator_notes"])]
    parts += [
        "## Provenance",
        "\n".join(f"- {escaped(name)}: {escaped(value)}" for name, value in values["provenance"]),
    ]
    storage.write_text(folder / "report.md", "\n\n".join(part for part in parts if part) + "\n")
    return target


def headline(report: DevicesReport) -> str:
    """How the last file compares with the baseline on each device that is timed, in one line."""
    if not report.parts:
        return "Nothing was measured"
    name = report.names[-1] if len(report.names) == 1 else _shipped(report)
    speeds = []
    for part in report.parts:
        claim = speed_claim(part, name)
        if claim is not None:
            speed, _, rest = claim.partition(" as fast")
            speeds.append(f"{speed} as fast on {part.result.device}{rest}")
    devices = len(report.parts)
    summary = f"{len(report.names)} files on {devices} device{'s' if devices > 1 else ''}"
    return f"{name} against {report.baseline}: {', '.join(speeds)}" if speeds else summary


def provenance(report: DevicesReport) -> list[tuple[str, str]]:
    """The plan and every file's hash."""
    if not report.parts:
        return []
    result = report.parts[0].result
    plan = ", ".join(f"{key} {value}" for key, value in result.plan.model_dump().items() if value is not None)
    files = [(f"{entry.name} ({entry.file})", entry.sha256) for entry in result.measurements]
    return [("plan", plan), *files]


def _shipped(report: DevicesReport) -> str:
    """The smallest file that is not the baseline: what one would put on the device."""
    others = [entry for entry in report.parts[0].result.measurements if entry.name != report.baseline]
    return min(others, key=lambda entry: entry.size_bytes).name
