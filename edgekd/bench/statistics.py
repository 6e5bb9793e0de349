"""From raw timings to what may be said of them: quantiles, ratios with intervals, instability, a verdict."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgekd.bench.result import BenchResult, Launch, Measurement
from edgekd.metrics import Interval

Verdict = Literal["baseline", "faster", "slower", "no difference", "inconclusive"]

P90_MIN_SAMPLES = 64
P99_MIN_SAMPLES = 662
MIN_LAUNCHES = 7
MIN_ROUNDS_FOR_INTERVAL = 5
RESAMPLES = 4000

# An interval this narrow (half-width over the ratio) that holds 1 says "no difference"; a wider one says nothing.
NO_DIFFERENCE_HALF_WIDTH = 0.05
# A measurement that was disturbed is believed only where its interval stays this far from 1.
DISTURBED_MARGIN = 0.10
DRIFT_LIMIT = 0.10
SPREAD_LIMIT = 0.10
STEAL_LIMIT = 0.02
OTHER_LOAD_LIMIT = 0.10
TEMPERATURE_RISE_LIMIT_C = 15.0


@dataclass(frozen=True)
class Summary:
    """One file's latency. p90 and p99 are None below the samples that they need; memory is the process's peak."""

    launches: int
    samples: int
    p50_ms: float
    p90_ms: float | None
    p99_ms: float | None
    load_ms: float
    first_ms: float
    peak_memory_bytes: int | None


@dataclass(frozen=True)
class Comparison:
    """A file against the baseline: what is concluded, and why not more.

    ``estimate`` is the ratio of latencies (under 1 is faster); ``ratio`` the same with its interval, None where there
    are too few launches for one.
    """

    estimate: float | None
    ratio: Interval | None
    verdict: Verdict
    reasons: tuple[str, ...] = ()

    @property
    def speedup(self) -> Interval | None:
        """The ratio upside down: how many times faster."""
        return None if self.ratio is None else Interval(1 / self.ratio.value, 1 / self.ratio.high, 1 / self.ratio.low)


def summarize(measurement: Measurement) -> Summary | None:
    """p50 is the median over launches of each launch's median; the tails are of all timings together."""
    if not measurement.launches:
        return None
    pooled = np.sort(np.concatenate([_ms(launch) for launch in measurement.launches]))
    memory = [launch.peak_memory_bytes for launch in measurement.launches if launch.peak_memory_bytes is not None]
    return Summary(
        launches=len(measurement.launches),
        samples=len(pooled),
        p50_ms=float(np.median(launch_medians_ms(measurement))),
        p90_ms=float(np.quantile(pooled, 0.90)) if len(pooled) >= P90_MIN_SAMPLES else None,
        p99_ms=float(np.quantile(pooled, 0.99)) if len(pooled) >= P99_MIN_SAMPLES else None,
        load_ms=float(np.median([launch.load_ms for launch in measurement.launches])),
        first_ms=float(np.median([launch.first_ms for launch in measurement.launches])),
        peak_memory_bytes=int(np.median(memory)) if memory else None,
    )


def launch_medians_ms(measurement: Measurement) -> NDArray[np.float64]:
    """Each launch's median latency, in order."""
    return np.array([float(np.median(_ms(launch))) for launch in measurement.launches])


def latency_ratio(
    measurement: Measurement, baseline: Measurement, seed: int = 0, resamples: int = RESAMPLES
) -> Interval | None:
    """Median over launches of launch medians, over that of the baseline, with a 95 % bootstrap interval.

    Rounds are resampled whole, so that what disturbed both sides of one cancels. Timings within a launch are not
    resampled again: launches already differ by that noise, and counting it twice makes intervals cover 99 to 100 %
    at up to twice the width. The percentiles are widened by sqrt(n/(n-1)) for few launches. None below
    ``MIN_ROUNDS_FOR_INTERVAL`` rounds that have both: 3 rounds would cover 75 %, 4 would cover 87 %.
    Source: Hesterberg, What Teachers Should Know About the Bootstrap (2015), on narrowness bias.
    """
    above, below = _paired_medians(measurement, baseline)
    if len(above) < MIN_ROUNDS_FOR_INTERVAL:
        return None
    estimate = float(np.median(above) / np.median(below))
    rounds = np.random.default_rng(seed).integers(len(above), size=(resamples, len(above)))
    ratios = np.median(above[rounds], axis=1) / np.median(below[rounds], axis=1)
    tail = NormalDist().cdf(NormalDist().inv_cdf(0.025) * math.sqrt(len(above) / (len(above) - 1)))
    low, high = np.quantile(ratios, [tail, 1 - tail])
    return Interval(estimate, min(float(low), estimate), max(float(high), estimate))


def compare(result: BenchResult, name: str) -> Comparison:
    """What may be concluded of ``name`` against the result's baseline. Raises: EdgekdError for a name not measured."""
    if name == result.baseline:
        return Comparison(1.0, Interval(1.0, 1.0, 1.0), "baseline")
    measurement, baseline = result.measurement(name), result.measurement(result.baseline)
    above, below = _paired_medians(measurement, baseline)
    if not len(above):
        return Comparison(None, None, "inconclusive", ("no round has both this file and the baseline",))
    estimate, ratio = float(np.median(above) / np.median(below)), latency_ratio(measurement, baseline, result.plan.seed)
    disturbances = (*instability(measurement), *instability(baseline), *disturbances_of(result))
    if ratio is None or len(above) < MIN_LAUNCHES:
        few = f"few launches: {len(above)}, at least {MIN_LAUNCHES} are needed"
        return Comparison(estimate, ratio, "inconclusive", (few, *disturbances))
    return _conclude(ratio, disturbances)


def instability(measurement: Measurement) -> tuple[str, ...]:
    """What a file's own launches say against trusting them: drift, spread, a warm-up that never settled."""
    if len(measurement.launches) < 3:
        return ()
    medians = launch_medians_ms(measurement)
    third = max(1, len(medians) // 3)
    drift = float(np.median(medians[-third:]) / np.median(medians[:third])) - 1
    spread = float(np.median(np.abs(medians - np.median(medians))) / np.median(medians)) * 1.4826
    unsettled = sum(not launch.warmup_steady for launch in measurement.launches)
    said = []
    if abs(drift) > DRIFT_LIMIT:
        said.append(f"{measurement.name} drifted by {drift:+.0%} from the first launches to the last")
    if spread > SPREAD_LIMIT:
        said.append(f"{measurement.name}'s launches differ by {spread:.0%} (robust standard deviation)")
    if unsettled > len(medians) / 2:
        said.append(f"{measurement.name} was not steady after warm-up in {unsettled} of {len(medians)} launches")
    return tuple(said)


def disturbances_of(result: BenchResult) -> tuple[str, ...]:
    """What the device itself did meanwhile: the hypervisor's share, other programs' load, heat."""
    launches = [launch.cpu for one in result.measurements for launch in one.launches if "total_s" in launch.cpu]
    total = sum(cpu["total_s"] for cpu in launches)
    said = []
    if total > 0:
        steal = sum(cpu["steal_s"] for cpu in launches) / total
        others = sum(max(0.0, cpu["busy_s"] - cpu["own_s"]) for cpu in launches) / total
        if steal > STEAL_LIMIT:
            said.append(f"the hypervisor took {steal:.0%} of the CPU")
        if others > OTHER_LOAD_LIMIT:
            said.append(f"other programs took {others:.0%} of the CPU")
    before, after = result.facts_before.get("temperature_c"), result.facts_after.get("temperature_c")
    if before is not None and after is not None and after - before > TEMPERATURE_RISE_LIMIT_C:
        said.append(f"the device warmed from {before:.0f} to {after:.0f} °C")
    return tuple(said)


def _conclude(ratio: Interval, disturbances: tuple[str, ...]) -> Comparison:
    apart = ratio.high < 1 or ratio.low > 1
    far = ratio.high < 1 / (1 + DISTURBED_MARGIN) or ratio.low > 1 + DISTURBED_MARGIN
    if disturbances and not far:
        return Comparison(ratio.value, ratio, "inconclusive", disturbances)
    if apart:
        return Comparison(ratio.value, ratio, "faster" if ratio.high < 1 else "slower", disturbances)
    half_width = (ratio.high - ratio.low) / 2 / ratio.value
    if half_width <= NO_DIFFERENCE_HALF_WIDTH:
        return Comparison(ratio.value, ratio, "no difference", disturbances)
    wide = f"interval too wide: ±{half_width:.0%} around no difference; more launches would narrow it"
    return Comparison(ratio.value, ratio, "inconclusive", (wide,))


def _paired_medians(measurement: Measurement, baseline: Measurement) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Launch medians of both in the rounds that have both, in the same order."""
    other = dict(zip([launch.round for launch in baseline.launches], launch_medians_ms(baseline), strict=True))
    own = zip([launch.round for launch in measurement.launches], launch_medians_ms(measurement), strict=True)
    pairs = [(value, other[round_]) for round_, value in own if round_ in other]
    return np.array([pair[0] for pair in pairs]), np.array([pair[1] for pair in pairs])


def _ms(launch: Launch) -> NDArray[np.float64]:
    return np.asarray(launch.timings_ns, dtype=np.float64) / 1e6
