"""Other programs on the machine must not move a ratio unnoticed: simulated, for inferences of 40 µs to 40 ms."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import combinations
from typing import get_args

import numpy as np
import pytest
from scheduler import QUIET, Knowledge, Load, bursts, busy_loops, launch
from test_statistics import measured, result

from edgekd.bench import BenchPlan, Comparison, Launch, Measurement, compare
from edgekd.bench.agents.device_agent import is_switched_out
from edgekd.bench.cpu_share import cpu_share
from edgekd.bench.ratio import paired_ratio
from edgekd.bench.samples import values_of
from edgekd.bench.validity import validity

LATENCIES_MS = (0.04, 0.2, 1.0, 4.0, 12.0, 40.0)
PAIRS = tuple(combinations(LATENCIES_MS, 2))
BUSY = tuple(busy_loops(count) for count in (2, 4, 6))
BURSTS = tuple(bursts(*times) for times in ((0.1, 20), (0.3, 20), (3, 100), (3, 30), (3, 15), (5, 20), (30, 150)))
LOADS = (*BUSY, *BURSTS)
ALL = tuple(range(7))
MOST = 0.03


@cache
def measurement(
    latency_ms: float, load: Load, knowledge: Knowledge = "clock", loaded: tuple[int, ...] = ALL
) -> Measurement:
    """Seven launches, those of the rounds ``loaded`` under ``load``."""
    launches = (launch(latency_ms, load if k in loaded else QUIET, k, knowledge) for k in ALL)
    return measured(f"{latency_ms:g} ms", *launches)


def comparison(
    pair: tuple[float, float], load: Load, knowledge: Knowledge = "clock", loaded: tuple[int, ...] = ALL
) -> Comparison:
    """The faster of the pair against the slower, as ``bench`` would conclude."""
    student, teacher = (measurement(latency_ms, load, knowledge, loaded) for latency_ms in pair)
    return compare(result(teacher, student), student.name)


def shift(found: Comparison, pair: tuple[float, float]) -> float:
    """How much the ratio is off."""
    assert found.estimate is not None
    return found.estimate / (pair[0] / pair[1]) - 1


CASES = [
    *((load, knowledge, ALL) for knowledge in get_args(Knowledge) for load in LOADS),
    *((load, "clock", loaded) for load in BUSY for loaded in ((3,), (0, 1), (2, 4), (1, 3, 4, 6))),
]


@pytest.mark.parametrize(
    ("load", "knowledge", "loaded"), CASES, ids=[f"{load.name}, {how}, {rounds}" for load, how, rounds in CASES]
)
def test_load_does_not_move_a_ratio_that_is_not_called_invalid(
    load: Load, knowledge: Knowledge, loaded: tuple[int, ...]
) -> None:
    moved = {}
    for pair in PAIRS:
        found = comparison(pair, load, knowledge, loaded)
        if found.standing != "invalid" and abs(shift(found, pair)) > MOST:
            moved[pair] = (shift(found, pair), found.standing)
    assert moved == {}


@pytest.mark.parametrize("knowledge", get_args(Knowledge))
def test_a_quiet_machine_is_valid_for_every_pair(knowledge: Knowledge) -> None:
    for pair in PAIRS:
        found = comparison(pair, QUIET, knowledge)
        assert (found.standing, found.verdict, found.reasons) == ("valid", "faster", ())
        assert abs(shift(found, pair)) < 0.01


@pytest.mark.parametrize("load", BUSY, ids=lambda load: load.name)
def test_busy_loops_make_every_pair_invalid_and_say_why(load: Load) -> None:
    for pair in PAIRS:
        found = comparison(pair, load)
        assert (found.standing, found.verdict) == ("invalid", "inconclusive")
        assert "other programs took the CPU from" in found.reasons[0]


def test_one_disturbed_launch_of_seven_is_named_and_two_are_too_many() -> None:
    pair = (0.2, 4.0)
    one, two = (comparison(pair, BUSY[2], "clock", loaded) for loaded in ((3,), (2, 4)))
    assert (one.standing, two.standing) == ("semi-valid", "invalid")
    assert one.verdict == "faster" and "in 1 of 7 launches, which ran 2" in one.reasons[0]


def test_a_program_that_runs_now_and_then_is_left_out_of_short_inferences() -> None:
    for pair in ((0.04, 0.2), (0.04, 1.0), (0.2, 1.0), (1.0, 4.0)):
        found = comparison(pair, bursts(3, 30))
        assert (found.standing, found.verdict) == ("valid", "faster")
        assert abs(shift(found, pair)) < 0.02
    # 40 ms always meet it: nothing would remain.
    assert comparison((1.0, 40.0), bursts(3, 30)).standing == "invalid"


@pytest.mark.parametrize(
    ("load", "expected"), list(zip(BUSY, (-0.34, -0.60, -0.71), strict=True)), ids=[load.name for load in BUSY]
)
def test_medians_of_all_inferences_flatter_the_student(load: Load, expected: float) -> None:
    """The statistic that was replaced, on the same launches: a tight interval around a ratio that is far too small."""
    student, teacher = (measurement(latency_ms, load) for latency_ms in (0.2, 40.0))
    medians = [np.array([np.median(values_of(each)) for each in side.launches]) for side in (student, teacher)]
    ratio = paired_ratio(*medians)
    assert ratio is not None and (ratio.high - ratio.low) / ratio.value < 0.06
    assert ratio.value / (0.2 / 40.0) - 1 == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize(
    ("timing_us", "used_us", "switches", "expected"),
    [
        # Used is read around what is timed: it is a little more.
        (40, 42, 0, False),
        (40, 42, 1, True),
        (3000, 202, 1, True),
        # Where the kernel counts no switches, the clock tells.
        (3000, 202, 0, True),
        # A kernel thread of 0.1 ms within 40 ms counts for nothing, 3 ms do.
        (40_100, 40_002, 1, False),
        (43_000, 40_002, 1, True),
        (40_000, None, 0, False),
        (40_000, None, 2, True),
    ],
)
def test_which_inferences_lost_the_cpu(timing_us: int, used_us: int | None, switches: int, expected: bool) -> None:
    used_ns = None if used_us is None else used_us * 1000
    assert is_switched_out(timing_us * 1000, used_ns, switches) is expected


def shared(delegate: str = "xnnpack", **cpu: float) -> Launch:
    return replace(launch(1.0, QUIET, 0, "totals"), cpu=cpu, delegate=delegate)


def test_the_share_of_the_cpu() -> None:
    assert cpu_share(shared(own_s=0.5, wall_s=1.0, wait_s=0.1), "back-to-back") == 0.9
    assert cpu_share(shared(own_s=0.5, wall_s=1.0), "sustained") == pytest.approx(0.5, abs=0.01)
    # Two threads that both wait for more than the whole time.
    assert cpu_share(shared(own_s=0.5, wall_s=1.0, wait_s=1.4), "back-to-back") == 0.0
    # It sleeps between frames, computes on another processor, or tells nothing.
    assert cpu_share(shared(own_s=0.1, wall_s=1.0), "paced") is None
    assert cpu_share(shared("gpu", own_s=0.1, wall_s=1.0), "back-to-back") is None
    assert cpu_share(shared(), "back-to-back") is None


def test_frames_of_a_paced_run_that_mostly_lost_the_cpu_make_it_invalid() -> None:
    def paced(lost: int) -> str:
        each = replace(launch(1.0, QUIET, 0), switched_out=tuple(range(lost)), late_n=0)
        made = replace(result(measured("a", *(replace(each, round=k) for k in ALL))), plan=BenchPlan(mode="paced"))
        return validity(made, made.measurements[0]).standing

    count = len(launch(1.0, QUIET, 0).timings_ns)
    assert (paced(0), paced(count // 3), paced(2 * count // 3)) == ("valid", "valid", "invalid")


def test_a_hypervisor_that_takes_much_makes_a_measurement_invalid() -> None:
    def stolen(steal_s: float) -> str:
        cpu = {"own_s": 1.0, "wall_s": 1.0, "wait_s": 0.0, "busy_s": 1.0, "steal_s": steal_s, "total_s": 2.0}
        made = result(measured("a", *(replace(launch(1.0, QUIET, k), cpu=cpu) for k in ALL)))
        return validity(made, made.measurements[0]).standing

    assert (stolen(0.02), stolen(0.1), stolen(0.3)) == ("valid", "semi-valid", "invalid")
