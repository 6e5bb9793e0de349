"""What the demo's benchmark writes on a phone, read by edgekd: the activity's replies, and what the screen shares."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from android_build import Built
from bench_plans import phone_plan, phone_targets
from recorded_agent import ReplayingAgent

from edgekd.bench import BenchPlan, BenchResult, BenchTarget, measure
from edgekd.bench.on_device import device_scores
from edgekd.bench.validity import validity
from edgekd.devices.fake import FakeDevice
from edgekd.devices.table import open_device
from edgekd.golden import read_manifest

pytestmark = pytest.mark.timeout(1700)
PHONE = "adb:PHONE"


def report(*results: Path, out: Path) -> str:
    argv = [sys.executable, "-m", "edgekd", "report", *map(str, results), "--out", str(out)]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return next(out.glob("*.html")).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def phone_result(built: Built, finished: Path) -> BenchResult:
    """The harness over the replies of the activity to the harness's own plans."""
    device = FakeDevice(lambda argv, files: pytest.fail(f"ran {argv}"), address=PHONE)
    return measure(
        phone_targets(finished), "student.float32", phone_plan(), device, agent=ReplayingAgent(built.folder / "replies")
    )


def test_the_activitys_replies_are_measurements(phone_result: BenchResult) -> None:
    assert phone_result.complete and phone_result.agent == "android-app" and phone_result.unit == "ns"
    for one in phone_result.measurements:
        assert [launch.round for launch in one.launches] == [0, 1, 2]
        for launch in one.launches:
            assert len(launch.timings_ns) >= 8 and launch.runtime.startswith("TensorFlow Lite 2.16")
            assert launch.peak_memory_bytes and launch.cpu["wall_s"] > 0
            # TensorFlow Lite's build for x86_64 has no XNNPACK, and the reply says what ran.
            assert launch.delegate == "none"
            assert launch.device is not None and set(launch.device) == {"before", "after"}


def test_the_activitys_answers_are_held_against_the_hosts(phone_result: BenchResult) -> None:
    floats, _ = device_scores(phone_result)
    assert (floats.n, floats.differing) == (12, 0)
    assert floats.accuracy == floats.host_accuracy


def test_the_phones_heat_is_told_before_and_after_every_launch(phone_result: BenchResult) -> None:
    launches = [launch for one in phone_result.measurements for launch in one.launches]
    told = [facts["thermal_status"] for launch in launches for facts in (launch.device or {}).values()]
    # The last launch alone was a hot one.
    assert sorted(told) == [0] * 10 + [3, 3]
    assert all("power_save" in facts for launch in launches for facts in (launch.device or {}).values())


def test_the_activity_beside_the_host_in_one_report(phone_result: BenchResult, finished: Path, tmp_path: Path) -> None:
    phone_result.save(tmp_path / "phone.json")
    host = tmp_path / "host.json"
    measure(phone_targets(finished), "student.float32", phone_plan(), open_device("host"), save_to=host)
    page = report(host, tmp_path / "phone.json", out=tmp_path / "devices")
    for text in (PHONE, "host", "student.int8", "TensorFlow Lite 2.16", "the demo app&#39;s benchmark activity"):
        assert text in page or text.replace("&#39;", "'") in page, text


def test_what_the_screen_shares_beside_the_host_in_one_report(built: Built, tmp_path: Path) -> None:
    shared = BenchResult.load(built.folder / "replies/shared-golden.json")
    assert shared.complete and shared.plan.launches == 3
    targets = []
    for one in shared.measurements:
        folder = built.folder / "app/src/main/assets/golden" / one.name
        vectors = read_manifest(folder).vectors[: one.inputs_n]
        rows = [np.frombuffer((folder / vector.input.file).read_bytes(), np.uint8) for vector in vectors]
        images = np.stack(rows).reshape(-1, *one.input_size, 3)
        targets.append(BenchTarget(one.name, built.models[one.file], "tflite", images))
    plan = BenchPlan(launches=1, seconds_per_launch=0.01, warmup_max_s=0.01)
    host = tmp_path / "host.json"
    measure(targets, shared.baseline, plan, open_device("host"), save_to=host)
    page = report(host, built.folder / "replies/shared-golden.json", out=tmp_path / "devices")
    assert shared.device in page and "tiny.int8" in page


def test_a_hot_phones_own_result_is_invalid(built: Built) -> None:
    hot = BenchResult.load(built.folder / "replies/shared-hot.json")
    for one in hot.measurements:
        found = validity(hot, one)
        assert found.standing == "invalid" and "thermal status severe" in found.reasons[0]
    cool = BenchResult.load(built.folder / "replies/shared-golden.json")
    assert not any("throttle" in reason for one in cool.measurements for reason in validity(cool, one).reasons)


def test_the_golden_vectors_verdict_is_in_what_is_shared(built: Built) -> None:
    shared = BenchResult.load(built.folder / "replies/shared-golden.json")
    told = {row["file"]: row["same_answers"] for row in shared.facts_after["golden"]}
    assert told["student.float32.tflite"] == "same"
    assert set(told.values()) <= {"same", "rounded"}
