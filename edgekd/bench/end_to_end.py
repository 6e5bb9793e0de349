"""From a photo's file or a camera's frame to the answer: the stages of a measurement, and how files compare over them.

Each stage of each source is a result of its own (``stage_result``), so that quantiles, intervals, verdicts and validity
are those of any other measurement.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from edgekd.bench.records import EndToEnd, Launch, Measurement, Source
from edgekd.bench.result import BenchResult
from edgekd.bench.statistics import Comparison, Summary, compare, summarize

Stage = Literal["decode", "resize", "inference", "total"]
STAGES: tuple[Stage, ...] = get_args(Stage)
# Two factors are both worth saying where they differ by more than a tenth.
WORTH_SAYING = 1.1


@dataclass(frozen=True)
class EndToEndLine:
    """One file from one source: a summary for each stage that it has, and ``total`` against the baseline's.

    ``latency`` is that of the whole way in each stage of ``STAGES``; decoding is missing for frames.
    """

    name: str
    source: Source
    latency: Mapping[Stage, Summary]
    comparison: Comparison

    def share(self, stage: Stage) -> float | None:
        """The part of the median whole way, 0 to 1, that a stage's median is; None where there is none."""
        summary, whole = self.latency.get(stage), self.latency["total"]
        if summary is None or summary.p50_ms is None or not whole.p50_ms:
            return None
        return summary.p50_ms / whole.p50_ms


def end_to_end_lines(result: BenchResult) -> tuple[EndToEndLine, ...]:
    """Every file and source that was timed from end to end, by source; empty where none was."""
    lines = []
    for source in get_args(Source):
        names = [each.name for each in result.measurements if _parts(each, source)]
        lines += [_line(result, name, source) for name in names]
    return tuple(lines)


def stage_result(result: BenchResult, source: Source, stage: Stage) -> BenchResult:
    """``result`` with the timings of one stage of one source in place of its inferences'."""
    measurements = tuple(
        replace(each, launches=tuple(_launch_of(launch, part, stage) for launch, part in _parts(each, source)))
        for each in result.measurements
    )
    return replace(result, measurements=measurements)


def differ(inference: Comparison, whole: Comparison) -> bool:
    """Whether the ratio of the whole way is another one than that of the inference alone, by more than a tenth."""
    if inference.estimate is None or whole.estimate is None:
        return False
    return not 1 / WORTH_SAYING <= whole.estimate / inference.estimate <= WORTH_SAYING


def _line(result: BenchResult, name: str, source: Source) -> EndToEndLine:
    stages = [stage for stage in STAGES if stage != "decode" or source == "photo"]
    results = {stage: stage_result(result, source, stage) for stage in stages}
    summaries = {stage: summarize(part.measurement(name)) for stage, part in results.items()}
    latency = {stage: summary for stage, summary in summaries.items() if summary is not None}
    return EndToEndLine(name, source, latency, _compare(results["total"], name, source))


def _compare(whole: BenchResult, name: str, source: Source) -> Comparison:
    """The ratio of the whole way; none where a device's inputs are not this machine's, byte for byte."""
    comparison = compare(whole, name)
    if name == whole.baseline:
        comparison = replace(comparison, standing=whole.validity(name).standing)
    sides = dict.fromkeys((name, whole.baseline))
    different = [side for side in sides if not _has_same_inputs(whole.measurement(side), source)]
    if not different:
        return comparison
    what = "decodes photos" if source == "photo" else "resizes frames"
    reason = f"{whole.device} {what} to other inputs than this machine for {', '.join(different)}"
    return Comparison(None, None, "inconclusive", (reason,), "invalid")


def _has_same_inputs(measurement: Measurement, source: Source) -> bool:
    wanted = {part.inputs_sha256 for part in measurement.end_to_end if part.source == source}
    return wanted >= {part.inputs_sha256 for _, part in _parts(measurement, source)}


def _parts(measurement: Measurement, source: Source) -> list[tuple[Launch, EndToEnd]]:
    return [
        (launch, part) for launch in measurement.launches for part in launch.end_to_end or () if part.source == source
    ]


def _launch_of(launch: Launch, part: EndToEnd, stage: Stage) -> Launch:
    """The launch as if it had timed one stage only. A pass that lost the CPU did so in a stage that is not known."""
    return replace(
        launch,
        timings_ns=_timings(part, stage),
        switched_out=part.switched_out,
        cpu=part.cpu,
        summary=None,
        instructions=None,
        curve=None,
        late_n=None,
    )


def _timings(part: EndToEnd, stage: Stage) -> tuple[int, ...]:
    stages = {"decode": part.decode_ns, "resize": part.resize_ns, "inference": part.inference_ns}
    if stage != "total":
        return stages[stage]
    return tuple(int(total) for total in np.sum([each for each in stages.values() if each], axis=0))
