"""The first line of a report: how much smaller, how much faster, how accurate."""

from __future__ import annotations

from collections.abc import Sequence

from edgekd.bench.end_to_end import EndToEndLine
from edgekd.bench.statistics import Comparison
from edgekd.report import format as fmt
from edgekd.report.end_to_end import differing, inference_claim
from edgekd.report.model import Gate, Headline, Int8Teacher, Row

TEACHER, TEACHER_INT8 = "teacher", "teacher_int8"
_SHIPPED = ("int8_tflite", "int8_onnx", "float32_tflite", "distilled")


def shipped(rows: Sequence[Row]) -> Row | None:
    """The row that the report is about: the int8 TFLite file, or the next best that exists."""
    by_name = {row.row: row for row in rows}
    return next((by_name[name] for name in _SHIPPED if name in by_name), None)


def headline(
    rows: Sequence[Row],
    metric: str,
    gates: Sequence[Gate],
    *,
    teacher_timed: bool = True,
    shipped_reason: str = "",
    over_int8: Comparison | None = None,
) -> Headline:
    """Compose the line from what the run has so far; latencies are ratios to the teacher only if it was timed.

    ``shipped_reason`` says why the student from labels alone ships, where it does. ``over_int8`` is the shipped file's
    latency over that of the teacher in int8.
    """
    failed = tuple(gate.name for gate in gates if not gate.passed)
    teacher, row = next((row for row in rows if row.row == TEACHER), None), shipped(rows)
    if row is None:
        return Headline("No exported file has been checked yet.", metric=metric, failed_gates=failed)
    smaller = _smaller(row, teacher)
    score, teacher_score = row.score(metric), teacher.score(metric) if teacher else None
    comparison = row.comparison if teacher_timed else None
    claims = [claim for claim in (_size_claim(smaller), _speed_claim(comparison, row.end_to_end)) if claim]
    kind = "int8" if row.row.startswith("int8") else row.title
    parts = [f"{fmt.size(row.size_bytes)} {kind}" if row.size_bytes is not None else row.title]
    if score is not None:
        interval = (
            f"{fmt.percent(score.value)} {fmt.metric_name(metric)} ({score.low * 100:.1f}–{score.high * 100:.1f})"
        )
        against = f" against the teacher's {fmt.percent(teacher_score.value)}" if teacher_score else ""
        parts.append(interval + against)
    start = f"{' and '.join(claims)} than the teacher: " if claims else ""
    text = start + ", ".join(parts) + (_unsure(comparison) if teacher_timed else "; the teacher was not timed")
    int8_teacher = next((row for row in rows if row.row == TEACHER_INT8), None)
    like = _int8_teacher(row, int8_teacher, metric, over_int8)
    text += "" if like is None or int8_teacher is None else _like_for_like(like, int8_teacher.network, over_int8)
    if shipped_reason:
        text += f"; {shipped_reason}"
    return Headline(
        text=text[0].upper() + text[1:],
        row=row.row,
        size_bytes=row.size_bytes,
        smaller=smaller,
        faster=comparison.speedup if comparison and comparison.standing != "invalid" else None,
        verdict=comparison.verdict if comparison else None,
        standing=comparison.standing if comparison else None,
        metric=metric,
        score=score,
        teacher_score=teacher_score,
        failed_gates=failed,
        end_to_end=tuple(differing(comparison, row.end_to_end)),
        int8_teacher=like,
    )


def _int8_teacher(row: Row, teacher: Row | None, metric: str, compared: Comparison | None) -> Int8Teacher | None:
    """The shipped int8 file against the teacher in int8; None where one of them is something else."""
    smaller = _smaller(row, teacher) if row.row.startswith("int8") else None
    if teacher is None or teacher.size_bytes is None or smaller is None:
        return None
    valid = compared if compared and compared.standing != "invalid" else None
    return Int8Teacher(
        teacher.size_bytes, teacher.score(metric), smaller,
        faster=valid.speedup if valid else None, verdict=valid.verdict if valid else None,
        standing=compared.standing if compared else None,
    )  # fmt: skip


def _like_for_like(like: Int8Teacher, network: str | None, compared: Comparison | None) -> str:
    score = f", {fmt.percent(like.score.value)}" if like.score else ""
    claims = [_size_claim(like.smaller), _inference_claim(compared if like.faster else None)]
    text = " and ".join(claim for claim in claims if claim)
    # Of an average it is one network.
    name = f"{network} of the teacher" if network else "teacher"
    return f"; like for like {text} than the {name} in int8 ({fmt.size(like.size_bytes)}{score})"


def _smaller(row: Row, teacher: Row | None) -> float | None:
    if teacher is None or not teacher.size_bytes or not row.size_bytes:
        return None
    return teacher.size_bytes / row.size_bytes


def _size_claim(smaller: float | None) -> str | None:
    if smaller is None:
        return None
    return f"{fmt.factor(smaller)} smaller" if smaller >= 1 else f"{fmt.factor(1 / smaller)} larger"


def _speed_claim(comparison: Comparison | None, end_to_end: Sequence[EndToEndLine]) -> str | None:
    """What inference gains, and what the whole way does where that is something else."""
    claim = _inference_claim(comparison)
    return claim if claim is None or comparison is None else inference_claim(claim, comparison, end_to_end)


def _inference_claim(comparison: Comparison | None) -> str | None:
    """A claim only where the verdict supports it."""
    if comparison is None or comparison.ratio is None or comparison.speedup is None:
        return None
    standing = "" if comparison.standing == "valid" else f", {comparison.standing}"
    if comparison.verdict == "faster":
        return f"{fmt.factor(comparison.speedup.value)} faster ({fmt.factor_range(comparison.speedup)}{standing})"
    if comparison.verdict == "slower":
        return f"{fmt.factor(comparison.ratio.value)} slower ({fmt.factor_range(comparison.ratio)}{standing})"
    return None


def _unsure(comparison: Comparison | None) -> str:
    if comparison is None:
        return "; speed not measured"
    if comparison.standing == "invalid":
        return f"; speed unknown, the measurement is invalid: {comparison.reasons[0]}"
    if comparison.verdict == "no difference":
        return "; no difference in speed" + _why(comparison)
    if comparison.verdict == "inconclusive":
        estimate = f" (about {fmt.factor(1 / comparison.estimate)} as fast)" if comparison.estimate else ""
        return f"; speed inconclusive{estimate}: {comparison.reasons[0]}"
    return _why(comparison)


def _why(comparison: Comparison) -> str:
    """Why a comparison is not fully valid; empty where it is."""
    if comparison.standing == "valid":
        return ""
    reasons = f": {comparison.reasons[0]}" if comparison.reasons else ""
    return f"; {comparison.standing}{reasons}"
