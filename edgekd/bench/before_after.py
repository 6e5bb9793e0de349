"""Two results of the same device, before and after: what changed, and whether it is more than noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.bench.ratio import independent_estimate, independent_ratio
from edgekd.bench.result import BenchResult, Measurement
from edgekd.bench.samples import launch_medians, paired_medians
from edgekd.bench.statistics import (
    COUNT_TOLERANCE,
    MIN_LAUNCHES,
    Comparison,
    conclude,
    few_launches,
    instruction_ratio,
)
from edgekd.bench.validity import validity
from edgekd.errors import UsageError

# What must be equal for a change of latency to be the file's and not the machine's.
_SAME_FACTS = ("cpu_model", "machine", "board", "governor", "cores")
_SAME_PLAN = ("delegate", "mode", "affinity", "pace_ms")


@dataclass(frozen=True)
class Change:
    """One file in both results: ``comparison.ratio`` is after over before.

    ``same_file`` says whether the bytes are the same. ``by_baseline`` says that both sides were taken relative to
    a baseline of the same bytes, which cancels what the machine did in between.
    """

    name: str
    same_file: bool
    by_baseline: bool
    comparison: Comparison


def changes(before: BenchResult, after: BenchResult) -> tuple[Change, ...]:
    """Every file that both measured, in the order of ``before``.

    Raises: UsageError naming what makes the two no comparison: another device or agent, time against instructions,
    other threads, delegate, affinity or mode, no file in common.
    """
    _refuse_unlike(before, after)
    mine, theirs = ({one.name: one for one in result.measurements} for result in (before, after))
    shared = [name for name in mine if name in theirs]
    if not shared:
        raise UsageError(f"nothing was measured in both: {', '.join(mine)} before, {', '.join(theirs)} after")
    for name in shared:
        for what, key in (("number of threads", "threads"), ("photos", "inputs_sha256")):
            if getattr(mine[name], key) != getattr(theirs[name], key):
                raise UsageError(f"{name}: another {what} before and after. Measure it in the same way twice")
    return tuple(_change(before, after, mine[name], theirs[name]) for name in shared)


def _refuse_unlike(before: BenchResult, after: BenchResult) -> None:
    pairs: list[tuple[str, Any, Any]] = [("what was measured", before.unit, after.unit)]
    pairs += [("agent", before.agent, after.agent)]
    pairs += [(key, before.facts_before.get(key), after.facts_before.get(key)) for key in _SAME_FACTS]
    pairs += [(key, getattr(before.plan, key), getattr(after.plan, key)) for key in _SAME_PLAN]
    for what, one, two in pairs:
        if one != two:
            raise UsageError(
                f"these results can't be compared: {what.replace('_', ' ')} is {one} before and {two} after. "
                "Results of several devices go side by side with: edgekd report A.json B.json --out DIR"
            )


def _change(before: BenchResult, after: BenchResult, mine: Measurement, theirs: Measurement) -> Change:
    same = mine.sha256 == theirs.sha256
    if not mine.launches or not theirs.launches:
        return Change(mine.name, same, False, Comparison(None, None, "inconclusive", ("one of them has no launch",)))
    if before.unit == "instructions":
        return Change(mine.name, same, False, _counted(theirs, mine))
    bases = before.measurement(before.baseline), after.measurement(after.baseline)
    relative = bases[0].sha256 == bases[1].sha256 and mine.name not in (before.baseline, after.baseline)
    one, two = (_values(*pair, relative) for pair in ((mine, bases[0]), (theirs, bases[1])))
    standings = [validity(before, mine), validity(after, theirs)]
    if relative:
        standings += [validity(before, bases[0]), validity(after, bases[1])]
    reasons = tuple(dict.fromkeys(reason for standing in standings for reason in standing.reasons))
    ratio = independent_ratio(two, one)
    estimate = independent_estimate(two, one) if len(one) and len(two) else None
    if any(standing.standing == "invalid" for standing in standings):
        comparison = Comparison(estimate, ratio, "inconclusive", reasons)
    elif ratio is None or min(len(one), len(two)) < MIN_LAUNCHES:
        few = few_launches(before.plan, min(len(one), len(two)))
        comparison = Comparison(estimate, ratio, "inconclusive", (few, *reasons))
    else:
        comparison = conclude(ratio, min(len(one), len(two)), reasons)
    return Change(mine.name, same, relative, comparison)


def _values(measurement: Measurement, baseline: Measurement, relative: bool) -> NDArray[np.float64]:
    """Launch medians, each over the baseline's of its round where that is wanted."""
    if not relative:
        return launch_medians(measurement)
    own, base = paired_medians(measurement, baseline)
    return own / base


def _counted(after: Measurement, before: Measurement) -> Comparison:
    ratio = instruction_ratio(after, before)
    assert ratio is not None, "both have launches"
    if abs(ratio.value - 1) <= COUNT_TOLERANCE:
        return Comparison(ratio.value, ratio, "no difference")
    return Comparison(ratio.value, ratio, "fewer instructions" if ratio.value < 1 else "more instructions")
