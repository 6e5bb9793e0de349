"""The report's tables as cells of text, for Markdown, HTML and the terminal alike."""

from __future__ import annotations

from dataclasses import dataclass

from edgekd.bench.statistics import Comparison
from edgekd.report import format as fmt
from edgekd.report.model import Report, Row
from edgekd.report.quantization import LADDER_HEADER, ladder_rows, precision_sentences


@dataclass(frozen=True)
class Cells:
    """A table: its header and its rows of text; all columns but the first hold numbers."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def main_cells(report: Report) -> Cells:
    """Size, accuracy, agreement and latency of every file; intervals are of 95 %."""
    timed = any(row.latency for row in report.rows)
    header = ["model", "parameters", "size", f"{fmt.metric_name(report.metric)} (95{fmt.NBSP}%)", "agreement"]
    header += [f"latency ratio (95{fmt.NBSP}%)", "p50"] if timed else []
    return Cells(tuple(header), tuple(_main_row(row, report, timed) for row in report.rows))


def latency_cells(report: Report) -> Cells:
    """Everything measured about time and memory."""
    header = ("model", "p50", "p90", "p99", "first", "load", "peak memory", "launches", "timed", "verdict")
    return Cells(header, tuple(_latency_row(row) for row in report.rows if row.latency))


def seed_cells(report: Report) -> Cells:
    """The two students of every seed; empty where there is one seed."""
    seeds = report.seeds
    if seeds is None or len(seeds.rows) < 2:
        return Cells((), ())
    header = (
        "seed",
        *(("from scratch",) if seeds.from_scratch else ()),
        "distilled",
        *(("difference",) if seeds.gain else ()),
    )
    rows = [(str(row.seed), *_pair(row.from_scratch, row.distilled)) for row in seeds.rows]
    mean = ("mean", *_pair(seeds.from_scratch.value if seeds.from_scratch else None, seeds.distilled.value))
    return Cells(header, (*rows, mean))


def _pair(from_scratch: float | None, distilled: float) -> tuple[str, ...]:
    if from_scratch is None:
        return (fmt.percent(distilled),)
    return fmt.percent(from_scratch), fmt.percent(distilled), fmt.points(distilled - from_scratch)


def ladder_cells(report: Report) -> Cells:
    """The int8 conversions that were tried; empty where no accuracy was guaranteed."""
    return Cells(LADDER_HEADER if report.ladder else (), ladder_rows(report.ladder))


def split_cells(report: Report) -> Cells:
    """Photos by class and split; empty where there is no data summary."""
    if report.data is None:
        return Cells((), ())
    splits = report.data.splits
    order = [name for name in ("train", "val", "test", "unlabelled") if sum(splits.get(name, {}).values())]
    rows = [(name, *(fmt.count(splits[split].get(name)) for split in order)) for name in report.data.classes]
    total = ("all", *(fmt.count(sum(splits[split].values())) for split in order))
    return Cells(("class", *order), (*rows, total))


def caption(report: Report) -> str:
    """What the table's numbers were measured on."""
    sentences = []
    if report.test_n:
        sentences.append(f"Accuracy of the files on {report.test_n:,} test photos that took no part in training.")
    others = {row.agreement.other for row in report.rows if row.agreement}
    for other in (row.title for row in report.rows if row.row in others):
        sentences.append(f"Agreement: the share of them with the same prediction as the {other}.")
    if report.bench:
        sentences.append(
            f"Latency ratio: to the {report.baseline_title}, side by side on {report.bench.device}; below 1 is faster "
            f"({report.bench.launches} launches each, {_threads(report.bench.threads)})."
        )
    if any(row.comparison and row.comparison.standing != "valid" for row in report.rows):
        sentences.append(f"Of latencies, {fmt.STANDING_LEGEND}: the reasons are given under Latency.")
    sentences += [f"{row.title} gzipped: {fmt.size(row.gzip_bytes)}." for row in report.rows if row.gzip_bytes]
    sentences += precision_sentences(tuple(row.precision for row in report.rows))
    return " ".join(sentences)


def _threads(threads: int) -> str:
    return "1 thread" if threads == 1 else f"{threads} threads"


def _main_row(row: Row, report: Report, timed: bool) -> tuple[str, ...]:
    agreement = fmt.DASH
    if row.agreement is not None:
        agreement = f"{fmt.percent(row.agreement.value)} ({row.agreement.differing:,} differ)"
    cells = (row.title, fmt.count(row.parameters), fmt.size(row.size_bytes), fmt.score(row.score(report.metric)))
    return (*cells, agreement, *(_timing(row) if timed else ()))


def _timing(row: Row) -> tuple[str, str]:
    if row.latency is None or row.comparison is None:
        return fmt.DASH, fmt.DASH
    standing, p50 = row.comparison.standing, fmt.milliseconds(row.latency.p50_ms)
    if row.comparison.verdict == "baseline":
        return "1", fmt.mark(p50, standing)
    ratio = fmt.ratio(row.comparison.ratio, row.comparison.estimate)
    return fmt.mark(ratio, standing), fmt.mark(p50, standing)


def _latency_row(row: Row) -> tuple[str, ...]:
    latency, comparison = row.latency, row.comparison
    if latency is None:
        return (row.title,)
    times = (latency.p50_ms, latency.p90_ms, latency.p99_ms, latency.first_ms, latency.load_ms)
    return (
        row.title,
        *(fmt.milliseconds(value) for value in times),
        fmt.size(latency.peak_memory_bytes),
        fmt.count(latency.launches),
        fmt.count(latency.samples),
        _verdict(comparison) if comparison else fmt.DASH,
    )


def _verdict(comparison: Comparison) -> str:
    return comparison.verdict if comparison.standing == "valid" else f"{comparison.verdict} ({comparison.standing})"
