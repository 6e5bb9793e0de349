"""Results of several devices in one report: what may be joined, and its tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgekd.bench.end_to_end import EndToEndLine, end_to_end_lines
from edgekd.bench.on_device import DeviceScore, device_score
from edgekd.bench.phone_state import describe_cores
from edgekd.bench.records import Measurement, TimeEstimate
from edgekd.bench.result import BenchResult
from edgekd.bench.statistics import Comparison, Summary, compare, summarize
from edgekd.bench.validity import Validity, sustained_findings, validity
from edgekd.core_time.accuracy import RECORD, UNCHECKED
from edgekd.errors import UsageError
from edgekd.report import format as fmt
from edgekd.report.end_to_end import describe_reasons, inference_claim
from edgekd.report.energy import energy_reasons
from edgekd.report.table import Cells


@dataclass(frozen=True)
class Line:
    """One file on one device."""

    measurement: Measurement
    summary: Summary | None
    comparison: Comparison
    validity: Validity
    score: DeviceScore | None


@dataclass(frozen=True)
class DevicePart:
    """One device: its result, a line a file, and the error that cut it short."""

    result: BenchResult
    lines: tuple[Line, ...]
    error: str | None = None
    end_to_end: tuple[EndToEndLine, ...] = ()

    def line(self, name: str) -> Line | None:
        """The line of that file, where the device ran it."""
        return next((line for line in self.lines if line.measurement.name == name), None)

    @property
    def counted(self) -> bool:
        """Whether it counts instructions instead of taking time."""
        return self.result.unit == "instructions" or bool(self.result.facts_before.get("emulated"))


@dataclass(frozen=True)
class DevicesReport:
    """The same files on several devices. ``failed`` are addresses without a result, with the error."""

    baseline: str
    parts: tuple[DevicePart, ...]
    failed: tuple[tuple[str, str], ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The files, in the order of the first device that has them."""
        return tuple(dict.fromkeys(entry.name for part in self.parts for entry in part.result.measurements))


def join(results: Sequence[BenchResult], errors: Mapping[str, str] | None = None) -> DevicesReport:
    """Put results side by side; ``errors`` are those of addresses that failed, before or during the measurement.

    Raises: UsageError naming the two devices and why they cannot be compared: other bytes under the same name,
    another baseline, other photos, threads, delegate or mode, or the same device twice. A file that one device lacks
    is left empty there.
    """
    errors = dict(errors or {})
    addresses = [result.device for result in results]
    if len(set(addresses)) < len(addresses):
        raise UsageError(f"one device has several results: {', '.join(addresses)}. Compare them with: edgekd compare")
    for other in results[1:]:
        _refuse_different(results[0], other)
    parts = tuple(
        DevicePart(result, _lines(result), errors.get(result.device), end_to_end_lines(result)) for result in results
    )
    failed = tuple((address, message) for address, message in errors.items() if address not in addresses)
    return DevicesReport(results[0].baseline if results else "", parts, failed)


def difference(first: BenchResult, other: BenchResult) -> str | None:
    """What makes two results measurements of different things, in words; None where they are alike."""
    if first.baseline != other.baseline:
        return f"the baseline is {first.baseline!r} in one and {other.baseline!r} in the other"
    for name in ("delegate", "mode", "pace_ms"):
        ours, theirs = getattr(first.plan, name), getattr(other.plan, name)
        if ours != theirs and (name != "pace_ms" or first.plan.mode == "paced"):
            return f"{name} is {ours} in one and {theirs} in the other"
    mine, theirs = ({entry.name: entry for entry in result.measurements} for result in (first, other))
    # A phone's app runs no .onnx: files that one device lacks are left empty there.
    for name, entry in ((name, entry) for name, entry in mine.items() if name in theirs):
        for what, key in (("file", "sha256"), ("photos", "inputs_sha256"), ("number of threads", "threads")):
            if getattr(entry, key) != getattr(theirs[name], key):
                return f"{name} is measured with another {what}"
    return None


def _refuse_different(first: BenchResult, other: BenchResult) -> None:
    why = difference(first, other)
    if why is not None:
        raise UsageError(f"{first.device} and {other.device} can't be joined: {why}. Measure both by one command")


def _lines(result: BenchResult) -> tuple[Line, ...]:
    return tuple(
        Line(entry, summarize(entry), compare(result, entry.name), validity(result, entry), device_score(entry))
        for entry in result.measurements
    )


def matrix_cells(report: DevicesReport) -> Cells:
    """A file a row, a device a column: the ratio to the baseline."""
    header = ("file", *(_column(part) for part in report.parts))
    rows = [
        (_title(report, name), *(_ratio(line) if (line := part.line(name)) else fmt.DASH for part in report.parts))
        for name in report.names
    ]
    return Cells(header, tuple(rows))


def title_of(measurement: Measurement) -> str:
    """A file's name in a table, with a mark where it was fed made inputs."""
    return measurement.name if measurement.inputs == "photos" else f"{measurement.name} (made inputs)"


def _title(report: DevicesReport, name: str) -> str:
    lines = (line for part in report.parts if (line := part.line(name)))
    return next((title_of(line.measurement) for line in lines), name)


def device_cells(part: DevicePart) -> Cells:
    """Everything measured on one device: times, or executed instructions where they are counted."""
    checked = any(line.score for line in part.lines)
    last = ("same as the host; accuracy",) if checked else ()
    if part.counted:
        estimated = any(line.measurement.estimate for line in part.lines)
        times = ("estimated time, not measured",) if estimated else ()
        header = ("file", "instructions", "ratio", "verdict", *times, *last)
        return Cells(header, tuple(_counted_row(line, estimated, checked) for line in part.lines))
    header = ("file", "p50", "p90", "p99", "first", "load", "peak memory", "ratio (95\u00a0%)", "verdict")
    return Cells((*header, *last), tuple(_timed_row(line, checked) for line in part.lines))


def reasons(part: DevicePart) -> tuple[str, ...]:
    """What limits this device's numbers, each once."""
    messages = [part.error] if part.error else []
    messages += [failure.message for failure in part.result.failures if failure.message not in (part.error or "")]
    for line in part.lines:
        messages += [*line.validity.reasons, *line.comparison.reasons]
    for way in part.end_to_end:
        messages += describe_reasons(way)
    messages += energy_reasons(part.result)
    return tuple(dict.fromkeys(messages))


def findings(part: DevicePart) -> tuple[str, ...]:
    """What the curves of a sustained run show, and what was timed several at once, in words."""
    sustained = [finding for line in part.lines for finding in sustained_findings(part.result, line.measurement)]
    return (*sustained, *(text for line in part.lines if (text := _several_at_once(line.measurement))))


def _several_at_once(measurement: Measurement) -> str:
    """What a timing is of, where it is of several inferences: their tails are then those of means."""
    counts = {launch.inferences_per_sample for launch in measurement.launches}
    if counts <= {1}:
        return ""
    count = f"{min(counts)}" if len(counts) == 1 else f"{min(counts)} to {max(counts)}"
    return f"{measurement.name}: each timing is the mean of {count} inferences, which are too short to time alone"


def speed_claim(part: DevicePart, name: str) -> str | None:
    """How many times as fast as the baseline a file is, and from end to end where that differs; None if not known."""
    line = part.line(name)
    speedup = line.comparison.speedup if line is not None else None
    if line is None or part.counted or speedup is None or line.comparison.verdict not in ("faster", "slower"):
        return None
    if line.comparison.standing == "invalid":
        return None
    standing = "" if line.comparison.standing == "valid" else f" ({line.comparison.standing})"
    ways = [way for way in part.end_to_end if way.name == name]
    return inference_claim(f"{fmt.factor(speedup.value)} as fast{standing}", line.comparison, ways)


def estimate_remarks(part: DevicePart) -> tuple[str, ...]:
    """What an estimate of time is and how far off it has been; empty where there is none."""
    estimates = [line.measurement.estimate for line in part.lines if line.measurement.estimate]
    return tuple(dict.fromkeys(_estimate_remark(one) for one in estimates))


def _estimate_remark(estimate: TimeEstimate) -> str:
    rough = ". No published time of this core was found, and LLVM's model of it is rough"
    unchecked = rough if estimate.schedule in UNCHECKED else ""
    return (
        f"estimated time (experimental): calculated for a {estimate.board} at {estimate.clock_mhz:,} MHz and one "
        f"thread, not measured. {RECORD.sentence}{unchecked}"
    )


def describe_device(facts: Mapping[str, Any]) -> str:
    """A device in words: board or CPU, cores, operating system."""
    cores = f"{facts['cores']} cores" if facts.get("cores") else None
    parts = (facts.get("board"), facts.get("soc"), facts.get("cpu_model"), cores, facts.get("os"))
    return ", ".join(str(part) for part in dict.fromkeys(parts) if part)


def conditions(part: DevicePart) -> str:
    """The device's state: what ran there, governor, clock and temperature before and after, throttling."""
    before, after, result = part.result.facts_before, part.result.facts_after, part.result
    runtimes = sorted({launch.runtime for entry in result.measurements for launch in entry.launches})
    facts = [_AGENTS.get(result.agent, result.agent), ", ".join(runtimes)]
    if before.get("governor"):
        facts.append(f"governor {before['governor']}")
    for key, unit in (("frequency_mhz", "MHz"), ("temperature_c", "°C"), ("battery_percent", "% battery")):
        if before.get(key) is not None:
            end = after.get(key)
            moved = f" → {end:g}" if isinstance(end, (int, float)) and end != before[key] else ""
            facts.append(f"{before[key]:g}{moved} {unit}")
    if before.get("fixed_performance"):
        facts.append("fixed performance mode")
    if cores := describe_cores(result):
        facts.append(f"ran on {cores}")
    if before.get("thermal_status"):
        facts.append(f"thermal status {before['thermal_status']}")
    if result.resumed:
        times = len(result.resumed)
        facts.append(f"continued after a kill{'' if times == 1 else f', {times} times'}")
    if part.counted:
        facts.append("executed instructions, which are not time")
    return "; ".join(text for text in facts if text)


_AGENTS = {
    "python": "Python agent",
    "android-app": "the demo app's benchmark activity",
    "benchmark_model": "Google's benchmark_model: summaries only, random inputs",
}


def _column(part: DevicePart) -> str:
    return f"{part.result.device} (instructions)" if part.counted else part.result.device


def _ratio(line: Line) -> str:
    return fmt.comparison(line.comparison)


def _counted_row(line: Line, estimated: bool, checked: bool) -> tuple[str, ...]:
    counted = fmt.count(line.summary.instructions) if line.summary else fmt.DASH
    ratio = "1" if line.comparison.verdict == "baseline" else fmt.ratio(line.comparison.ratio)
    estimate = line.measurement.estimate
    times = (f"≈ {fmt.milliseconds(estimate.ms)}" if estimate else fmt.DASH,) if estimated else ()
    name = title_of(line.measurement)
    return (name, counted, ratio, line.comparison.verdict, *times, *_prediction_cells(line, checked))


def _timed_row(line: Line, checked: bool) -> tuple[str, ...]:
    summary = line.summary
    if summary is None:
        return (title_of(line.measurement), *[fmt.DASH] * 7, "failed", *_prediction_cells(line, checked))
    kind = "" if summary.central == "raw" else f" ({summary.central})"
    return (
        title_of(line.measurement),
        fmt.milliseconds(summary.p50_ms) + kind,
        fmt.milliseconds(summary.p90_ms),
        fmt.milliseconds(summary.p99_ms),
        fmt.milliseconds(summary.first_ms),
        fmt.milliseconds(summary.load_ms),
        fmt.size(summary.peak_memory_bytes),
        fmt.comparison(line.comparison),
        _verdict(line),
        *_prediction_cells(line, checked),
    )


def _verdict(line: Line) -> str:
    compared = line.comparison.verdict not in ("baseline", "inconclusive")
    standing = line.comparison.standing if compared else line.validity.standing
    return line.comparison.verdict if standing == "valid" else f"{line.comparison.verdict} ({standing})"


def _prediction_cells(line: Line, checked: bool) -> tuple[str, ...]:
    if not checked:
        return ()
    if line.score is None:
        return (fmt.DASH,)
    scored = f"; {fmt.percent(line.score.accuracy.value)}" if line.score.accuracy else ""
    return (f"{line.score.n - line.score.differing}/{line.score.n}{scored}",)
