from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from tiny_models import write_onnx

from edgekd.bench.agents import device_agent

PLAN = {
    "format": "onnx",
    "check_inputs": None,
    "threads": 1,
    "affinity": None,
    "delegate": "xnnpack",
    "pace_ms": None,
    "curve": False,
    "warmup_min_iterations": 16,
    "warmup_max_s": 0.2,
    "seconds": 0.01,
    "min_iterations": 20,
    "max_iterations": 30,
    "answers": True,
}


def run_agent(folder: Path, images: NDArray[Any], **plan: Any) -> subprocess.CompletedProcess[str]:
    """As a device runs it: a copy of the file alone in a folder, by a plain interpreter."""
    shutil.copy(device_agent.__file__, folder / "agent.py")
    np.save(folder / "inputs.npy", images)
    (folder / "plan.json").write_text(json.dumps({**PLAN, "inputs": str(folder / "inputs.npy"), **plan}))
    argv = [sys.executable, "-I", "agent.py", "plan.json", "out.json"]
    return subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)


def test_onnx_launch(tmp_path: Path, means_onnx: Path, images: NDArray[np.uint8]) -> None:
    done = run_agent(tmp_path, images, model=str(means_onnx))
    assert done.returncode == 0, done.stderr
    out = json.loads((tmp_path / "out.json").read_text())
    assert out["answers"] == [2, 0, 1, 1, 2]
    assert 20 <= len(out["timings_ns"]) <= 30 and min(out["timings_ns"]) > 0
    assert out["warmup_n"] % device_agent.STEADY_BLOCK == 0 and out["warmup_n"] >= 16
    assert out["runtime"].startswith("onnxruntime 1.")
    assert out["peak_memory_bytes"] >= out["memory_before_load_bytes"] > 10_000_000
    assert out["load_ms"] > 0 and out["first_ms"] > 0 and out["import_ms"] > 0
    assert not list(tmp_path.glob("*.part"))


def test_float_and_channels_first_inputs(tmp_path: Path, images: NDArray[np.uint8]) -> None:
    # Means over axes 1 and 2 of [1, 3, 12, 8] are the columns': the largest of eight.
    write_onnx(tmp_path / "nchw.onnx", [1, 3, 12, 8], onnx.TensorProto.FLOAT)
    done = run_agent(tmp_path, images, model=str(tmp_path / "nchw.onnx"))
    assert done.returncode == 0, done.stderr
    expected = images.astype(np.float64).transpose(0, 3, 1, 2).mean(axis=(1, 2)).argmax(axis=1)
    assert json.loads((tmp_path / "out.json").read_text())["answers"] == expected.tolist()


@pytest.mark.parametrize(
    ("images_of", "plan", "told"),
    [
        (np.zeros((2, 9, 8, 3), np.uint8), {}, "the model takes [1, 12, 8, 3], the images are [1, 9, 8, 3]"),
        (np.zeros((2, 12, 8, 3), np.float32), {}, "images must be uint8 [n,H,W,3], got float32"),
        (np.zeros((0, 12, 8, 3), np.uint8), {}, "images must be uint8 [n,H,W,3]"),
        (np.zeros((2, 12, 8, 3), np.uint8), {"model": "/nonexistent.onnx"}, "/nonexistent.onnx"),
    ],
)
def test_failures_are_one_line_and_leave_no_file(
    tmp_path: Path, means_onnx: Path, images_of: NDArray[Any], plan: dict[str, Any], told: str
) -> None:
    done = run_agent(tmp_path, images_of, **{"model": str(means_onnx), **plan})
    assert done.returncode == 1
    assert told in done.stderr.strip().splitlines()[-1]
    assert not (tmp_path / "out.json").exists()


def test_an_input_of_numbers_that_are_no_pixels_is_refused(tmp_path: Path, images: NDArray[np.uint8]) -> None:
    write_onnx(tmp_path / "int16.onnx", [1, 12, 8, 3], onnx.TensorProto.INT16)
    done = run_agent(tmp_path, images, model=str(tmp_path / "int16.onnx"))
    assert "must be uint8, int8 or float32" in done.stderr


def test_imports_only_what_a_device_has() -> None:
    names = set()
    for node in ast.walk(ast.parse(Path(device_agent.__file__).read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").partition(".")[0])
    assert names - sys.stdlib_module_names == {"numpy", "ai_edge_litert", "onnxruntime"}


def test_warm_up_stops_when_two_blocks_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    # Blocks of 8: medians 100, 50, 50.5 ns. The third is within 2 % of the second.
    scripted = iter([100] * 8 + [50] * 8 + [50, 51] * 4 + [1] * 100)
    monkeypatch.setattr(device_agent, "_time_inference", lambda model, image: next(scripted))
    model = device_agent.Model(lambda image: image, (1,), np.uint8, "", "")
    plan = {"warmup_max_s": 60, "warmup_min_iterations": 8}
    assert device_agent.warm_up(model, [0], plan, False) == (24, True)


def test_warm_up_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    growing = iter(range(1, 10_000))
    monkeypatch.setattr(device_agent, "_time_inference", lambda model, image: next(growing))
    model = device_agent.Model(lambda image: image, (1,), np.uint8, "", "")
    assert device_agent.warm_up(model, [0], {"warmup_max_s": 0, "warmup_min_iterations": 0}, False) == (8, False)


def test_a_paced_run_waits_for_its_frames_and_counts_late_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(device_agent.time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(device_agent.time, "sleep", lambda seconds: clock.__setitem__(0, clock[0] + seconds))
    pace, starts = device_agent.Pace(100.0), []
    for work_s in (0.01, 0.01, 0.25, 0.01, 0.01):
        pace.wait()
        starts.append(round(clock[0], 3))
        clock[0] += work_s
    # The third runs into two frames: one is dropped, the next begins late, and the pace goes on from there.
    assert starts == [0.0, 0.1, 0.2, 0.45, 0.55]
    assert pace.late_n == 1


def test_short_inferences_are_timed_several_at_once() -> None:
    assert [device_agent.per_sample(ns, 250_000) for ns in (40_000, 250_000, 2e6, 100, 0)] == [7, 1, 1, 64, 64]
    seen: list[int] = []
    model = device_agent.Model(seen.append, (1,), np.uint8, "", "")
    plan = {"threads": 1, "seconds": 0.0, "min_iterations": 3, "max_iterations": 3, "pace_ms": None, "curve": False}
    alone = device_agent.time_inferences(model, [1, 2], plan)
    assert (alone["inferences_per_sample"], len(alone["timings_ns"]), seen) == (1, 3, [1, 2, 1])
    seen.clear()
    together = device_agent.time_inferences(model, [1, 2], {**plan, "sample_ms": 0.25})
    assert (together["inferences_per_sample"], len(together["timings_ns"])) == (64, 3)
    assert seen[device_agent.STEADY_BLOCK :] == [1, 2] * 96 and max(together["timings_ns"]) < 250_000
    for fixed in ({"pace_ms": 1.0}, {"curve": True}):
        assert device_agent.choose_per_sample(model, [1], {**plan, "sample_ms": 0.25, **fixed}) == 1


def test_a_curve_has_a_row_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(device_agent.time, "perf_counter", lambda: clock[0])
    curve = device_agent.Curve()
    for k in range(10):
        clock[0] += 0.25
        curve.add(1000 + k)
    assert curve.rows() == [[1.0, 4, 1001, 1002], [2.0, 4, 1005, 1006]]


def test_sustained_paced_and_checked_launches(tmp_path: Path, means_onnx: Path, images: NDArray[np.uint8]) -> None:
    np.save(tmp_path / "check.npy", images[::-1])
    plan = {"model": str(means_onnx), "check_inputs": str(tmp_path / "check.npy"), "affinity": [0], "pace_ms": 1.0}
    done = run_agent(tmp_path, images, **plan, curve=True, seconds=0.1, min_iterations=1)
    assert done.returncode == 0, done.stderr
    out = json.loads((tmp_path / "out.json").read_text())
    assert out["check_answers"] == [2, 1, 1, 0, 2]
    assert len(out["timings_ns"]) == 30 < out["curve"][0][1] <= 101
    assert 0 <= out["late_n"] <= out["curve"][0][1]
    assert (out["schema"], out["delegate"], out["instructions"]) == (2, "cpu", None)


def test_xnnpack_can_be_left_out_and_a_phones_delegates_are_refused(
    tmp_path: Path, means_tflite: Path, images: NDArray[np.uint8]
) -> None:
    plan = {"model": str(means_tflite), "format": "tflite"}
    assert run_agent(tmp_path, images, **plan, delegate="none").returncode == 0
    assert json.loads((tmp_path / "out.json").read_text())["delegate"] == "none"
    assert "no delegate 'gpu', only xnnpack, none" in run_agent(tmp_path, images, **plan, delegate="gpu").stderr


def test_instructions_are_counted_where_an_emulator_counts_them(tmp_path: Path) -> None:
    page = tmp_path / "count.u64"
    page.write_bytes(bytes(4096))
    count = np.memmap(page, dtype="<u8", mode="r+")

    def infer(one: int) -> int:
        count[0] += one
        return one

    counter = device_agent.open_counter(str(page))
    assert counter is not None and device_agent.open_counter(None) is None and device_agent.open_counter("") is None
    model = device_agent.Model(infer, (1,), np.uint8, "", "")
    timed = device_agent.count_inferences(model, [100, 200], {"min_iterations": 3}, counter)
    assert timed["instructions"] == [100, 200, 100] and len(timed["timings_ns"]) == 3


@pytest.mark.skipif(sys.platform != "linux", reason="pins processes to a CPU")
@pytest.mark.parametrize("threads", [1, 2])
def test_inferences_that_lose_the_cpu_to_a_busy_neighbour_are_marked(threads: int) -> None:
    def infer(image: int) -> int:
        end = time.thread_time() + 0.01
        while time.thread_time() < end:
            pass
        return image

    allowed = os.sched_getaffinity(0)
    cpu = min(allowed)
    spin = f"import os; os.sched_setaffinity(0, {{{cpu}}}); print(flush=True)\nwhile True: pass"
    plan = {"threads": threads, "seconds": 0.0, "min_iterations": 20, "max_iterations": 20, "pace_ms": None}
    with subprocess.Popen([sys.executable, "-c", spin], stdout=subprocess.PIPE) as neighbour:
        try:
            assert neighbour.stdout is not None
            neighbour.stdout.readline()
            os.sched_setaffinity(0, {cpu})
            before = device_agent.cpu_times()
            timed = device_agent.time_inferences(
                device_agent.Model(infer, (1,), np.uint8, "", ""), [0], {**plan, "curve": False}
            )
            after = device_agent.cpu_times()
        finally:
            os.sched_setaffinity(0, allowed)
            neighbour.kill()
    assert len(timed["switched_out"]) > 10
    # Without the count (a kernel built without it) nothing is claimed.
    assert "wait_s" not in after or (after["wait_s"] - before["wait_s"]) / (after["wall_s"] - before["wall_s"]) > 0.3


def test_an_int8_input_gets_pixels_less_128() -> None:
    images = np.arange(256, dtype=np.uint8)[:, None, None, None].repeat(3, axis=3)
    inputs = device_agent.prepare(images, (1, 1, 1, 3), np.int8)
    assert [int(one[0, 0, 0, 0]) for one in inputs] == list(range(-128, 128))
    with pytest.raises(ValueError, match="must be uint8, int8 or float32, got"):
        device_agent.prepare(images, (1, 1, 1, 3), np.int32)
