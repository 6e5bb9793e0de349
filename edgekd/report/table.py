"""The report's tables as cells of text, for Markdown, HTML and the terminal alike."""

from __future__ import annotations

from dataclasses import dataclass

from edgekd.report import format as fmt
from edgekd.report.decisions import HEADER as CALIBRATION_HEADER
from edgekd.report.decisions import calibration_rows
from edgekd.report.model import Report, Row
from edgekd.report.quantization import LADDER_HEADER, ladder_rows, precision_sentences
from edgekd.report.tags import HEADER, tag_rows
from edgekd.report.teacher_heads import head_header, head_rows

# More classes than this are too many rows for a page: the first few are shown, the others folded.
_CLASSES_MAX = 30
_CLASSES_FIRST = 20


@dataclass(frozen=True)
class Cells:
    """A table: its header and its rows of text; all columns but the first hold numbers."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def head_cells(report: Report) -> Cells:
    """The heads that were tried on the teacher's encoder."""
    teacher = report.teacher
    if teacher is None or teacher.heads is None:
        return Cells((), ())
    return Cells(head_header(teacher.metric), head_rows(teacher.heads))


def main_cells(report: Report) -> Cells:
    """Size, accuracy, agreement and latency of every file; intervals are of 95 %."""
    timed = any(row.latency for row in report.rows)
    scores = [f"{fmt.metric_name(metric)} (95{fmt.NBSP}%)" for metric in _metrics(report)]
    header = ["model", "parameters", "size", *scores, "agreement"]
    header += [f"latency ratio (95{fmt.NBSP}%)", "p50"] if timed else []
    return Cells(tuple(header), tuple(_main_row(row, report, timed) for row in report.rows))


def _metrics(report: Report) -> tuple[str, ...]:
    """What judges the files: the run's metric, and where photos have tags what else there is."""
    more = ("mean_average_precision", "macro_f1", "exact_match") if report.tags else ()
    return tuple(dict.fromkeys((report.metric, *more)))


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


def tag_cells(report: Report) -> Cells:
    """Every tag with its scores and counts; empty where photos have one label each."""
    return Cells(HEADER if report.tags else (), tag_rows(report.tags))


def calibration_cells(report: Report) -> Cells:
    """The calibration of every file, before and after; empty where none was fitted."""
    rows = calibration_rows(report.decisions or ())
    return Cells(CALIBRATION_HEADER if rows else (), rows)


def ladder_cells(report: Report) -> Cells:
    """The int8 conversions that were tried; empty where no accuracy was guaranteed."""
    return Cells(LADDER_HEADER if report.ladder else (), ladder_rows(report.ladder))


def split_cells(report: Report) -> tuple[Cells, Cells]:
    """Photos by class and split; of many classes those that matter most, and the rest, which a page may fold.

    Both are empty where there is no data summary, the second where there are few classes.
    """
    if report.data is None:
        return Cells((), ()), Cells((), ())
    splits = report.data.splits
    order = [name for name in ("train", "val", "test", "unlabelled") if sum(splits.get(name, {}).values())]
    header = ("tag" if report.tags else "class", *order)
    photos = report.data.photos or {split: sum(splits[split].values()) for split in order}
    total = ("all", *(fmt.count(photos.get(split, 0)) for split in order))
    rows = [(name, *(fmt.count(splits[split].get(name)) for split in order)) for name in _classes_by_weight(report)]
    if len(rows) <= _CLASSES_MAX:
        return Cells(header, (*rows, total)), Cells((), ())
    return Cells(header, (total, *rows[:_CLASSES_FIRST])), Cells(header, tuple(rows[_CLASSES_FIRST:]))


def split_sentence(report: Report) -> str:
    """How many classes are folded, and which come first; empty where none is folded."""
    count = len(split_cells(report)[1].rows)
    if not count:
        return ""
    first = "that are misclassified most" if report.confusion or report.tags else "with the fewest training photos"
    return f"{count:,} more classes. Above are the {_CLASSES_FIRST} {first}."


def _classes_by_weight(report: Report) -> list[str]:
    """Few classes in their own order; of many the most misclassified first, or those with the fewest photos."""
    assert report.data is not None
    classes = report.data.classes
    if len(classes) <= _CLASSES_MAX:
        return list(classes)
    if report.tags is not None:
        wrong = {one.tag: one.false_positives + one.false_negatives for one in report.tags.tags}
        return sorted(classes, key=lambda name: -wrong.get(name, 0))
    if report.confusion is None:
        train = report.data.splits.get("train", {})
        return sorted(classes, key=lambda name: train.get(name, 0))
    errors = dict(zip(report.confusion.classes, report.confusion.errors_by_class(), strict=True))
    return sorted(classes, key=lambda name: -errors.get(name, 0))


def caption(report: Report) -> str:
    """What the table's numbers were measured on."""
    sentences = []
    what, shared = "Accuracy", "the share of them with the same prediction as"
    if report.tags:
        what, shared = "Scores", "the share of all decisions on tags that are those of"
    if report.test_n:
        sentences.append(f"{what} of the files on {report.test_n:,} test photos that took no part in training.")
    others = {row.agreement.other for row in report.rows if row.agreement}
    for other in (row.title for row in report.rows if row.row in others):
        sentences.append(f"Agreement: {shared} the {other}.")
    if report.bench:
        sentences.append(
            f"Latency ratio: to the {report.baseline_title}, side by side on {report.bench.device}; below 1 is faster "
            f"({report.bench.launches} launches each, {_threads(report.bench.threads)})."
        )
    if any(row.comparison and row.comparison.standing != "valid" for row in report.rows):
        sentences.append(f"Of latencies, {fmt.STANDING_LEGEND}: the reasons are given under Latency.")
    sentences += [f"{row.title} gzipped: {fmt.size(row.gzip_bytes)}." for row in report.rows if row.gzip_bytes]
    sentences += [f"{row.title}: {row.note.rstrip('.')}." for row in report.rows if row.note]
    sentences += precision_sentences(tuple(row.precision for row in report.rows))
    return " ".join(sentences)


def _threads(threads: int) -> str:
    return "1 thread" if threads == 1 else f"{threads} threads"


def _main_row(row: Row, report: Report, timed: bool) -> tuple[str, ...]:
    agreement = fmt.DASH
    if row.agreement is not None:
        agreement = f"{fmt.percent(row.agreement.value)} ({row.agreement.differing:,} differ)"
    scores = (fmt.score(row.score(metric)) for metric in _metrics(report))
    cells = (row.title, fmt.count(row.parameters), fmt.size(row.size_bytes), *scores)
    return (*cells, agreement, *(_timing(row) if timed else ()))


def _timing(row: Row) -> tuple[str, str]:
    if row.latency is None or row.comparison is None:
        return fmt.DASH, fmt.DASH
    return fmt.comparison(row.comparison), fmt.mark(fmt.milliseconds(row.latency.p50_ms), row.comparison.standing)


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
        fmt.verdict(comparison) if comparison else fmt.DASH,
    )
