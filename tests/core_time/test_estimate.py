from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from edgekd.bench import BenchPlan, BenchResult, Launch, Measurement
from edgekd.core_time.accuracy import RECORD
from edgekd.core_time.cores import CORES, Core
from edgekd.core_time.estimate import add_estimates, core_of, join_parts, require_tools
from edgekd.core_time.memory import count_transfers, join_cycles
from edgekd.core_time.trace import Misses, Part
from edgekd.devices import Completed
from edgekd.devices.fake import FakeDevice
from edgekd.errors import UsageError

NOTHING = Misses(0, 0, 0)
# 1000 MHz, memory of 4 GB/s: a cycle is a nanosecond, and a line of 64 bytes takes 16 of them.
CORE = replace(CORES["cortex-a72"], clock_mhz=1000, memory_gb_s=4.0, memory_latency_ns=100)
RESULTS = Path(__file__).parents[2] / "benchmarks/core_time/results/core_time.json"


def part(instructions: int, misses: tuple[Misses, ...] = (NOTHING, NOTHING, NOTHING), window: int = 100) -> Part:
    return Part(instructions, (bytes(4 * window),), misses)


@pytest.mark.parametrize(
    ("core", "misses", "busy", "waiting"),
    [
        (CORE, (NOTHING, NOTHING, NOTHING), 0, 0),
        # 16 bytes a cycle between the caches: four cycles a line.
        (CORE, (Misses(10, 0, 5), NOTHING, NOTHING), 60, 0),
        (CORE, (Misses(10, 0, 5), Misses(10, 0, 0), NOTHING), 160, 0),
        # An out-of-order core waits for memory alone, an in-order one also for its second cache (21 cycles).
        (CORE, (Misses(0, 3, 0), Misses(0, 3, 0), NOTHING), 48, 300),
        (replace(CORE, in_order=True), (Misses(0, 3, 0), NOTHING, NOTHING), 12, 63),
    ],
)
def test_transfers(core: Core, misses: tuple[Misses, ...], busy: float, waiting: float) -> None:
    transfers = count_transfers(core, misses)
    assert (transfers.busy, transfers.waiting) == (pytest.approx(busy), pytest.approx(waiting))
    assert join_cycles(100, transfers) == pytest.approx(max(100, busy) + waiting)


def test_parts_are_joined_by_their_instructions() -> None:
    # Half a cycle and two cycles an instruction, and the second part waits for memory once.
    parts = [part(1_000_000), part(500_000, (NOTHING, Misses(0, 1000, 0), NOTHING))]
    estimate = join_parts(CORE, parts, [50, 200], "19.1.7")
    assert estimate.executing_ms == pytest.approx(0.5 + 1.0)
    assert estimate.transfer_ms == pytest.approx(0.016 + 0.1)
    assert estimate.ms == pytest.approx(0.5 + 1.0 + 0.1)
    assert (estimate.instructions, estimate.board, estimate.clock_mhz) == (1_500_000, "Raspberry Pi 4", 1000)
    # Each thread executes and waits for its own share; the way to memory is one.
    assert join_parts(CORE, parts, [50, 200], "19.1.7", threads=4).ms == pytest.approx((1.5 + 0.1) / 4)
    busy = [part(1_000_000, (NOTHING, Misses(50_000, 0, 0), NOTHING))]
    assert join_parts(CORE, busy, [50], "19.1.7", threads=4).ms == pytest.approx(50_000 * 16 / 1e6)


def test_the_sampling_error_is_that_of_parts_that_differ() -> None:
    alike = join_parts(CORE, [part(1000)] * 8, [100] * 8, "19")
    assert alike.sampling_error == 0
    assert join_parts(CORE, [part(1000)] * 8, [90, 110] * 4, "19").sampling_error == pytest.approx(0.047, abs=0.001)


def test_only_an_emulated_core_is_estimated() -> None:
    assert core_of("emulated:cortex-a76").schedule == "neoverse-n1"
    with pytest.raises(UsageError, match=r"host: time is estimated for emulated:cortex-a53.*leave --estimate-time out"):
        require_tools(["host"])


def test_a_file_in_several_threads_or_with_an_estimate_is_left_as_it_is() -> None:
    launch = Launch(round=0, timings_ns=(5,), load_ms=9.0, first_ms=3.0, warmup_n=16, warmup_steady=True, threads=1,
                    runtime="example", import_ms=1.0, peak_memory_bytes=None, memory_before_load_bytes=None, cpu={},
                    answers=None, instructions=(7,))  # fmt: skip
    one = Measurement("a", "a.tflite", "tflite", "0" * 64, 1000, (64, 64), 8, "0" * 64, 1, launches=(launch,))
    estimate = join_parts(CORE, [part(1000)], [100], "19.1.7")
    measurements = (replace(one, estimate=estimate), replace(one, name="b", threads=2), replace(one, launches=()))
    result = BenchResult("emulated:cortex-a72", "a", BenchPlan(), (), {}, {}, measurements)
    assert add_estimates(result, [], FakeDevice(lambda argv, files: Completed(1, "", ""))) is result


def test_the_record_that_reports_give_is_that_of_the_benchmark() -> None:
    record = json.loads(RESULTS.read_text(encoding="utf-8"))["record"]
    assert asdict(RECORD) == pytest.approx(record, abs=0.005)
