"""Whether an energy may be believed: an invalid one gives no number.

A trace is too coarse where a block, or the rests beside it, hold fewer than ``MIN_UPDATES`` fresh readings; and where
readings are momentary and paced inferences so short that a block's readings meet fewer than ``MIN_MET`` of them. The
second says nothing against the mean power, of which inferences are a small part then: hours hold, with what may have
been missed added to the power.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edgekd.bench.energy.records import EnergyRecord
from edgekd.bench.energy.summary import EnergySummary, pulses_met, windows_of
from edgekd.bench.energy.windows import MIN_UPDATES, update_interval_s, updates_in
from edgekd.bench.ratio import EQUIVALENCE_MARGIN, MIN_ROUNDS_FOR_INTERVAL
from edgekd.bench.validity import LATE_LIMIT, Standing, Validity

Verdict = Literal["baseline", "less energy", "more energy", "no difference", "inconclusive"]

MIN_MET = 5.0
# Of a core, by other programs while the device rests: idle is then no rest.
BUSY_LIMIT = 0.25
# Readings that made no sense.
UNREADABLE_LIMIT, UNREADABLE_INVALID = 0.1, 0.5


@dataclass(frozen=True)
class EnergyJudgement:
    """``validity`` of the joules, the verdict on their ratio, and whether watts and hours may be believed."""

    validity: Validity
    verdict: Verdict
    power_holds: bool

    @property
    def standing(self) -> Standing:
        """valid, semi-valid or invalid."""
        return self.validity.standing


def judge(record: EnergyRecord, summary: EnergySummary, latency_s: float | None, baseline: str) -> EnergyJudgement:
    """What may be believed of one file in one mode; ``latency_s`` is its median latency, None where unknown."""
    ruined = _ruined(record, summary)
    coarse = () if ruined else _unseen_pulses(record, summary, latency_s)
    if ruined or coarse:
        verdict: Verdict = "baseline" if summary.name == baseline else "inconclusive"
        return EnergyJudgement(Validity("invalid", (*ruined, *coarse)), verdict, not ruined)
    doubts = _doubts(record)
    validity = Validity("semi-valid" if doubts else "valid", doubts)
    return EnergyJudgement(validity, _verdict(summary, baseline), True)


def _verdict(summary: EnergySummary, baseline: str) -> Verdict:
    if summary.name == baseline:
        return "baseline"
    ratio, margin = summary.ratio, 1 + EQUIVALENCE_MARGIN
    if ratio is None:
        return "inconclusive"
    if ratio.high < 1 or ratio.low > 1:
        return "less energy" if ratio.high < 1 else "more energy"
    return "no difference" if 1 / margin < ratio.low and ratio.high < margin else "inconclusive"


def _ruined(record: EnergyRecord, summary: EnergySummary) -> tuple[str, ...]:
    if record.not_measured is not None:
        return (f"energy not measured: {record.not_measured}",)
    if record.trace is None:
        return ("energy not measured: the meter's log has not been given yet (--power-log)",)
    if coarse := _too_coarse(record, summary):
        return (coarse,)
    reasons = []
    if summary.rounds < MIN_ROUNDS_FOR_INTERVAL:
        reasons.append(
            f"{summary.name}, {summary.mode}: {summary.rounds} of {record.plan.rounds} blocks lie between two rests "
            f"and within the readings, at least {MIN_ROUNDS_FOR_INTERVAL} are needed"
        )
    if record.throttled_rounds:
        rounds = ", ".join(str(round_ + 1) for round_ in record.throttled_rounds)
        reasons.append(f"the device throttled after round {rounds} of the energy measurement")
    blocks = [block for block in record.blocks if (block.name, block.mode) == (summary.name, summary.mode)]
    late, paces = sum(block.late_n for block in blocks), sum(block.inferences for block in blocks)
    if paces and late / paces > LATE_LIMIT:
        reasons.append(f"{summary.name} does not keep the pace of one inference every {record.plan.pace_ms:g} ms")
    if _unreadable(record) > UNREADABLE_INVALID:
        reasons.append(f"{_unreadable(record):.0%} of the readings of power made no sense")
    return tuple(reasons)


def _too_coarse(record: EnergyRecord, summary: EnergySummary) -> str | None:
    assert record.trace is not None
    update_s = update_interval_s(record.trace)
    if update_s is None:
        return "too coarse: the readings of power never change"
    for place, block in enumerate(record.blocks):
        if (block.name, block.mode) != (summary.name, summary.mode):
            continue
        windows = windows_of(record, place, update_s)
        if windows is None and not _has_rests(record, place):
            continue
        own, rests = 0.0, 0.0
        if windows is not None:
            own, rests = updates_in(windows[:1], update_s), updates_in(windows[1:], update_s) * 2
        if min(own, rests) < MIN_UPDATES:
            needed = max(MIN_UPDATES + 3, 2 * MIN_UPDATES if record.clock else 0) * update_s + record.plan.settle_s
            return (
                f"too coarse: power has a new reading every {update_s:.2g} s, of which blocks of "
                f"{record.plan.block_s:g} s hold too few. Use --block-seconds {1.5 * needed:.0f}"
            )
    return None


def _has_rests(record: EnergyRecord, place: int) -> bool:
    return 0 < place < len(record.blocks) - 1 and all(
        record.blocks[other].mode == "idle" for other in (place - 1, place + 1)
    )


def _unseen_pulses(record: EnergyRecord, summary: EnergySummary, latency_s: float | None) -> tuple[str, ...]:
    met = pulses_met(record, summary.mode, latency_s)
    if met is None or met >= MIN_MET:
        return ()
    return (
        f"{summary.name}, paced: too coarse: readings of power are momentary and meet {met:.1f} of a block's "
        f"inferences of {(latency_s or 0) * 1000:.3g} ms, at least {MIN_MET:g} are needed. Its joules flat out hold",
    )


def _doubts(record: EnergyRecord) -> tuple[str, ...]:
    reasons = []
    busy = [block.busy_cores for block in record.blocks if block.mode == "idle" and block.busy_cores is not None]
    if busy and sorted(busy)[len(busy) // 2] > BUSY_LIMIT:
        reasons.append(f"other programs took {sorted(busy)[len(busy) // 2]:.0%} of one core while the device rested")
    if _unreadable(record) > UNREADABLE_LIMIT:
        reasons.append(f"{_unreadable(record):.0%} of the readings of power made no sense")
    return tuple(reasons)


def _unreadable(record: EnergyRecord) -> float:
    assert record.trace is not None
    count = len(record.trace.time_s) + record.trace.unreadable
    return record.trace.unreadable / count if count else 1.0
