from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from edgekd.bench import BenchPlan, BenchResult, BenchTarget, measure
from edgekd.devices import Completed, open_device
from edgekd.devices.fake import FakeDevice
from edgekd.errors import DeviceError, DeviceNotFound, DeviceTimeout, EdgekdError, UsageError

REPLY: dict[str, Any] = {
    "schema": 2,
    "timings_ns": [1000, 1100, 900],
    "import_ms": 5.0,
    "load_ms": 1.5,
    "first_ms": 0.5,
    "warmup_n": 16,
    "warmup_steady": True,
    "peak_memory_bytes": 1000,
    "memory_before_load_bytes": 500,
    "threads": 1,
    "runtime": "fake 1",
    "cpu": {},
    "answers": None,
}


def answer(argv: Sequence[str], files: dict[str, bytes]) -> Completed:
    """An agent that measures nothing."""
    plan = json.loads(files[argv[2]])
    reply = {**REPLY, "answers": [0] * 4 if plan["answers"] else None, "threads": plan["threads"]}
    files[argv[3]] = json.dumps(reply).encode()
    return Completed(0, "", "")


def targets(tmp_path: Path, *names: str) -> list[BenchTarget]:
    made = []
    for name in names:
        (tmp_path / f"{name}.onnx").write_bytes(name.encode())
        made.append(BenchTarget(name, tmp_path / f"{name}.onnx", "onnx", np.zeros((4, 2, 2, 3), np.uint8)))
    return made


def test_both_runtimes_side_by_side_on_this_machine(
    tmp_path: Path, means_tflite: Path, means_onnx: Path, images: NDArray[np.uint8]
) -> None:
    plan = BenchPlan(launches=2, seconds_per_launch=0.01, min_iterations=8, warmup_max_s=0.05)
    seen: list[tuple[int, int]] = []
    result = measure(
        [BenchTarget("lite", means_tflite, "tflite", images), BenchTarget("ort", means_onnx, "onnx", images)],
        "lite",
        plan,
        open_device("host"),
        progress=lambda done, total: seen.append((done, total)),
        save_to=tmp_path / "bench.json",
    )
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert result.complete and result.failures == ()
    for name, runtime in (("lite", "ai-edge-litert"), ("ort", "onnxruntime")):
        one = result.measurement(name)
        assert [launch.round for launch in one.launches] == [0, 1]
        assert one.launches[0].answers == (2, 0, 1, 1, 2) and one.launches[1].answers is None
        assert one.launches[0].runtime.startswith(runtime)
        assert len(one.launches[0].timings_ns) >= 8
        assert (one.input_size, one.inputs_n) == ((12, 8), 5)
    assert result.facts_before["cores"] >= 1 and result.facts_after["time_utc"]
    assert BenchResult.load(tmp_path / "bench.json") == result


def test_rounds_hold_every_target_once_in_seeded_order(tmp_path: Path) -> None:
    device = FakeDevice(answer)
    plan = BenchPlan(launches=12, seed=5, threads=3)
    result = measure(targets(tmp_path, "a", "b", "c"), "a", plan, device)
    assert all(sorted(names) == ["a", "b", "c"] for names in result.order)
    assert len(set(result.order)) > 3
    again = measure(targets(tmp_path, "a", "b", "c"), "a", plan, FakeDevice(answer))
    assert again.order == result.order
    assert len(device.calls) == 36
    assert result.measurement("b").launches[11].threads == 3
    assert device.files == {} and device.workspaces_left == []


def test_a_failed_target_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    def script(argv: Sequence[str], files: dict[str, bytes]) -> Completed:
        if files[json.loads(files[argv[2]])["model"]] == b"bad":
            return Completed(1, "", "INFO: noise\nValueError: the model takes [1, 9]\n")
        return answer(argv, files)

    device, path = FakeDevice(script), tmp_path / "bench.json"
    with pytest.raises(
        DeviceError, match=r"bad on fake, launch 1: ended with status 1: ValueError: the model"
    ) as caught:
        measure(targets(tmp_path, "a", "bad", "c"), "a", BenchPlan(launches=3), device, save_to=path)
    assert "INFO: noise" in caught.value.stderr
    assert str(path) in str(caught.value)
    kept = BenchResult.load(path)
    assert [len(one.launches) for one in kept.measurements] == [3, 0, 3]
    assert [(failure.name, failure.round) for failure in kept.failures] == [("bad", 0)]
    assert not kept.complete
    assert device.workspaces_left == []


def test_a_device_that_goes_away_leaves_what_was_measured(tmp_path: Path) -> None:
    def script(argv: Sequence[str], files: dict[str, bytes]) -> Completed:
        if len(device.calls) == 4:
            raise DeviceNotFound("fake is gone", address="fake")
        return answer(argv, files)

    device = FakeDevice(script)
    with pytest.raises(DeviceNotFound, match="fake is gone"):
        measure(targets(tmp_path, "a", "b"), "a", BenchPlan(), device, save_to=tmp_path / "bench.json")
    kept = BenchResult.load(tmp_path / "bench.json")
    assert sum(len(one.launches) for one in kept.measurements) == 3
    assert not kept.complete and device.files == {}


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"[]",
        b'{"schema": 2, "timings_ns": []}',
        json.dumps({**REPLY, "schema": 1}).encode(),
        json.dumps({**REPLY, "answers": [0] * 5}).encode(),
        json.dumps({**REPLY, "instructions": [5]}).encode(),
        b"[" * 100_000,
        json.dumps({**REPLY, "timings_ns": [0]}).encode(),
        json.dumps({**REPLY, "load_ms": float("nan")}).encode(),
        json.dumps({**REPLY, "cpu": 3}).encode(),
        json.dumps({**REPLY, "cpu": {"wait_s": 0.5}}).encode(),
        json.dumps({**REPLY, "switched_out": [0, 3]}).encode(),
        json.dumps({**REPLY, "switched_out": [1, 1]}).encode(),
        json.dumps({**REPLY, "switched_out": [-1]}).encode(),
        b"\xff\xfe",
        json.dumps({**REPLY, "timings_ns": [-5]}).encode(),
        json.dumps({**REPLY, "timings_ns": ["1000"]}).encode(),
        json.dumps({**REPLY, "timings_ns": [True]}).encode(),
        json.dumps({**REPLY, "timings_ns": [10**18]}).encode(),
        json.dumps({**REPLY, "timings_ns": [1] * 1001}).encode(),
        json.dumps({**REPLY, "threads": 3}).encode(),
        json.dumps({**REPLY, "cpu": {"total_s": 1.0}}).encode(),
        json.dumps({**REPLY, "device": {"deep": [float("inf")]}}).encode(),
        b'{"schema": 2, "load_ms": 1e999, "x": ' + b"9" * 5000 + b"}",
        b"\x1b[2J\x1b]0;owned\x07" * 100_000,
    ],
)
def test_a_hostile_reply_is_one_clear_error(tmp_path: Path, reply: bytes) -> None:
    def script(argv: Sequence[str], files: dict[str, bytes]) -> Completed:
        files[argv[3]] = reply
        return Completed(0, "", "")

    with pytest.raises(DeviceError, match="not a measurement") as caught:
        measure(targets(tmp_path, "a"), "a", BenchPlan(launches=1), FakeDevice(script))
    assert str(caught.value).isprintable() and len(str(caught.value)) < 500


def test_a_devices_words_are_shown_escaped(tmp_path: Path) -> None:
    def script(argv: Sequence[str], files: dict[str, bytes]) -> Completed:
        files[argv[3]] = json.dumps({"schema": 2, "error": "\x1b[31mno\u202e way"}).encode()
        return Completed(0, "", "")

    with pytest.raises(DeviceError, match=r"a on fake, launch 1: \\x1b\[31mno\\u202e way"):
        measure(targets(tmp_path, "a"), "a", BenchPlan(launches=1), FakeDevice(script))


def test_the_device_is_asked_after_every_round_how_it_stands(tmp_path: Path) -> None:
    asked: list[int] = []

    def throttling() -> dict[str, Any]:
        asked.append(len(device.calls))
        if len(asked) == 2:
            raise DeviceError("it has hiccups", address="fake")
        return {"throttled_now": len(asked) == 3}

    device = FakeDevice(answer, throttling=throttling)
    result = measure(targets(tmp_path, "a", "b"), "a", BenchPlan(launches=3), device)
    assert asked == [2, 4, 6]
    assert result.polled == ({"round": 0, "throttled_now": False}, {"round": 2, "throttled_now": True})


def test_a_launch_that_hangs_says_at_what(tmp_path: Path) -> None:
    def script(argv: Sequence[str], files: dict[str, bytes]) -> Completed:
        said = "edgekd-agent: loading the runtime\nINFO: hello\nedgekd-agent: loading the model\n"
        raise DeviceTimeout("fake: python3 did not end within 9 s. Allow more time", address="fake", stderr=said)

    with pytest.raises(
        DeviceError, match=r"a on fake, launch 1: .* Allow more time \(--timeout\). It was loading the m"
    ):
        measure(targets(tmp_path, "a"), "a", BenchPlan(launches=1), FakeDevice(script))


def test_no_reply_at_all(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="does not exist there"):
        measure(
            targets(tmp_path, "a"), "a", BenchPlan(launches=1), FakeDevice(lambda argv, files: Completed(0, "", ""))
        )


def test_arguments_are_checked_before_anything_runs(tmp_path: Path) -> None:
    device = FakeDevice(answer)
    with pytest.raises(UsageError, match="baseline 'z' is not among what is measured: a, b"):
        measure(targets(tmp_path, "a", "b"), "z", BenchPlan(), device)
    with pytest.raises(UsageError, match="a different name, got: a, a"):
        measure(targets(tmp_path, "a", "a"), "a", BenchPlan(), device)
    with pytest.raises(UsageError, match="is not a file"):
        BenchTarget("x", tmp_path / "absent", "onnx", np.zeros((1, 2, 2, 3), np.uint8))
    with pytest.raises(UsageError, match="got float32"):
        BenchTarget("x", tmp_path / "a.onnx", "onnx", np.zeros((1, 2, 2, 3), np.float32))  # type: ignore[arg-type]
    assert device.calls == []


@pytest.mark.parametrize(
    "wrong",
    [{"launches": 0}, {"seconds_per_launch": 0}, {"min_iterations": 9, "max_iterations": 8}, {"lunches": 7}],
)
def test_a_wrong_plan_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        BenchPlan(**wrong)


def test_results_of_another_schema_or_damaged_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    path.write_text('{"schema": 1}')
    with pytest.raises(EdgekdError, match="schema 1, this edgekd reads 2 and 3 and 4"):
        BenchResult.load(path)
    path.write_text('{"schema": 2}')
    with pytest.raises(EdgekdError, match="not a whole benchmark result"):
        BenchResult.load(path)
