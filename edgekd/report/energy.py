"""Energy in a report: a device's table of joules, watts and hours, where they come from and what they miss."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from edgekd.bench.energy.plan import MODES
from edgekd.bench.energy.records import EnergyRecord
from edgekd.bench.energy.summary import EnergySummary, summarize
from edgekd.bench.energy.validity import EnergyJudgement, judge
from edgekd.bench.energy.windows import update_interval_s
from edgekd.bench.result import BenchResult
from edgekd.metrics import Interval
from edgekd.report import format as fmt
from edgekd.report.table import Cells


@dataclass(frozen=True)
class EnergyLine:
    """One file in one mode, and what may be believed of it."""

    summary: EnergySummary
    judgement: EnergyJudgement


def energy_lines(result: BenchResult) -> tuple[EnergyLine, ...]:
    """Every file in every mode; empty where energy was not asked for or could not be measured."""
    record = result.energy
    if record is None or not record.blocks:
        return ()
    return tuple(_lines(result, record))


def energy_cells(result: BenchResult) -> Cells | None:
    """The table of a device; None where there is none."""
    lines = energy_lines(result)
    if not lines:
        return None
    hours = any(line.summary.hours for line in lines)
    last = ("hours on the battery",) if hours else ()
    header = (
        "file",
        "inferences",
        "energy of one (95\u00a0%)",
        "ratio (95\u00a0%)",
        "power with idle",
        *last,
        "verdict",
    )
    return Cells(header, tuple(_row(result.energy, line, hours) for line in lines if result.energy is not None))


def energy_notes(result: BenchResult) -> tuple[str, ...]:
    """Where the energy comes from, how often it is read and what it misses; else why there is none."""
    record = result.energy
    if record is None:
        return ()
    if record.not_measured is not None:
        return (f"energy not measured: {record.not_measured}",)
    if record.source is None or record.trace is None:
        return ()
    source, update_s = record.source, update_interval_s(record.trace)
    often = "never" if update_s is None else f"every {fmt.significant(update_s, 2)}\u00a0s"
    rails = f" ({', '.join(source.rails)})" if len(source.rails) > 1 else ""
    notes = [
        f"energy by {source.description}{rails}, a new reading {often}; blocks of {record.plan.block_s:g}\u00a0s "
        f"between rests, {record.plan.rounds} rounds, idle subtracted; not seen: {source.misses}"
    ]
    if record.clock is not None:
        notes.append(
            f"the meter's log was laid over the blocks by their steps of load, which explain "
            f"{record.clock.explained:.0%} of it (next best place: {record.clock.runner_up:.0%}); "
            f"its clock runs {record.clock.rate - 1:+.2%}"
        )
    if record.battery_wh is not None and source.whole_device:
        notes.append(f"hours on a battery of {record.battery_wh:.3g}\u00a0Wh ({record.battery_source}), idle included")
    return tuple(notes)


def energy_reasons(result: BenchResult) -> tuple[str, ...]:
    """What speaks against each number, once."""
    reasons = (reason for line in energy_lines(result) for reason in line.judgement.validity.reasons)
    return tuple(dict.fromkeys(reasons))


def energy_json(result: BenchResult) -> dict[str, Any] | None:
    """The conclusions as JSON; the record itself is in the result's file."""
    if result.energy is None:
        return None
    return {
        "not_measured": result.energy.not_measured,
        "source": None if result.energy.source is None else result.energy.source.__dict__,
        "files": [
            {
                "name": line.summary.name,
                "mode": line.summary.mode,
                "standing": line.judgement.standing,
                "verdict": line.judgement.verdict,
                "reasons": list(line.judgement.validity.reasons),
                **{key: _as_json(line, key) for key in ("joules", "ratio", "watts", "hours")},
            }
            for line in energy_lines(result)
        ],
    }


def _lines(result: BenchResult, record: EnergyRecord) -> Iterator[EnergyLine]:
    for mode in MODES:
        for name in result.names:
            latency_ms = result.median_ms(name)
            latency_s = None if latency_ms is None else latency_ms / 1000
            summary = summarize(record, name, mode, result.baseline, latency_s)
            yield EnergyLine(summary, judge(record, summary, latency_s, result.baseline))


def _row(record: EnergyRecord | None, line: EnergyLine, hours: bool) -> tuple[str, ...]:
    assert record is not None
    summary, standing = line.summary, line.judgement.standing
    mode = "one after the other" if summary.mode == "flat-out" else f"one every {record.plan.pace_ms / 1000:g}\u00a0s"
    power = line.judgement.power_holds
    ratio = "1" if line.judgement.verdict == "baseline" else fmt.ratio(summary.ratio)
    verdict = line.judgement.verdict
    return (
        summary.name,
        mode,
        "invalid" if standing == "invalid" else fmt.mark(fmt.joules(summary.joules), standing),
        "invalid" if standing == "invalid" and ratio != "1" else ratio,
        fmt.watts(summary.watts if power else None),
        *((fmt.hours(summary.hours if power else None),) if hours else ()),
        verdict if standing == "valid" else f"{verdict} ({standing})",
    )


def _as_json(line: EnergyLine, key: str) -> dict[str, float] | None:
    """An invalid number is not given; watts and hours may hold where joules do not."""
    interval: Interval | None = getattr(line.summary, key)
    holds = line.judgement.power_holds if key in ("watts", "hours") else line.judgement.standing != "invalid"
    return interval.as_json() if interval is not None and holds else None
