"""Two results of the same device, before and after: what changed, and whether it is more than noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgekd.bench.ratio import independent_estimate, independent_ratio
from edgekd.bench.records import Measurement
from edgekd.bench.result import BenchResult
from edgekd.bench.sameness import COMPARABLE, differences
from edgekd.bench.samples import launch_medians, paired_medians
from edgekd.bench.statistics import COUNT_TOLERANCE, Comparison, instruction_ratio, judge, worse_validity
from edgekd.errors import UsageError


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

    Raises: UsageError naming why the two cannot be compared: another device or agent, time against instructions,
    other threads, delegate, affinity or mode, no file in common.
    """
    unlike = tuple(differences(before, after, COMPARABLE))
    for difference in unlike:
        if difference.file is None:
            raise UsageError(
                f"these results can't be compared: {difference.name} is {difference.first} before and "
                f"{difference.second} after. "
                "Results of several devices go side by side with: edgekd report A.json B.json --out DIR"
            )
    shared = [name for name in before.names if name in after.names]
    if not shared:
        raise UsageError(
            f"nothing was measured in both: {', '.join(before.names)} before, {', '.join(after.names)} after"
        )
    for difference in unlike:
        raise UsageError(
            f"{difference.file}: another {difference.name} before and after. Measure it in the same way twice"
        )
    return tuple(_change(before, after, name) for name in shared)


def _change(before: BenchResult, after: BenchResult, name: str) -> Change:
    first, second = before.measurement(name), after.measurement(name)
    same = first.sha256 == second.sha256
    if not first.launches or not second.launches:
        return Change(name, same, False, Comparison(None, None, "inconclusive", ("one of them has no launch",)))
    if before.unit == "instructions":
        return Change(name, same, False, _compare_instructions(second, first))
    bases = before.measurement(before.baseline), after.measurement(after.baseline)
    relative = bases[0].sha256 == bases[1].sha256 and name not in (before.baseline, after.baseline)
    below, above = (_values(*pair, relative) for pair in ((first, bases[0]), (second, bases[1])))
    validities = [before.validity(name), after.validity(name)]
    if relative:
        validities += [before.validity(before.baseline), after.validity(after.baseline)]
    launches = min(len(below), len(above))
    estimate = independent_estimate(above, below) if launches else None
    ratio = independent_ratio(above, below)
    return Change(name, same, relative, judge(before.plan, estimate, ratio, launches, worse_validity(*validities)))


def _values(measurement: Measurement, baseline: Measurement, relative: bool) -> NDArray[np.float64]:
    """Launch medians, each over the baseline's of its round where that is wanted."""
    if not relative:
        return launch_medians(measurement)
    medians, base_medians = paired_medians(measurement, baseline)
    return medians / base_medians


def _compare_instructions(after: Measurement, before: Measurement) -> Comparison:
    ratio = instruction_ratio(after, before)
    assert ratio is not None, "both have launches"
    if abs(ratio.value - 1) <= COUNT_TOLERANCE:
        return Comparison(ratio.value, ratio, "no difference")
    return Comparison(ratio.value, ratio, "fewer instructions" if ratio.value < 1 else "more instructions")
