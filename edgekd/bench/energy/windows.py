"""Mean power of a block out of a trace, and how coarse the trace is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgekd.bench.energy.plan import EnergyPlan
from edgekd.bench.energy.records import Block, EnergyRecord, Kind, Trace

Values = NDArray[np.float64]

# Fresh readings that a block must have after it has settled.
MIN_UPDATES = 10
# Of the gaps between fresh readings: a reading may by chance be that of before.
_USUAL_GAP = 0.25
# A source that averages lags by up to as many of its updates.
_LAG_UPDATES = 2


@dataclass(frozen=True)
class Curve:
    """Energy over time, made once of a trace: joules up to each moment."""

    time_s: Values
    joules: Values

    def mean_w(self, start_s: float, end_s: float) -> float:
        """Mean power between two moments."""
        before, after = np.interp([start_s, end_s], self.time_s, self.joules)
        return float((after - before) / (end_s - start_s))

    def covers(self, start_s: float, end_s: float) -> bool:
        """Whether there are readings on both sides of it."""
        return bool(len(self.time_s) > 1 and self.time_s[0] <= start_s and end_s <= self.time_s[-1])


def curve_of(trace: Trace, kind: Kind) -> Curve:
    """Counters at the readings at which they moved; momentary powers joined by straight lines and summed up."""
    time_s, values = (np.asarray(each, dtype=np.float64) for each in (trace.time_s, trace.values))
    if kind == "joules":
        fresh = _changes(values)
        return Curve(time_s[fresh], values[fresh])
    steps = np.diff(time_s) * (values[1:] + values[:-1]) / 2
    return Curve(time_s, np.concatenate(([0.0], np.cumsum(steps))) if len(time_s) else values)


def update_interval_s(trace: Trace) -> float | None:
    """How often the source really has something new; None where it never has.

    It is what lies between readings that differ: a meter that is read more often than it measures repeats itself.
    """
    time_s, values = (np.asarray(each, dtype=np.float64) for each in (trace.time_s, trace.values))
    gaps = np.diff(time_s[_changes(values)])
    if not len(gaps):
        return None
    return float(max(np.quantile(gaps, _USUAL_GAP), np.median(np.diff(time_s))))


def settled(block: Block, plan: EnergyPlan, update_s: float) -> tuple[float, float]:
    """(start, end) of a block without what settles, and without what an averaging source brings from before it.

    It ends an update early: between two readings on both sides of an end, neither tells when power changed.
    """
    return block.start_s + max(plan.settle_s, _LAG_UPDATES * update_s), block.end_s - update_s


def halves(block: Block, start_s: float, end_s: float) -> tuple[tuple[float, float], tuple[float, float]]:
    """A rest's first half belongs to the block before it, the second to the one behind: no two blocks share one."""
    middle = (start_s + end_s) / 2
    return (start_s, middle), (middle, end_s)


def whole_paces(start_s: float, end_s: float, block: Block, pace_s: float) -> tuple[float, float]:
    """As much of a paced block as holds a whole number of paces; it begins and ends in the middle of a pause.

    Inferences start at the block's start and every ``pace_s`` after it.
    """
    last = block.start_s + pace_s * (np.floor((end_s - block.start_s) / pace_s - 0.5) + 0.5)
    count = np.floor((last - start_s) / pace_s)
    return float(last - count * pace_s), float(last)


def rests_around(record: EnergyRecord, place: int) -> tuple[Block, Block] | None:
    """The rests before and behind the block at ``place``; None where one is missing."""
    if not 0 < place < len(record.blocks) - 1:
        return None
    before, behind = record.blocks[place - 1], record.blocks[place + 1]
    return (before, behind) if before.mode == behind.mode == "idle" else None


def updates_in(windows: Sequence[tuple[float, float]], update_s: float) -> float:
    """Fresh readings in the shortest of these windows."""
    return min(end - start for start, end in windows) / update_s


def _changes(values: Values) -> NDArray[np.intp]:
    return np.flatnonzero(np.concatenate(([True], np.diff(values) != 0))) if len(values) else np.zeros(0, np.intp)
