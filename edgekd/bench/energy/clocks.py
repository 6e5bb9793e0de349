"""Lays a meter's log over the blocks of a measurement by their steps of load: neither clock knows of the other.

For every offset and rate of the log's clock that may be right, the blocks explain a share of the log's variance: each
file in each mode has one level of power, and rest another. The log is laid where they explain most. Rests differ in
length, so that a wrong place explains much less; where it does not, or where the blocks explain too little anywhere,
the log is refused: it is another device's, another time's, or too noisy to tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgekd.bench.energy.plan import EnergyPlan
from edgekd.bench.energy.records import Block, ClockFit, EnergyRecord, Kind, Trace
from edgekd.bench.energy.sources.meter import MeterLog
from edgekd.bench.energy.sources.protocol import NotMeasured
from edgekd.bench.energy.windows import curve_of

Values = NDArray[np.float64]

# A meter's clock that is off by more is not a clock.
MOST_RATE_ERROR = 0.02
# The blocks must explain so much of the log's variance where they are laid, and so much more than anywhere else.
LEAST_EXPLAINED = 0.5
LEAST_LEAD = 0.15
# Blocks of inferences before steps tell a place.
MIN_BLOCKS = 6
_RATES = 41
_REFINEMENTS = 3
# Kept of the log before the first block and behind the last.
_MARGIN_S = 5.0


@dataclass(frozen=True)
class _Pattern:
    """Blocks and rests [n] in full on the device's clock, and which level of power each has.

    In full, since what settles at a block's start would leave room for a shift.
    """

    start_s: Values
    end_s: Values
    level: NDArray[np.intp]

    @property
    def origin_s(self) -> float:
        return float(self.start_s[0])


@dataclass(frozen=True)
class _Log:
    """Integrals of a log's power and of its square, to be read at any moment."""

    time_s: Values
    first: Values
    second: Values


def place_log(record: EnergyRecord, log: MeterLog) -> EnergyRecord:
    """The record with the log as its trace, on the device's clock. Raises: NotMeasured where it fits nowhere."""
    clock = fit_clock(record.blocks, log.trace, log.source.kind, record.plan)
    time_s = (np.asarray(log.trace.time_s) - clock.offset_s) / clock.rate
    inside = (time_s >= record.blocks[0].start_s - _MARGIN_S) & (time_s <= record.blocks[-1].end_s + _MARGIN_S)
    values = np.asarray(log.trace.values)
    trace = Trace(
        tuple(float(round(each, 3)) for each in time_s[inside]),
        tuple(float(each) for each in values[inside]),
        log.trace.unreadable,
    )
    return replace(record, source=log.source, trace=trace, clock=clock)


def fit_clock(blocks: Sequence[Block], trace: Trace, kind: Kind, plan: EnergyPlan) -> ClockFit:
    """Where the log lies on the device's clock. Raises: NotMeasured where no place is the right one."""
    pattern, log = _pattern(blocks), _log(trace, kind)
    long_s = float(pattern.end_s[-1] - pattern.origin_s)
    lies_s = float(log.time_s[-1] - log.time_s[0])
    if lies_s < long_s * (1 - MOST_RATE_ERROR):
        raise NotMeasured(
            f"the meter's log holds {lies_s:.0f} s, the measurement took {long_s:.0f} s: begin the log before the "
            "measurement and end it after",
            present=True,
        )
    rates = np.linspace(1 - MOST_RATE_ERROR, 1 + MOST_RATE_ERROR, _RATES)
    step_s = plan.block_s / 8
    slack_s = lies_s - long_s * (1 - MOST_RATE_ERROR)
    begins = log.time_s[0] + np.arange(0.0, slack_s + step_s, step_s)
    # By the moment of the log at which the first rest begins, and the rate.
    table = np.array([[_explained(pattern, log, begin, rate) for rate in rates] for begin in begins])
    best = np.unravel_index(int(np.argmax(table)), table.shape)
    apart = np.abs(begins - begins[best[0]]) > plan.block_s
    runner_up = float(table[apart].max()) if apart.any() else 0.0
    begin, rate, explained = _refine(pattern, log, float(begins[best[0]]), float(rates[best[1]]), step_s)
    fit = ClockFit(begin - rate * pattern.origin_s, rate, explained, max(0.0, runner_up))
    _refuse_misfit(fit)
    return fit


def _refuse_misfit(fit: ClockFit) -> None:
    if fit.explained < LEAST_EXPLAINED:
        raise NotMeasured(
            f"the meter's log does not show this measurement's steps of load: they explain {fit.explained:.0%} of it "
            f"where they fit best, at least {LEAST_EXPLAINED:.0%} are needed. Is it the log of this device, "
            "and of this time?",
            present=True,
        )
    if fit.explained - fit.runner_up < LEAST_LEAD:
        raise NotMeasured(
            f"the meter's log fits the measurement at several places ({fit.explained:.0%} and {fit.runner_up:.0%} "
            "explained): measure more rounds (--launches)",
            present=True,
        )
    if abs(fit.rate - 1) > MOST_RATE_ERROR * 0.99:
        how = "fast" if fit.rate > 1 else "slow"
        raise NotMeasured(
            f"the meter's clock is at least {MOST_RATE_ERROR:.0%} {how} by the device's: its times cannot be trusted",
            present=True,
        )


def _pattern(blocks: Sequence[Block]) -> _Pattern:
    inferring = [block for block in blocks if block.mode != "idle"]
    if len(inferring) < MIN_BLOCKS or len(inferring) == len(blocks):
        raise NotMeasured("there are too few blocks and rests for a meter's log to be laid over them", present=True)
    levels = sorted({(block.name, block.mode) for block in blocks})
    level = np.array([levels.index((block.name, block.mode)) for block in blocks])
    return _Pattern(np.array([block.start_s for block in blocks]), np.array([block.end_s for block in blocks]), level)


def _log(trace: Trace, kind: Kind) -> _Log:
    curve = curve_of(trace, kind)
    spans = np.diff(curve.time_s)
    watts = np.diff(curve.joules) / spans
    second = np.concatenate(([0.0], np.cumsum(spans * watts**2)))
    return _Log(curve.time_s, curve.joules, second)


def _explained(pattern: _Pattern, log: _Log, begin_s: float, rate: float) -> float:
    """The share of the log's variance within the windows that one level for each kind of block explains."""
    starts, ends = (begin_s + rate * (each - pattern.origin_s) for each in (pattern.start_s, pattern.end_s))
    if ends[-1] > log.time_s[-1] or starts[0] < log.time_s[0]:
        return 0.0
    spans = ends - starts
    first, second = (
        np.interp(ends, log.time_s, each) - np.interp(starts, log.time_s, each) for each in (log.first, log.second)
    )
    time_s, sums, squares = (np.bincount(pattern.level, each) for each in (spans, first, second))
    whole = squares.sum() - sums.sum() ** 2 / time_s.sum()
    within = (squares - sums**2 / time_s).sum()
    return float(1 - within / whole) if whole > 0 else 0.0


def _refine(pattern: _Pattern, log: _Log, begin_s: float, rate: float, step_s: float) -> tuple[float, float, float]:
    """Ever finer grids around the best place: (moment of the first rest, rate, share explained)."""
    rate_step = 2 * MOST_RATE_ERROR / (_RATES - 1)
    best = (_explained(pattern, log, begin_s, rate), begin_s, rate)
    for _ in range(_REFINEMENTS):
        places = [(best[1] + i * step_s / 5, best[2] + k * rate_step / 5) for i in range(-6, 7) for k in range(-6, 7)]
        best = max(best, *((_explained(pattern, log, *place), *place) for place in places))
        step_s, rate_step = step_s / 5, rate_step / 5
    return best[1], best[2], best[0]
