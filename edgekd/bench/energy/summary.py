"""From blocks to joules of an inference, watts, hours and ratios, each with its 95 % interval.

A block's energy of an inference is (its mean power - that of the rests around it) / inferences a second. Of each rest
the half nearer to the block counts, so that a slow drift of the idle level cancels and no two blocks share a rest.
Over the rounds stands the trimmed mean with Student's t (see ``edgekd.bench.ratio``). A ratio's interval holds every
ratio at which the trimmed mean of (file - ratio x baseline) is not significantly different from 0 (E. C. Fieller,
Some problems in interval estimation, JRSS B 16 (1954)): it also holds where energies are near 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgekd.bench.energy.plan import Mode
from edgekd.bench.energy.records import Block, EnergyRecord
from edgekd.bench.energy.windows import (
    Curve,
    curve_of,
    halves,
    rests_around,
    settled,
    update_interval_s,
    whole_paces,
)
from edgekd.bench.ratio import CONFIDENCE, MIN_ROUNDS_FOR_INTERVAL, student_t, trimmed_mean
from edgekd.metrics import Interval

Values = NDArray[np.float64]
_MOST_RATIO = 1e4
_HALVINGS = 30


@dataclass(frozen=True)
class BlockEnergy:
    """One block's inferences: joules of one (idle subtracted), and mean watts of the block and of its rests."""

    round: int
    joules: float
    watts: float
    idle_watts: float


@dataclass(frozen=True)
class EnergySummary:
    """One file in one mode. Each is None below ``MIN_ROUNDS_FOR_INTERVAL`` rounds.

    ``joules`` of one inference without what the device takes at rest; ``watts`` of the device while it infers, with it;
    ``hours`` of the battery at that power. ``ratio`` is that of joules to the baseline's.
    """

    name: str
    mode: Mode
    rounds: int
    joules: Interval | None
    watts: Interval | None
    idle_watts: Interval | None
    hours: Interval | None
    ratio: Interval | None


def summarize(
    record: EnergyRecord, name: str, mode: Mode, baseline: str, latency_s: float | None = None
) -> EnergySummary:
    """What the blocks of a file in one mode say, whether or not it may be believed (see ``validity``).

    ``latency_s`` is its median latency: hours allow for inferences that momentary readings have missed.
    """
    blocks = block_energies(record, name, mode)
    others = {} if name == baseline else block_energies(record, baseline, mode)
    joules, watts, idle = (
        mean_interval(np.array([getattr(block, field) for block in blocks.values()]))
        for field in ("joules", "watts", "idle_watts")
    )
    shared = [round_ for round_ in blocks if round_ in others]
    ratio = ratio_interval(
        np.array([blocks[round_].joules for round_ in shared]), np.array([others[round_].joules for round_ in shared])
    )
    hours = _hours(record, watts, _missed_w(record, name, mode, latency_s))
    return EnergySummary(name, mode, len(blocks), joules, watts, idle, hours, ratio)


def pulses_met(record: EnergyRecord, mode: Mode, latency_s: float | None) -> float | None:
    """How many readings of a block of paced inferences fall into one, on average; None where each is seen in full."""
    if mode != "paced" or latency_s is None or record.source is None or record.source.kind == "joules":
        return None
    update_s = None if record.trace is None else update_interval_s(record.trace)
    if update_s is None:
        return None
    pace_s = record.plan.pace_ms / 1000
    return (record.plan.block_s - record.plan.settle_s) / update_s * min(1.0, latency_s / pace_s)


def _missed_w(record: EnergyRecord, name: str, mode: Mode, latency_s: float | None) -> float:
    """Watts that short inferences may take without a reading having met them: what they take flat out."""
    met = pulses_met(record, mode, latency_s)
    if met is None or latency_s is None:
        return 0.0
    blocks = block_energies(record, name, "flat-out").values()
    more_w = max((block.watts - block.idle_watts for block in blocks), default=0.0)
    return max(0.0, more_w) * min(1.0, 1000 * latency_s / record.plan.pace_ms)


def _hours(record: EnergyRecord, watts: Interval | None, missed_w: float) -> Interval | None:
    if watts is None or watts.low <= 0 or not record.battery_wh:
        return None
    if record.source is None or not record.source.whole_device:
        return None
    return Interval(*(record.battery_wh / each for each in (watts.value, watts.high + missed_w, watts.low)))


def block_energies(record: EnergyRecord, name: str, mode: Mode) -> Mapping[int, BlockEnergy]:
    """Each round's block, where the trace covers it and its rests."""
    if record.trace is None or record.source is None:
        return {}
    update_s = update_interval_s(record.trace)
    if update_s is None:
        return {}
    curve = curve_of(record.trace, record.source.kind)
    energies = {}
    for place, block in enumerate(record.blocks):
        if (block.name, block.mode) != (name, mode):
            continue
        energy = _block_energy(record, place, curve, update_s)
        if energy is not None:
            energies[block.round] = energy
    return energies


def windows_of(record: EnergyRecord, place: int, update_s: float) -> tuple[tuple[float, float], ...] | None:
    """What is averaged for the block at ``place``: (block, rest before, rest behind); None where there is none."""
    rests = rests_around(record, place)
    if rests is None:
        return None
    block = record.blocks[place]
    before, behind = (halves(rest, *settled(rest, record.plan, update_s)) for rest in rests)
    own = settled(block, record.plan, update_s)
    if block.mode == "paced":
        own = whole_paces(*own, block, record.plan.pace_ms / 1000)
    windows = (own, before[1], behind[0])
    return windows if all(end > start for start, end in windows) else None


def _block_energy(record: EnergyRecord, place: int, curve: Curve, update_s: float) -> BlockEnergy | None:
    windows = windows_of(record, place, update_s)
    if windows is None or not all(curve.covers(*window) for window in windows):
        return None
    block = record.blocks[place]
    watts, before, behind = (curve.mean_w(*window) for window in windows)
    idle = (before + behind) / 2
    return BlockEnergy(block.round, (watts - idle) / _rate(block, record), watts, idle)


def _rate(block: Block, record: EnergyRecord) -> float:
    """Inferences a second: paced ones keep their pace, others fill the block."""
    return 1000 / record.plan.pace_ms if block.mode == "paced" else block.inferences / block.seconds


def mean_interval(values: Values) -> Interval | None:
    """The trimmed mean with its interval."""
    if len(values) < MIN_ROUNDS_FOR_INTERVAL:
        return None
    mean, variance, count = trimmed_mean(values)
    half = student_t((1 + CONFIDENCE) / 2, count - 1) * math.sqrt(variance)
    return Interval(mean, mean - half, mean + half)


def ratio_interval(above: Values, below: Values) -> Interval | None:
    """``above`` over ``below`` of the same rounds; None where ``below`` is not clearly more than 0."""
    base = mean_interval(below)
    if base is None or base.low <= 0:
        return None
    quantile = student_t((1 + CONFIDENCE) / 2, trimmed_mean(below)[2] - 1)

    def rejected(ratio: float) -> bool:
        mean, variance, _ = trimmed_mean(above - ratio * below)
        return abs(mean) > quantile * math.sqrt(variance)

    value = _root(lambda ratio: trimmed_mean(above - ratio * below)[0])
    if value is None:
        return None
    low, high = (_edge(rejected, value, direction) for direction in (-1.0, 1.0))
    return None if low is None or high is None else Interval(value, low, high)


def _root(function: Callable[[float], float]) -> float | None:
    """Where a falling function is 0."""
    low, high = -1.0, 1.0
    while function(high) > 0 or function(low) < 0:
        low, high = low * 2, high * 2
        if high > _MOST_RATIO:
            return None
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if function(middle) > 0 else (low, middle)
    return (low + high) / 2


def _edge(rejected: Callable[[float], bool], value: float, direction: float) -> float | None:
    """The last ratio from ``value`` on in one direction that is not rejected."""
    step = 1e-4 * max(1e-2, abs(value))
    while not rejected(value + direction * step):
        step *= 2
        if step > _MOST_RATIO:
            return None
    inside, outside = 0.0, step
    for _ in range(_HALVINGS):
        middle = (inside + outside) / 2
        inside, outside = (inside, middle) if rejected(value + direction * middle) else (middle, outside)
    return value + direction * inside
