"""From a photo or a camera's frame to the answer, as tables and headlines say it beside the inference alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edgekd.bench.end_to_end import STAGES, EndToEndLine, Stage, differ
from edgekd.bench.statistics import Comparison
from edgekd.report import format as fmt
from edgekd.report.model import Report
from edgekd.report.table import Cells

_FROM = {"photo": "from photo to answer", "frame": "from camera frame to answer"}
CAPTION = (
    "From end to end: decoding a photo's bytes (a camera's frame is in memory), orientation, crop and resize to the "
    "model's input, and inference to the class; medians over launches of each launch's median."
)


def end_to_end_cells(lines: Sequence[EndToEndLine], title_of: Callable[[str], str] = str) -> Cells:
    """A row for every file and source: each stage, the whole way, its ratio to the baseline and the verdict."""
    header = ("file", "from", "decode", "resize", "inference", "to the answer", f"ratio (95{fmt.NBSP}%)", "verdict")
    return Cells(header, tuple(_row(line, title_of(line.name)) for line in lines))


def end_to_end_table(report: Report) -> Cells:
    """That of a run's files; no row where its measurement was of inference alone."""
    return end_to_end_cells([line for row in report.rows for line in row.end_to_end], report.title_of)


def inference_claim(claim: str, inference: Comparison, lines: Sequence[EndToEndLine]) -> str:
    """``claim``, a speed of inference alone, with those of the whole way where they are others by more than a tenth.

    >>> inference_claim("42x faster", Comparison(1 / 42, None, "faster"), ())
    '42x faster'
    """
    others = [_claim(line) for line in differing(inference, lines)]
    if not others:
        return claim
    speed, _, rest = claim.partition(" (")
    return ", ".join([f"{speed} in inference{f' ({rest}' if rest else ''}", *others])


def differing(inference: Comparison | None, lines: Sequence[EndToEndLine]) -> list[EndToEndLine]:
    """The lines that say something else than the inference alone: by more than a tenth, or that it is not known."""
    if inference is None:
        return []
    return [line for line in lines if line.comparison.standing == "invalid" or differ(inference, line.comparison)]


def way_to_answer(line: EndToEndLine) -> str:
    """``from photo to answer`` or ``from camera frame to answer``."""
    return _FROM[line.source]


def describe_reasons(line: EndToEndLine) -> list[str]:
    """What limits a line's numbers, with where they belong."""
    return [f"from end to end, {line.source}s: {reason}" for reason in line.comparison.reasons]


def _claim(line: EndToEndLine) -> str:
    compared, way = line.comparison, way_to_answer(line)
    if compared.standing == "invalid" or compared.estimate is None:
        return f"unknown {way} (invalid)"
    if compared.verdict == "no difference":
        return f"no difference {way}{_standing(compared)}"
    interval = compared.speedup
    if compared.verdict == "inconclusive" or interval is None:
        return f"about {fmt.factor(1 / compared.estimate)} {way} (inconclusive)"
    standing = "" if compared.standing == "valid" else f", {compared.standing}"
    speed = fmt.factor(interval.value) + ("" if interval.value >= 1 else " as fast")
    return f"{speed} {way} ({fmt.factor_range(interval)}{standing})"


def _standing(compared: Comparison) -> str:
    return "" if compared.standing == "valid" else f" ({compared.standing})"


def _row(line: EndToEndLine, title: str) -> tuple[str, ...]:
    return (
        title,
        line.source,
        *(_stage(line, stage) for stage in STAGES),
        fmt.comparison(line.comparison),
        fmt.verdict(line.comparison),
    )


def _stage(line: EndToEndLine, stage: Stage) -> str:
    summary = line.latency.get(stage)
    return fmt.DASH if summary is None else fmt.milliseconds(summary.p50_ms)
