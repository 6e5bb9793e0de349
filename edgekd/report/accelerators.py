"""The same files on accelerators of one machine, for the console and for reports alike."""

from __future__ import annotations

from collections.abc import Sequence

from edgekd.accelerators.records import AcceleratorCheck
from edgekd.report import format as fmt
from edgekd.report.table import Cells

ACCELERATORS_CAPTION = "The same files on accelerators of this machine, against its CPU:"


def accelerator_cells(checks: Sequence[AcceleratorCheck]) -> Cells:
    """A file on an accelerator a row; no rows where none was asked for."""
    header = ("file", "accelerator", "ops taken", "largest difference", "same answers", "median")
    return Cells(header, tuple(map(_row, checks)))


def accelerator_notes(checks: Sequence[AcceleratorCheck]) -> list[str]:
    """What the accelerators left to the CPU, and what must be known of where it ran."""
    left = [f"{check.file} on {check.accelerator}: {check.left.message}" for check in checks if check.left is not None]
    return [*left, *dict.fromkeys(check.remark for check in checks if check.remark is not None)]


def accelerator_warnings(checks: Sequence[AcceleratorCheck]) -> list[str]:
    """The accelerators that answer otherwise than the CPU."""
    return [check.message for check in checks if not check.passed]


def _row(check: AcceleratorCheck) -> tuple[str, ...]:
    taken = {None: fmt.DASH, True: "all", False: "not all"}[check.accelerated]
    same = f"{check.photos - len(check.flips) - check.not_finite} of {check.photos}"
    if check.share is not None:
        same = "yes" if check.passed else "no"
    median = "emulated" if check.latency_ms is None else f"{fmt.significant(check.latency_ms)} ms"
    return check.file, check.where, taken, f"{check.largest_difference:.2g}", same, median
