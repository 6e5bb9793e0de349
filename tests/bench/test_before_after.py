from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_statistics import constant, launch, measured, result

from edgekd.bench import BenchPlan
from edgekd.bench.before_after import changes
from edgekd.bench.records import Measurement
from edgekd.bench.result import BenchResult
from edgekd.cli import commands
from edgekd.errors import UsageError


def noisy(name: str, median_ms: float, seed: int, sha: str = "0") -> Measurement:
    values = median_ms * np.exp(np.random.default_rng(seed).normal(0, 0.01, 9))
    return replace(constant(name, *values), sha256=sha * 64)


def test_a_machine_twice_as_slow_is_no_change_of_the_file() -> None:
    before = result(noisy("teacher", 8.0, 1), noisy("student", 1.0, 2))
    after = result(noisy("teacher", 16.0, 3), noisy("student", 2.0, 4))
    base, student = changes(before, after)
    assert (base.by_baseline, base.comparison.verdict) == (False, "slower")
    assert (student.by_baseline, student.same_file, student.comparison.verdict) == (True, True, "no difference")
    assert student.comparison.ratio is not None and student.comparison.ratio.value == pytest.approx(1.0, abs=0.02)


def test_a_file_that_got_slower_is_told_from_noise() -> None:
    before = result(noisy("teacher", 8.0, 1), noisy("student", 1.0, 2))
    after = result(noisy("teacher", 8.0, 3), noisy("student", 1.2, 4, sha="1"))
    _, student = changes(before, after)
    assert (student.same_file, student.comparison.verdict) == (False, "slower")
    assert student.comparison.ratio is not None
    assert student.comparison.ratio.low < 1.2 < student.comparison.ratio.high


def test_another_baseline_cancels_nothing() -> None:
    before = result(noisy("teacher", 8.0, 1), noisy("student", 1.0, 2))
    after = result(noisy("teacher", 4.0, 3, sha="1"), noisy("student", 1.0, 4))
    assert [change.by_baseline for change in changes(before, after)] == [False, False]


def test_few_launches_and_throttling_say_nothing() -> None:
    few = result(constant("a", 1.0, 1.0)), result(constant("a", 2.0, 2.0))
    assert changes(*few)[0].comparison.verdict == "inconclusive"
    hot = replace(result(noisy("a", 9.0, 1)), facts_after={"throttled_now": True})
    found = changes(result(noisy("a", 1.0, 2)), hot)[0].comparison
    assert (found.verdict, found.reasons) == ("inconclusive", ("the device throttles (no reason given)",))


def test_instructions_need_no_statistics() -> None:
    def counted(n: int) -> BenchResult:
        return result(measured("a", replace(launch(0, [1.0]), instructions=(n,))))

    assert changes(counted(1_000_000), counted(1_000_900))[0].comparison.verdict == "no difference"
    found = changes(counted(1_000_000), counted(1_020_000))[0].comparison
    assert (found.verdict, found.estimate) == ("more instructions", 1.02)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"facts_before": {"cpu_model": "Cortex-A72"}}, "cpu model is Cortex-A76 before and Cortex-A72 after"),
        ({"plan": BenchPlan(delegate="none")}, "delegate is xnnpack before and none after"),
        ({"agent": "android-app"}, "agent is python before and android-app after"),
        ({"measurements": (constant("b", 1.0),)}, "nothing was measured in both: a before, b after"),
        ({"measurements": (replace(constant("a", 1.0), threads=4),)}, "a: another number of threads"),
        ({"measurements": (replace(constant("a", 1.0), inputs_sha256="1" * 64),)}, "a: another set of photos"),
    ],
)
def test_what_cannot_be_compared_is_refused(change: dict[str, Any], told: str) -> None:
    before = replace(result(constant("a", 1.0)), facts_before={"cpu_model": "Cortex-A76"})
    with pytest.raises(UsageError, match=told):
        changes(before, replace(before, **change))


HOT = {"throttled_now": True}


@pytest.mark.parametrize(
    ("before", "after", "facts", "code", "message"),
    [
        ([1.0] * 7, [1.0] * 7, {}, 0, ""),
        ([1.0] * 7, [2.0] * 7, {}, 3, "slower than 1.5 times before: a"),
        # Twice as slow, or as fast, while the device throttled: that says nothing of the file.
        ([1.0] * 7, [2.0] * 7, HOT, 1, "--max-slowdown 1.5 cannot be decided.*a: the device throttles"),
        ([1.0] * 7, [1.0] * 7, HOT, 1, "--max-slowdown 1.5 cannot be decided.*a: the device throttles"),
        ([1.0] * 2, [2.0] * 2, {}, 1, "cannot be decided.*few launches: 2, at least 7 are needed"),
        ([1.0] * 5, [2.0] * 5, {}, 1, "cannot be decided.*few launches: 5"),
    ],
)
def test_a_slowdown_is_decided_by_valid_measurements_alone(
    before: list[float], after: list[float], facts: dict[str, Any], code: int, message: str, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    result(constant("a", *before)).save(tmp_path / "before.json")
    replace(result(constant("a", *after)), facts_after=facts).save(tmp_path / "after.json")
    files = [str(tmp_path / name) for name in ("before.json", "after.json")]
    assert commands._run(["compare", *files, "--max-slowdown", "1.5"]) == code
    assert re.search(message, capsys.readouterr().err, re.DOTALL)
    # Without a bound there is nothing to decide.
    assert commands._run(["compare", *files]) == 0
