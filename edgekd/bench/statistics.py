"""From raw timings to conclusions: quantiles, ratios with their intervals, a verdict."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from edgekd.bench.plan import BenchPlan
from edgekd.bench.ratio import EQUIVALENCE_MARGIN, MOST_LAUNCHES, launches_needed, paired_estimate, paired_ratio
from edgekd.bench.records import BenchRecord, Measurement
from edgekd.bench.samples import launch_medians, paired_medians, values_of
from edgekd.bench.validity import Standing, Validity, validity
from edgekd.metrics import Interval

Verdict = Literal[
    "baseline", "faster", "slower", "no difference", "inconclusive", "fewer instructions", "more instructions"
]

P90_MIN_SAMPLES = 64
P99_MIN_SAMPLES = 662
MIN_LAUNCHES = 7
# A disturbed measurement gives a verdict only where its interval stays this far from 1.
DISTURBED_MARGIN = 0.10
# Executed instructions repeat within this from run to run.
COUNT_TOLERANCE = 0.001


@dataclass(frozen=True)
class Summary:
    """One file's latency. p90 and p99 are None below the samples that they need; memory is the process's peak.

    Where instructions were counted, ``instructions`` (of one inference) is set and every time is None. ``central``
    says whether ``p50_ms`` comes from raw timings, or is the median or mean that benchmark_model reported.
    """

    launches: int
    samples: int
    p50_ms: float | None
    p90_ms: float | None
    p99_ms: float | None
    load_ms: float | None
    first_ms: float | None
    peak_memory_bytes: int | None
    instructions: int | None = None
    central: Literal["raw", "median", "mean"] = "raw"


@dataclass(frozen=True)
class Comparison:
    """A file against the baseline: what may be concluded, and why not more.

    ``estimate`` is the ratio of latencies (under 1 is faster); ``ratio`` the same with its interval, None where there
    are too few launches for one. ``standing`` is the worse one of the two measurements': no number is shown without it.
    """

    estimate: float | None
    ratio: Interval | None
    verdict: Verdict
    reasons: tuple[str, ...] = ()
    standing: Standing = "valid"

    @property
    def value(self) -> float | None:
        """The ratio; None where nothing can be compared."""
        return self.estimate

    @property
    def low(self) -> float | None:
        """Lower bound of the ratio's 95 % interval; None where there are too few launches for one."""
        return None if self.ratio is None else self.ratio.low

    @property
    def high(self) -> float | None:
        """Upper bound of the ratio's 95 % interval; None where there are too few launches for one."""
        return None if self.ratio is None else self.ratio.high

    @property
    def speedup(self) -> Interval | None:
        """The ratio upside down: how many times faster."""
        return None if self.ratio is None else Interval(1 / self.ratio.value, 1 / self.ratio.high, 1 / self.ratio.low)


def summarize(measurement: Measurement) -> Summary | None:
    """p50 is the median over launches of each launch's median; the tails are of all timings together."""
    launches = measurement.launches
    if not launches:
        return None
    median = float(np.median(launch_medians(measurement)))
    memory = [launch.peak_memory_bytes for launch in launches if launch.peak_memory_bytes is not None]
    peak = int(np.median(memory)) if memory else None
    samples = sum(len(launch.timings_ns) for launch in launches)
    if launches[0].instructions is not None:
        # Times and memory would be the emulator's.
        return Summary(len(launches), samples, None, None, None, None, None, None, instructions=round(median))
    tool_summary = launches[0].summary
    pooled = np.sort(np.concatenate([values_of(launch) for launch in launches]))
    return Summary(
        launches=len(launches),
        samples=samples,
        p50_ms=median,
        p90_ms=float(np.quantile(pooled, 0.90)) if samples >= P90_MIN_SAMPLES else None,
        p99_ms=float(np.quantile(pooled, 0.99)) if samples >= P99_MIN_SAMPLES else None,
        load_ms=float(np.median([launch.load_ms for launch in launches])),
        first_ms=float(np.median([launch.first_ms for launch in launches])),
        peak_memory_bytes=peak,
        central="raw" if launches[0].timings_ns or tool_summary is None else tool_summary.central,
    )


def latency_ratio(measurement: Measurement, baseline: Measurement) -> Interval | None:
    """The latency over the baseline's by rounds, with its 95 % interval; see ``edgekd.bench.ratio``.

    None below ``ratio.MIN_ROUNDS_FOR_INTERVAL`` rounds that have both. Timings within a launch are not resampled:
    their noise already shows in how launches differ.
    """
    return paired_ratio(*paired_medians(measurement, baseline))


def instruction_ratio(measurement: Measurement, baseline: Measurement) -> Interval | None:
    """Executed instructions over the baseline's, with the range that the launches span: counted, not sampled."""
    above, below = launch_medians(measurement), launch_medians(baseline)
    if not len(above) or not len(below):
        return None
    value = float(np.median(above) / np.median(below))
    return Interval(value, float(above.min() / below.max()), float(above.max() / below.min()))


def compare(result: BenchRecord, name: str) -> Comparison:
    """What may be concluded of ``name`` against the result's baseline. Raises: EdgekdError for a name not measured."""
    if name == result.baseline:
        return Comparison(1.0, Interval(1.0, 1.0, 1.0), "baseline")
    measurement, baseline = result.measurement(name), result.measurement(result.baseline)
    if result.unit == "instructions":
        return compare_counts(instruction_ratio(measurement, baseline))
    above, below = paired_medians(measurement, baseline)
    if not len(above):
        return Comparison(None, None, "inconclusive", ("no round has both this file and the baseline",))
    estimate, ratio = paired_estimate(above, below), paired_ratio(above, below)
    both = worse_validity(validity(result, measurement), validity(result, baseline))
    return judge(result.plan, estimate, ratio, len(above), both)


def worse_validity(*validities: Validity) -> Validity:
    """The worst standing of several measurements that are compared, with the reasons of all of them."""
    order: tuple[Standing, ...] = ("valid", "semi-valid", "invalid")
    reasons = tuple(dict.fromkeys(reason for validity in validities for reason in validity.reasons))
    return Validity(max((validity.standing for validity in validities), key=order.index), reasons)


def judge(plan: BenchPlan, estimate: float | None, ratio: Interval | None, launches: int, both: Validity) -> Comparison:
    """The verdict on a ratio of so many launches a side, of measurements whose joint validity is ``both``."""
    if both.standing == "invalid":
        return Comparison(estimate, ratio, "inconclusive", both.reasons, both.standing)
    if ratio is None or launches < MIN_LAUNCHES:
        reasons = (describe_few_launches(plan, launches), *both.reasons)
        return Comparison(estimate, ratio, "inconclusive", reasons, both.standing)
    return replace(conclude(ratio, launches, both.reasons), standing=both.standing)


def describe_few_launches(plan: BenchPlan, launches: int) -> str:
    """The reason that is given where launches are too few for a verdict."""
    if plan.mode == "sustained":
        return "a sustained run has one launch a file: look at the curves"
    return f"few launches: {launches}, at least {MIN_LAUNCHES} are needed"


def conclude(ratio: Interval, launches: int, disturbances: tuple[str, ...]) -> Comparison:
    """The verdict on a ratio of latencies with its interval, of so many launches a side.

    "no difference" only where the whole interval lies within ``EQUIVALENCE_MARGIN`` of 1; a disturbed measurement
    must be far from 1 for a verdict.
    """
    apart = ratio.high < 1 or ratio.low > 1
    far = ratio.high < 1 / (1 + DISTURBED_MARGIN) or ratio.low > 1 + DISTURBED_MARGIN
    if disturbances and not far:
        return Comparison(ratio.value, ratio, "inconclusive", disturbances)
    if apart:
        return Comparison(ratio.value, ratio, "faster" if ratio.high < 1 else "slower", disturbances)
    margin = 1 + EQUIVALENCE_MARGIN
    if 1 / margin < ratio.low and ratio.high < margin:
        return Comparison(ratio.value, ratio, "no difference", disturbances)
    needed = launches_needed(ratio, launches)
    enough = f"more than {MOST_LAUNCHES}" if needed >= MOST_LAUNCHES else f"about {needed}"
    wide = (
        f"the interval {ratio.low:.3f}-{ratio.high:.3f} holds 1 and is not within {1 / margin:.3f}-{margin:.3f}: "
        f"{launches} launches are too few to tell, {enough} might do"
    )
    return Comparison(ratio.value, ratio, "inconclusive", (wide,))


def compare_counts(ratio: Interval | None) -> Comparison:
    """The verdict on a ratio of executed instructions: counts repeat within ``COUNT_TOLERANCE``."""
    if ratio is None:
        return Comparison(None, None, "inconclusive", ("nothing was counted",))
    if ratio.low <= 1 <= ratio.high or abs(ratio.value - 1) <= COUNT_TOLERANCE:
        return Comparison(ratio.value, ratio, "no difference")
    return Comparison(ratio.value, ratio, "fewer instructions" if ratio.value < 1 else "more instructions")
