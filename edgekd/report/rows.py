"""Joins checks and measurements, one row per file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from edgekd import storage
from edgekd.bench.end_to_end import EndToEndLine, end_to_end_lines
from edgekd.bench.result import BenchResult
from edgekd.bench.statistics import Comparison, compare, summarize
from edgekd.bench.validity import validity
from edgekd.metrics import Interval
from edgekd.report.model import Agreement, Row


def rows_of(
    run_dir: Path, check: dict[str, Any] | None, result: BenchResult | None
) -> tuple[tuple[Row, ...], tuple[str, ...]]:
    """The rows in the check's order, then files that were only measured; and what does not fit together."""
    checked = [_row(run_dir, raw, result) for raw in (check["rows"] if check else [])]
    names = {row.row for row in checked}
    only_measured = [entry.name for entry in result.measurements if entry.name not in names] if result else []
    rows = (*checked, *(_measured_row(name, result) for name in only_measured if result))
    return rows, tuple(_problems(rows, result))


def _row(run_dir: Path, raw: dict[str, Any], result: BenchResult | None) -> Row:
    artifact = raw.get("artifact")
    path = run_dir / artifact if artifact else None
    measured = result is not None and any(entry.name == raw["row"] and entry.launches for entry in result.measurements)
    return Row(
        row=str(raw["row"]),
        title=str(raw["title"]),
        artifact=artifact,
        sha256=storage.sha256_file(path) if path and path.is_file() else None,
        parameters=raw.get("parameters"),
        size_bytes=raw.get("size_bytes"),
        accuracy=_interval(raw.get("accuracy")),
        balanced_accuracy=_interval(raw.get("balanced_accuracy")),
        agreement=_agreement(raw.get("agreement")),
        largest_difference=raw.get("largest_difference"),
        latency=summarize(result.measurement(raw["row"])) if result and measured else None,
        comparison=_comparison(result, raw["row"]) if result and measured else None,
        precision=raw.get("precision"),
        gzip_bytes=raw.get("gzip_bytes"),
        network=raw.get("network"),
        note=str(raw.get("note") or ""),
        end_to_end=_end_to_end(result, str(raw["row"])),
        mean_average_precision=_interval(raw.get("mean_average_precision")),
        macro_f1=_interval(raw.get("macro_f1")),
        exact_match=_interval(raw.get("exact_match")),
    )


def _measured_row(name: str, result: BenchResult) -> Row:
    measurement = result.measurement(name)
    return Row(
        row=name,
        title=name,
        artifact=None,
        sha256=measurement.sha256,
        parameters=None,
        size_bytes=measurement.size_bytes,
        accuracy=None,
        balanced_accuracy=None,
        agreement=None,
        largest_difference=None,
        latency=summarize(measurement),
        comparison=_comparison(result, name) if measurement.launches else None,
        end_to_end=_end_to_end(result, name),
    )


def _end_to_end(result: BenchResult | None, name: str) -> tuple[EndToEndLine, ...]:
    return tuple(line for line in end_to_end_lines(result) if line.name == name) if result else ()


def _comparison(result: BenchResult, name: str) -> Comparison:
    """A file against the baseline; of the baseline itself the standing of its own measurement."""
    comparison = compare(result, name)
    if name != result.baseline:
        return comparison
    own = validity(result, result.measurement(name))
    return replace(comparison, standing=own.standing)


def _problems(rows: tuple[Row, ...], result: BenchResult | None) -> list[str]:
    """Numbers of different files must be marked when shown in one row."""
    problems = []
    measured = {entry.name: entry.sha256 for entry in result.measurements} if result else {}
    for row in rows:
        if row.artifact and row.sha256 is None:
            problems.append(f"{row.artifact} is no longer in the run directory: its numbers belong to no file.")
        elif row.sha256 and measured.get(row.row, row.sha256) != row.sha256:
            problems.append(f"{row.title}: the file that was timed is not the one at {row.artifact}. Measure it again.")
    if result and not result.complete:
        problems.append("The benchmark did not finish: only what it measured is shown.")
    return problems


def _interval(value: Any) -> Interval | None:
    return None if value is None else Interval(float(value["value"]), float(value["low"]), float(value["high"]))


def _agreement(value: Any) -> Agreement | None:
    if value is None:
        return None
    return Agreement(str(value["with"]), float(value["value"]), int(value["differing"]), int(value["n"]))
