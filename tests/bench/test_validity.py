from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from test_statistics import constant, launch, measured, result

from edgekd.bench import compare, summarize
from edgekd.bench.result import BenchResult, TimingSummary
from edgekd.bench.validity import validity
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
