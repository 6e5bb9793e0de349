from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from edgekd.bench import BenchPlan, BenchResult, Launch, Measurement, compare, latency_ratio, summarize
from edgekd.bench.statistics import Comparison, conclude
from edgekd.bench.validity import disturbances_of, instability
from edgekd.errors import EdgekdError
from edgekd.metrics import Interval


def launch(
    round_: int, timings_ms: Sequence[float], steady: bool = True, cpu: Mapping[str, float] | None = None
) -> Launch:
    return Launch(
        round=round_,
        timings_ns=tuple(round(value * 1e6) for value in timings_ms),
        load_ms=10.0 + round_,
        first_ms=3.0,
        warmup_n=16,
        warmup_steady=steady,
        threads=1,
        runtime="r 1",
        import_ms=1.0,
        peak_memory_bytes=1000 + round_,
        memory_before_load_bytes=None,
        cpu=cpu or {},
        answers=None,
    )


def measured(name: str, *launches: Launch) -> Measurement:
    return Measurement(name, f"{name}.onnx", "onnx", "0" * 64, 1, (2, 2), 1, "0" * 64, 1, launches=launches)


def constant(name: str, *medians_ms: float) -> Measurement:
    return measured(name, *(launch(k, [value]) for k, value in enumerate(medians_ms)))


def result(*measurements: Measurement, before: float | None = None, after: float | None = None) -> BenchResult:
    facts = {"temperature_c": before}, {"temperature_c": after}
    return BenchResult("host", measurements[0].name, BenchPlan(), (), *facts, measurements)


def test_summary_by_hand() -> None:
    # Launch medians 2, 5 and 3 ms: p50 is 3 and not the pooled median.
    summary = summarize(measured("a", launch(0, [1, 2, 9]), launch(1, [5, 5, 5, 5]), launch(2, [3])))
    assert summary is not None
    assert (summary.p50_ms, summary.samples, summary.launches) == (3.0, 8, 3)
    assert (summary.load_ms, summary.first_ms, summary.peak_memory_bytes) == (11.0, 3.0, 1001)
    assert summary.p90_ms is None and summary.p99_ms is None
    assert summarize(measured("a")) is None


def test_tails_need_their_samples() -> None:
    def tails(count: int) -> tuple[float | None, float | None]:
        summary = summarize(measured("a", launch(0, [k + 1 for k in range(count)])))
        assert summary is not None
        return summary.p90_ms, summary.p99_ms

    assert tails(63) == (None, None)
    assert tails(64) == (pytest.approx(57.7), None)  # 1 + 0.9 * 63
    assert tails(661)[1] is None
    assert tails(662)[1] == pytest.approx(655.39)  # 1 + 0.99 * 661


def test_ratio_of_constant_launches_is_exact() -> None:
    ratio = latency_ratio(constant("a", *[2.0] * 7), constant("b", *[8.0] * 7))
    assert ratio == Interval(0.25, 0.25, 0.25)
    assert Comparison(0.25, ratio, "faster").speedup == Interval(4.0, 4.0, 4.0)


def test_noise_common_to_a_round_cancels() -> None:
    slow = [1.0, 1.5, 0.7, 1.1, 2.0, 0.9, 1.3]
    ratio = latency_ratio(constant("a", *slow), constant("b", *[4 * value for value in slow]))
    assert ratio == Interval(0.25, 0.25, 0.25)


def test_only_rounds_with_both_count() -> None:
    some = measured("a", *(launch(k, [1.0 if k < 6 else 99.0]) for k in range(9)))
    other = measured("b", *(launch(k, [2.0]) for k in range(6)))
    assert latency_ratio(some, other) == Interval(0.5, 0.5, 0.5)


def test_no_interval_from_fewer_than_five_rounds() -> None:
    four = result(constant("b", *[2.0] * 4), constant("a", *[1.0] * 4))
    comparison = compare(four, "a")
    assert (comparison.estimate, comparison.ratio, comparison.verdict) == (0.5, None, "inconclusive")
    assert comparison.reasons == ("few launches: 4, at least 7 are needed",)


BUSY = {"own_s": 1.0, "wall_s": 1.0, "busy_s": 1.5, "steal_s": 0.0, "total_s": 2.0}
CALM = {**BUSY, "busy_s": 1.05}
STOLEN = {**CALM, "steal_s": 0.2}


def steady(name: str, latency_ms: float, cpu: Mapping[str, float], jitter: float = 0.01) -> Measurement:
    wobble = [0, 1, -1, 0.5, -0.5, 1, -1]
    return measured(name, *(launch(k, [latency_ms * (1 + jitter * w)], cpu=cpu) for k, w in enumerate(wobble)))


@pytest.mark.parametrize(
    ("latency_ms", "cpu", "verdict", "reason"),
    [
        (0.5, CALM, "faster", None),
        (2.0, CALM, "slower", None),
        (0.95, CALM, "faster", None),
        # Disturbed: a small difference is not believed, a big one is, with the disturbance said.
        (0.95, BUSY, "inconclusive", "other programs took 50% of one core"),
        (0.5, BUSY, "faster", "other programs took 50% of one core"),
        (0.95, STOLEN, "inconclusive", "the hypervisor took 10% of the CPU"),
    ],
)
def test_verdicts(latency_ms: float, cpu: Mapping[str, float], verdict: str, reason: str | None) -> None:
    comparison = compare(result(steady("b", 1.0, cpu), steady("a", latency_ms, cpu)), "a")
    assert comparison.verdict == verdict
    assert comparison.reasons == (() if reason is None else (reason,))


def test_no_difference_and_too_wide() -> None:
    baseline = steady("b", 1.0, CALM)
    same = measured("a", *(launch(k, [v]) for k, v in enumerate([1.01, 1.0, 0.99, 1.0, 1.01, 0.99, 1.0])))
    assert compare(result(baseline, same), "a").verdict == "no difference"
    wild = measured("a", *(launch(k, [v]) for k, v in enumerate([1.0, 1.065, 0.935, 1.0, 1.065, 0.935, 1.0])))
    comparison = compare(result(baseline, wild), "a")
    assert comparison.verdict == "inconclusive"
    assert "holds 1 and is not within 0.952-1.050: 7 launches are too few to tell, about " in comparison.reasons[0]


def test_an_interval_that_leaves_the_margin_on_one_side_is_no_equality() -> None:
    ratio = Interval(1.03, 0.995, 1.066)
    assert conclude(ratio, 7, ()).verdict == "inconclusive"
    assert conclude(Interval(1.01, 0.99, 1.049), 7, ()).verdict == "no difference"
    assert conclude(Interval(1.02, 1.01, 1.03), 7, ()).verdict == "slower"


def test_the_baseline_against_itself() -> None:
    own = compare(result(constant("b", 1.0)), "b")
    assert (own.verdict, own.ratio) == ("baseline", Interval(1.0, 1.0, 1.0))
    with pytest.raises(EdgekdError, match=r"nothing named 'x' was measured \(measured: b\)"):
        compare(result(constant("b", 1.0)), "x")


def test_instability_is_said_aloud() -> None:
    assert instability(constant("a", 1, 1.02, 1, 0.99, 1, 1, 1)) == ()
    assert instability(constant("a", 1, 1, 1.05, 1.05, 1.05, 1.15, 1.15)) == (
        "a drifted by +15% from the first launches to the last",
    )
    # Median 1, median deviation 0.2, so a robust standard deviation of 0.2965; the ends have the same median.
    assert instability(constant("a", 1, 1, 1.2, 0.8, 0.8, 1.2, 1.2, 0.8, 1)) == (
        "a's launches differ by 30% (robust standard deviation)",
    )
    unsteady = measured("a", *(launch(k, [1.0], steady=k < 2) for k in range(5)))
    assert instability(unsteady) == ("a was not steady after warm-up in 3 of 5 launches",)


def test_heat_is_said_aloud() -> None:
    assert disturbances_of(result(constant("b", 1.0), before=45, after=59)) == ()
    assert disturbances_of(result(constant("b", 1.0), before=45, after=70)) == ("the device warmed from 45 to 70 °C",)
