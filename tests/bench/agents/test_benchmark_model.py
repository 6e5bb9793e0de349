from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from simulators.phone import HERE, Phone

from edgekd.bench import BenchPlan, BenchTarget, measure
from edgekd.bench.agents.benchmark_model import BenchmarkModel, command, parse_log
from edgekd.devices import Completed
from edgekd.devices.fake import FakeDevice
from edgekd.errors import DeviceError, UsageError

PLAN: dict[str, Any] = {
    "threads": 4,
    "affinity": None,
    "delegate": "xnnpack",
    "warmup_min_iterations": 16,
    "warmup_max_s": 0.5,
    "seconds": 1.0,
    "min_iterations": 50,
    "pace_ms": None,
    "curve": False,
}
# Of 2024, shortened; its lines of percentiles are newer.
NEW = """INFO: STARTING!
INFO: Log parameter values verbosely: [0]
INFO: Use xnnpack: [1]
INFO: Created TensorFlow Lite XNNPACK delegate for CPU.
INFO: XNNPACK delegate created.
INFO: Explicitly applied XNNPACK delegate, and the model graph will be partially executed by the delegate w/ 1 kernels.
INFO: Initialized session in 614.333ms.
INFO: Running benchmark for at least 1 iterations and at least 0.5 seconds but terminate if exceeding 150 seconds.
INFO: count=1 curr=905463 p5=905463 median=905463 p95=905463

INFO: count=50 first=900416 curr=898333 min=898007 max=906121 avg=899641 std=1549 p5=898333 median=899281 p95=904305

INFO: Inference timings in us: Init: 614333, First inference: 905463, Warmup (avg): 905463, Inference (avg): 899641
INFO: Memory footprint delta from the start of the tool (MB): init=133.086 overall=149.531
INFO: Overall peak memory footprint (MB) via periodic monitoring: 93.2383
"""
# Of 2020, on a phone's GPU.
OLD = """Loaded model /data/local/tmp/tflite/denoising_32bit.tflite
INFO: Created TensorFlow Lite delegate for GPU.
Explicitly applied GPU delegate, and the model graph will be completely executed by the delegate.
count=4 first=130565 curr=120829 min=117370 max=130565 avg=1.22373e+05 std=4930

count=50 first=119212 curr=118055 min=113737 max=124776 avg=119375 std=1948

Inference timings in us: Init: 870557, First inference: 130565, Warmup (avg): 122373, Inference (avg): 119375
Peak memory footprint (MB): init=6.44141 overall=64.8633
"""


def test_a_new_log() -> None:
    found = parse_log(NEW)
    assert (found.count, found.avg_us, found.std_us, found.median_us) == (50, 899641, 1549, 899281)
    assert (found.first_us, found.min_us, found.max_us) == (900416, 898007, 906121)
    assert (found.init_ms, found.first_ms, found.warmup_n, found.delegate) == (614.333, 905.463, 1, "xnnpack")
    assert (found.peak_memory_bytes, found.memory_growth_bytes) == (97767444, 156794618)


def test_an_old_log_and_one_of_android_s_log() -> None:
    found = parse_log(OLD)
    assert (found.count, found.avg_us, found.median_us, found.warmup_n) == (50, 119375, None, 4)
    assert (found.delegate, found.peak_memory_bytes, found.memory_growth_bytes) == ("gpu", None, 68014100)
    prefixed = "".join(f"07-14 13:14:56.520 22838 22838 I tflite  : {line}\n" for line in NEW.splitlines())
    assert parse_log(prefixed) == parse_log(NEW)
    same = NEW.replace("first=900416 curr=898333 min=898007 max=906121 avg=899641 std=1549 p5", "curr=5 (all same) p5")
    assert (parse_log(same).min_us, parse_log(same).std_us, parse_log(same).avg_us) == (5, 0, 899641)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no line 'Inference timings in us'"),
        (NEW.replace("count=", "kount="), "no line"),
        (NEW.replace("count=50", "count=0"), "no line"),
        ("WARN: Unconsumed cmdline flags: --use_xnnpack=true --x\n" + NEW, "does not know --use_xnnpack=true --x"),
    ],
)
def test_what_is_no_summary(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        parse_log(text)


def test_the_command() -> None:
    argv = command("/w/benchmark_model", "/w/0.tflite", {**PLAN, "affinity": [4, 5], "delegate": "gpu", "pace_ms": 40})
    assert argv[:3] == ["taskset", "30", "/w/benchmark_model"]
    assert {"--graph=/w/0.tflite", "--num_threads=4", "--num_runs=50", "--min_secs=1", "--max_secs=150"} < set(argv)
    assert {"--use_gpu=true", "--use_xnnpack=false", "--run_frequency=25", "--warmup_min_secs=0.5"} < set(argv)
    with pytest.raises(UsageError, match="a sustained run needs --apk"):
        command("b", "m", {**PLAN, "curve": True})


def test_a_delegate_that_was_not_used_is_no_measurement(tmp_path: Path) -> None:
    (tmp_path / "benchmark_model").write_text("#!")
    agent = BenchmarkModel(FakeDevice(lambda argv, files: Completed(0, NEW, "")), tmp_path / "benchmark_model")
    agent.prepare("/w", [_target(tmp_path)])
    with pytest.raises(DeviceError, match="ran with delegate xnnpack where gpu was asked for"):
        agent.launch(0, 0, {**PLAN, "delegate": "gpu"}, 60)
    assert agent.launch(0, 0, PLAN, 60)["summary"]["count"] == 50


def test_the_tool_must_be_a_program_for_the_phone(tmp_path: Path) -> None:
    device = FakeDevice(lambda argv, files: Completed(0, "aarch64\n", ""))
    tool = tmp_path / "benchmark_model"
    with pytest.raises(UsageError, match="is not a file"):
        BenchmarkModel(device, tool)
    tool.write_bytes(b"<!doctype html>")
    with pytest.raises(UsageError, match="is not a program for Android"):
        BenchmarkModel(device, tool).prepare("/w", [])
    tool.write_bytes(b"\x7fELF\2\1\1" + bytes(9) + b"\2\0\x3e\0")
    with pytest.raises(DeviceError, match=r"is built for x86-64, this phone is aarch64\. LiteRT's documentation"):
        BenchmarkModel(device, tool).prepare("/w", [])
    tool.write_bytes(b"\x7fELF\2\1\1" + bytes(9) + b"\2\0\xb7\0")
    BenchmarkModel(device, tool).prepare("/w", [])
    with pytest.raises(UsageError, match=r"\.tflite files alone\. Leave out x"):
        BenchmarkModel(device, tool).prepare("/w", [_target(tmp_path, "onnx")])


def test_on_a_phone(phone: Phone, means_tflite: Path, images: NDArray[np.uint8], tmp_path: Path) -> None:
    plan = BenchPlan(launches=1, seconds_per_launch=0.05, min_iterations=20, warmup_max_s=0.05, threads=1)
    (tmp_path / "bad.tflite").write_bytes(b"no model")
    targets = [BenchTarget("good", means_tflite, "tflite", images)]
    targets += [BenchTarget("bad", tmp_path / "bad.tflite", "tflite", images)]
    agent = BenchmarkModel(phone.device, HERE / "benchmark_model.py")
    with pytest.raises(DeviceError, match=r"bad on adb:.*benchmark_model: it ended with status 1: ERROR: .*failed"):
        measure(targets, "good", plan, phone.device, agent=agent, save_to=tmp_path / "bench.json")
    from edgekd.bench import BenchResult

    kept = BenchResult.load(tmp_path / "bench.json")
    (launch,) = kept.measurement("good").launches
    assert kept.agent == "benchmark_model" and launch.timings_ns == () and launch.answers is None
    assert launch.summary is not None and launch.summary.count >= 20 and launch.summary.avg_us > 0
    assert launch.peak_memory_bytes == 97767444 and "random inputs" in launch.runtime
    assert launch.device is not None and launch.device["after"] == {"memory_growth_bytes": 19632174}
    assert phone.left() == []


def _target(tmp_path: Path, format: str = "tflite") -> BenchTarget:
    (tmp_path / f"x.{format}").write_bytes(b"x")
    return BenchTarget("x", tmp_path / f"x.{format}", format, np.zeros((1, 2, 2, 3), np.uint8))  # type: ignore[arg-type]
