"""What ``edgekd bench`` prints of its measurements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgekd.accelerators.records import AcceleratorCheck
    from edgekd.report.devices_report import DevicePart, DevicesReport


def show_measurements(report: DevicesReport, as_json: bool, checks: Sequence[AcceleratorCheck]) -> None:
    """Print what every device measured, as tables or as JSON, and the checks of accelerators."""
    from edgekd.cli.accelerators import show_accelerators, to_json
    from edgekd.cli.console import line, print_json, table
    from edgekd.report.devices_report import describe_device, device_cells, estimate_remarks, findings, reasons
    from edgekd.report.end_to_end import end_to_end_cells
    from edgekd.report.energy import energy_cells, energy_notes

    if as_json:
        more = to_json(checks)
        print_json({"devices": [_to_json(part) for part in report.parts], "failed": dict(report.failed), **more})
        return
    for part in report.parts:
        cells, whole = device_cells(part), end_to_end_cells(part.end_to_end)
        line("\n", (f"{part.result.device}: {describe_device(part.result.facts_before)}", "bold"))
        table(cells.header, cells.rows)
        if whole.rows:
            table(whole.header, whole.rows, left=2)
            for claim in _claims(part):
                line(f"  {claim}")
        for finding in findings(part):
            line(f"  {finding}")
        if (energy := energy_cells(part.result)) is not None:
            table(energy.header, energy.rows)
        for note in energy_notes(part.result):
            line(f"  {note}")
        for remark in estimate_remarks(part):
            line(f"  {remark}")
        for reason in reasons(part):
            line(f"  ! {reason}")
    if checks:
        line("\n", ("The same file on this machine's accelerators", "bold"))
        show_accelerators(checks)


def _claims(part: DevicePart) -> list[str]:
    """Of every file but the baseline: how fast it is in inference alone and from end to end."""
    from edgekd.report.devices_report import speed_claim

    claims = {line.measurement.name: speed_claim(part, line.measurement.name) for line in part.lines}
    return [f"{name}: {claim}" for name, claim in claims.items() if claim is not None]


def _to_json(part: DevicePart) -> dict[str, Any]:
    from dataclasses import asdict

    from edgekd.report.energy import energy_json

    result = part.result
    return {
        "device": result.device,
        "agent": result.agent,
        "unit": result.unit,
        "baseline": result.baseline,
        "facts_before": dict(result.facts_before),
        "facts_after": dict(result.facts_after),
        "error": part.error,
        "energy": energy_json(result),
        "files": {
            line.measurement.name: {
                "inputs": line.measurement.inputs,
                "summary": asdict(line.summary) if line.summary else None,
                "comparison": asdict(line.comparison),
                "validity": asdict(line.validity),
                "device_score": asdict(line.score) if line.score else None,
                "end_to_end": {way.source: asdict(way) for way in part.end_to_end if way.name == line.measurement.name},
                "estimate": asdict(line.measurement.estimate) if line.measurement.estimate else None,
            }
            for line in part.lines
        },
    }
