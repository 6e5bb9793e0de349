from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from test_statistics import constant, launch, measured, result

from edgekd.bench import BenchPlan, compare, summarize
from edgekd.bench.phone_state import describe_cores
from edgekd.bench.records import TimingSummary
from edgekd.bench.result import BenchResult
from edgekd.bench.validity import disturbances_of, sustained_findings, validity
from edgekd.metrics import Interval


def standing(made: BenchResult) -> tuple[str, tuple[str, ...]]:
    found = validity(made, made.measurements[0])
    return found.standing, found.reasons


def facts(made: BenchResult, before: dict[str, Any], after: dict[str, Any]) -> BenchResult:
    return replace(made, facts_before=before, facts_after=after)


def test_a_quiet_run_is_valid() -> None:
    assert standing(result(constant("a", *[1.0] * 7))) == ("valid", ())


def test_drift_is_semi_valid_and_much_of_it_invalid() -> None:
    assert standing(result(constant("a", 1, 1, 1.1, 1.1, 1.1, 1.2, 1.2)))[0] == "semi-valid"
    told = standing(result(constant("a", 1, 1, 1.2, 1.3, 1.3, 1.5, 1.5)))
    assert told == ("invalid", ("a drifted by +50% from the first launches to the last",))


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"throttled_now": True, "throttling": ["under-voltage"]}, {}, "invalid"),
        ({}, {"throttled_now": True}, "invalid"),
        ({"throttled_since_boot": False}, {"throttled_since_boot": True}, "invalid"),
        ({"throttled_since_boot": True}, {"throttled_since_boot": True}, "semi-valid"),
        ({"throttled_now": False, "throttled_since_boot": False}, {"throttled_since_boot": False}, "valid"),
        ({"temperature_c": 40.0}, {"temperature_c": 60.0}, "semi-valid"),
    ],
)
def test_throttling_and_heat(before: dict[str, Any], after: dict[str, Any], expected: str) -> None:
    found = standing(facts(result(constant("a", *[1.0] * 7)), before, after))
    assert found[0] == expected
    assert bool(found[1]) == (expected != "valid")


def test_an_invalid_measurement_also_names_what_alone_would_only_raise_doubts() -> None:
    before = {"throttled_since_boot": True, "temperature_c": 40.0, "power_save": True}
    found = standing(
        facts(result(constant("a", 1, 1, 1.2, 1.3, 1.3, 1.5, 1.5)), before, {**before, "temperature_c": 60.0})
    )
    assert found == (
        "invalid",
        (
            "a drifted by +50% from the first launches to the last",
            "battery saver was on, which caps the clocks: turn it off",
            "the device warmed from 40 to 60 °C",
            "the device has throttled since it was started",
        ),
    )


@pytest.mark.parametrize(
    ("before", "app", "expected", "reason"),
    [
        ({"power_save": False, "battery_percent": 87}, {"battery_percent": 80, "cpuset": "/top-app"}, "valid", ""),
        ({"power_save": True}, {}, "invalid", "battery saver was on, which caps the clocks: turn it off"),
        ({"power_save": False}, {"power_save": True}, "invalid", "battery saver was on"),
        ({"battery_percent": 16}, {"battery_percent": 15}, "semi-valid", "the battery was at 15 %"),
        ({"battery_percent": 6}, {"battery_percent": 5}, "invalid", "the battery was at 5 %"),
        ({}, {"cpuset": "/background"}, "invalid", "the app was in the background in 1 of 7 launches of a"),
        # An app may say anything.
        ({"battery_percent": None, "power_save": "no"}, {"battery_percent": "low"}, "valid", ""),
    ],
)  # fmt: skip
def test_what_a_phone_itself_says(before: dict[str, Any], app: dict[str, Any], expected: str, reason: str) -> None:
    made = result(constant("a", *[1.0] * 7))
    one = made.measurements[0]
    launches = (*one.launches[:-1], replace(one.launches[-1], device={"before": {}, "after": app}))
    made = facts(replace(made, measurements=(replace(one, launches=launches),)), before, {})
    found = standing(made)
    assert found[0] == expected and (found[1][0].startswith(reason) if reason else not found[1]), found


def test_the_cores_that_ran_have_their_names() -> None:
    made = result(constant("a", *[1.0] * 3))
    one = made.measurements[0]
    seen = [{"7": 6, "4": 1}, {"7": 3}, {"x": 5, "9": -1, "3": True, "8": 10}]
    launches = (
        replace(each, device={"before": {}, "after": {"cpus": cpus}})
        for each, cpus in zip(one.launches, seen, strict=True)
    )
    told = replace(made, measurements=(replace(one, launches=tuple(launches)),))
    told = facts(told, {"core_models": {"7": "Cortex-X3", "4": "Cortex-A715"}}, {})
    assert describe_cores(told) == "CPU 8 (50%), Cortex-X3 (45%), Cortex-A715 (5%)"
    assert describe_cores(made) is None


def test_an_invalid_measurement_has_no_verdict_however_far_apart() -> None:
    made = facts(result(constant("a", *[9.0] * 7), constant("b", *[1.0] * 7)), {"throttled_now": True}, {})
    found = compare(made, "b")
    assert (found.verdict, found.reasons) == ("inconclusive", ("the device throttles (no reason given)",))
    assert found.ratio is not None and found.ratio.value == pytest.approx(1 / 9)


def test_a_model_that_does_not_keep_the_pace() -> None:
    late = [replace(launch(k, [1.0] * 10), late_n=k % 2) for k in range(7)]
    told = standing(result(measured("a", *late)))
    assert told == ("valid", ())
    later = [replace(launch(k, [1.0] * 10), late_n=2) for k in range(7)]
    assert standing(result(measured("a", *later)))[1] == ("a started 14 of 70 frames late: it does not keep the pace",)


def test_instructions_are_never_shown_as_time() -> None:
    counted = [
        measured(name, *(replace(launch(k, [1.0, 9.0]), instructions=(n + k, n + k)) for k in range(2)))
        for name, n in (("a", 2_000_000), ("b", 1_000_000), ("c", 2_000_001))
    ]
    made = result(*counted)
    assert made.unit == "instructions"
    summary = summarize(counted[1])
    assert summary is not None
    assert (summary.instructions, summary.p50_ms, summary.first_ms, summary.load_ms) == (1_000_000, None, None, None)
    found = compare(made, "b")
    assert found.verdict == "fewer instructions"
    assert found.ratio == Interval(1_000_000.5 / 2_000_000.5, 1_000_000 / 2_000_001, 1_000_001 / 2_000_000)
    assert compare(made, "c").verdict == "no difference"


def test_a_mere_summary_is_called_one() -> None:
    told = replace(launch(0, []), summary=TimingSummary(count=50, avg_us=1500.0))
    summary = summarize(measured("a", told))
    assert summary is not None
    assert (summary.p50_ms, summary.central, summary.samples, summary.p90_ms) == (1.5, "mean", 0, None)


@pytest.mark.parametrize(
    ("cores", "others_s", "flagged"), [(4, 0.05, False), (4, 0.13, True), (4, 1.0, True), (64, 1.0, True)]
)
def test_other_programs_are_held_against_one_core_of_however_many(cores: int, others_s: float, flagged: bool) -> None:
    cpu = {"own_s": 1.0, "wall_s": 1.0, "busy_s": 1.0 + others_s, "steal_s": 0.0, "total_s": float(cores)}
    made = result(measured("a", *(launch(k, [1.0], cpu=cpu) for k in range(7))))
    assert disturbances_of(made) == ((f"other programs took {others_s:.0%} of one core",) if flagged else ())


def test_the_kernels_coarse_clock_alone_is_no_other_program() -> None:
    cpu = {"own_s": 0.02, "wall_s": 0.02, "busy_s": 0.03, "steal_s": 0.0, "total_s": 0.08}
    assert disturbances_of(result(measured("a", launch(0, [1.0], cpu=cpu)))) == ()


def test_throttling_between_the_rounds_is_seen_though_start_and_end_are_cool() -> None:
    cool = {"throttled_now": False, "throttled_since_boot": True}
    made = facts(result(constant("a", *[1.0] * 7)), cool, cool)
    hot = {"round": 3, "throttled_now": True, "throttling": ["frequency capped"]}
    made = replace(made, polled=({"round": 2, **cool}, hot, {"round": 4, **cool}))
    assert standing(made) == ("invalid", ("the device throttled after round 4 (frequency capped)",))


def sustained(*medians_ms: float, **changed: Any) -> BenchResult:
    curve = tuple((k + 1.0, 100, round(value * 1e6), round(value * 1.1e6)) for k, value in enumerate(medians_ms))
    one = measured("a", replace(launch(0, [medians_ms[0]]), curve=curve))
    return replace(result(one), plan=BenchPlan(mode="sustained", launches=1), **changed)


def test_a_sustained_run_that_gets_hot_and_slow_is_valid_and_says_how_slow() -> None:
    made = sustained(
        *[1.0] * 10, *[1.5] * 10,
        facts_before={"temperature_c": 40.0, "throttled_now": False},
        facts_after={"temperature_c": 85.0, "throttled_now": True, "throttling": ["thermal status severe"]},
    )  # fmt: skip
    assert standing(made) == ("valid", ())
    assert sustained_findings(made, made.measurements[0]) == (
        "a: 1 ms at the start, 1.5 ms after 20 s (+50%); the device throttled (thermal status severe)",
    )


def test_a_sustained_run_needs_a_cold_start_and_a_curve() -> None:
    assert standing(sustained(*[1.0] * 10, facts_before={"throttled_now": True}))[1] == (
        "the device throttled before it began (no reason given)",
    )
    assert standing(sustained(1.0, 1.0))[1] == ("a's curve is shorter than 10 s: run it longer (--seconds)",)
    first = sustained(*[1.0] * 10, facts_before={"temperature_c": 40.0})
    second = replace(first.measurements[0], name="b")
    made = replace(
        first, measurements=(*first.measurements, second), order=(("a", "b"),), polled=({"temperature_c": 70.0},)
    )
    assert validity(made, first.measurements[0]).reasons == ()
    assert validity(made, second).reasons == ("b began at 70 °C, the first file at 40: let the device cool",)


def test_a_paced_run_is_judged_by_its_late_frames_and_not_by_its_warm_up() -> None:
    def paced(late_n: int) -> BenchResult:
        launches = [replace(launch(k, [1.0] * 10, steady=False), late_n=late_n) for k in range(7)]
        return replace(result(measured("a", *launches)), plan=BenchPlan(mode="paced"))

    assert standing(paced(0)) == ("valid", ())
    assert standing(paced(2))[0] == "semi-valid"
    assert standing(paced(6))[0] == "invalid"


def test_pairs_on_two_sides_of_a_kill_are_doubted() -> None:
    base = constant("a", *[1.0] * 7)

    def other(split: int) -> BenchResult:
        launches = [replace(launch(k, [1.0]), session=int(k < split)) for k in range(7)]
        return result(base, measured("b", *launches))

    one, two = other(1), other(2)
    assert validity(one, one.measurements[1]).reasons == ()
    assert validity(two, two.measurements[1]).reasons == ("b was launched at another time than a in 2 rounds",)
