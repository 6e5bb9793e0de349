"""The real adb and adbd; pm and am are scripts, and the app is the Python agent in a process called as the app's."""

from __future__ import annotations

import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from simulators.phone import Phone
from simulators.phone_kinds import KINDS

from edgekd.bench import BenchPlan, BenchResult, BenchTarget, measure
from edgekd.bench.agents import android_app, android_install
from edgekd.bench.agents.android_app import AndroidApp
from edgekd.devices.fake import FakeDevice
from edgekd.errors import DeviceError, DeviceNotFound, UsageError

ANDROID_7_PS = """#!/bin/sh
[ $# = 0 ] || { echo "USER     PID   PPID  VSIZE  RSS     WCHAN    PC        NAME"; exit 0; }
exec /usr/bin/toybox ps -A -o USER,PID,PPID,ARGS
"""
PLAN = BenchPlan(launches=2, seconds_per_launch=0.05, min_iterations=8, warmup_max_s=0.05)


@pytest.fixture
def apk(tmp_path: Path) -> Path:
    path = tmp_path / "it's the demo.apk"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("AndroidManifest.xml", "x")
    return path


@pytest.fixture
def target(means_tflite: Path, images: NDArray[np.uint8]) -> BenchTarget:
    return BenchTarget("means", means_tflite, "tflite", images)


def app_files(phone: Phone) -> list[str]:
    return sorted(path.name for path in phone.sdcard.rglob("*") if path.is_file())


def test_every_launch_is_the_apps_and_nothing_stays(phone: Phone, apk: Path, target: BenchTarget) -> None:
    result = measure([target], "means", PLAN, phone.device, agent=AndroidApp(phone.device, apk))
    assert result.complete and result.agent == "android-app"
    first, second = result.measurement("means").launches
    assert first.answers == (2, 0, 1, 1, 2) and second.answers is None
    assert len(first.timings_ns) >= 8 and first.runtime.startswith("ai-edge-litert")
    assert not (phone.system / "installed").exists() and app_files(phone) == [] and phone.left() == []


def test_an_app_that_was_there_stays(phone: Phone, apk: Path, target: BenchTarget) -> None:
    (phone.system / "installed").touch()
    plan = PLAN.model_copy(update={"launches": 1, "affinity": (0,)})
    with pytest.raises(DeviceError, match=r"means on adb:.*: affinity must be null: an app may not choose"):
        measure([target], "means", plan, phone.device, agent=AndroidApp(phone.device, apk))
    assert (phone.system / "installed").exists() and app_files(phone) == [] and phone.left() == []


def test_an_app_that_dies(
    phone: Phone, apk: Path, target: BenchTarget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(android_app, "_LOOKS", 10)
    (phone.system / "die").touch()
    with pytest.raises(DeviceError, match=r"means on adb:.*: the app ended without a reply: it crashed"):
        measure([target], "means", PLAN, phone.device, agent=AndroidApp(phone.device, apk), save_to=tmp_path / "b.json")
    assert not BenchResult.load(tmp_path / "b.json").complete
    assert not (phone.system / "installed").exists() and app_files(phone) == [] and phone.left() == []


def test_android_7_whose_ps_knows_no_options(
    phone: Phone, apk: Path, target: BenchTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(android_app, "_LOOKS", 10)
    phone.stand_in("ps", ANDROID_7_PS)
    # Longer than a process that is never seen is waited for.
    plan = PLAN.model_copy(update={"launches": 1, "seconds_per_launch": 8.0, "max_iterations": 10**9})
    result = measure([target], "means", plan, phone.device, agent=AndroidApp(phone.device, apk))
    assert result.complete


def test_a_cable_pulled_in_the_middle_leaves_neither_app_nor_files(
    phone: Phone, apk: Path, target: BenchTarget, tmp_path: Path
) -> None:
    plan = PLAN.model_copy(update={"seconds_per_launch": 600.0, "max_iterations": 10**9})
    agent = AndroidApp(phone.device, apk)
    pulled = threading.Thread(
        target=lambda: (
            phone.until(lambda: any(name.endswith("/plan.json") for name in phone.left())) and phone.order("kill")
        )
    )
    pulled.start()
    with pytest.raises(DeviceNotFound):
        measure([target], "means", plan, phone.device, agent=agent, save_to=tmp_path / "bench.json")
    pulled.join()
    assert phone.until(lambda: not (phone.system / "installed").exists() and not app_files(phone))
    assert phone.emptied()
    assert not BenchResult.load(tmp_path / "bench.json").complete


def test_a_full_phone_is_said_before_anything_is_installed(phone: Phone, apk: Path, target: BenchTarget) -> None:
    with zipfile.ZipFile(apk, "a") as archive:
        archive.writestr("large", bytes(3_000_000))
    phone.fill(leave_bytes=1_000_000)
    told = r"cannot push it's the demo\.apk .*the phone's storage is full"
    with pytest.raises(DeviceError, match=told), phone.device.workspace() as folder:
        AndroidApp(phone.device, apk).prepare(folder, [target])
    assert not (phone.system / "installed").exists() and phone.left() == ["filling"]


def test_what_the_app_cannot_run(tmp_path: Path, apk: Path) -> None:
    device = FakeDevice(lambda argv, files: pytest.fail(f"ran {argv}"))
    (tmp_path / "x.apk").write_bytes(b"no zip")
    with pytest.raises(UsageError, match=r"x\.apk is not an APK\. Build one: mvn -f android_demo package$"):
        AndroidApp(device, tmp_path / "x.apk")
    (tmp_path / "x.onnx").write_bytes(b"x")
    with pytest.raises(UsageError, match=r"\.tflite files alone\. Leave out x"):
        target = BenchTarget("x", tmp_path / "x.onnx", "onnx", np.zeros((1, 2, 2, 3), np.uint8))
        AndroidApp(device, apk).prepare("/w", [target])


def test_files_go_by_the_provider_where_shell_and_app_share_no_folder(
    phone: Phone, apk: Path, target: BenchTarget
) -> None:
    kind = next(kind for kind in KINDS if {"blind", "unseen", "user"} <= kind.files.keys())
    kind.stage(phone)
    plan = PLAN.model_copy(update={"launches": 1})
    result = measure([target], "means", plan, phone.device, agent=AndroidApp(phone.device, apk))
    (launch,) = result.measurement("means").launches
    assert result.complete and launch.answers == (2, 0, 1, 1, 2)
    assert result.facts_before["fixed_performance"] is result.facts_before["screen_kept_on"] is True
    assert phone.left() == [] and not phone.has("installed-10") and not phone.has("installed")
    assert phone.content("fixed-performance") == "false"


def test_every_kind_of_phone_that_does_not_work_says_what_to_do(
    phone: Phone, apk: Path, target: BenchTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(android_app, "_LOOKS", 4)
    monkeypatch.setattr(android_install, "INSTALL_TIMEOUT_S", 3.0)
    for kind in (kind for kind in KINDS if kind.says):
        kind.stage(phone)
        agent = AndroidApp(phone.device, apk)
        with pytest.raises(DeviceError, match=kind.says) as caught, phone.device.workspace() as folder:
            try:
                agent.prepare(folder, [target])
            finally:
                agent.finish()
        assert str(caught.value).isprintable() and caught.value.exit_code == 4, kind.name
        kind.reset(phone)
        assert (phone.left(), app_files(phone), phone.has("installed")) == ([], [], False), kind.name


def test_two_phones_at_once_by_their_own_python(phones: tuple[Phone, Phone], target: BenchTarget) -> None:
    results: dict[str, BenchResult] = {}

    def one(phone: Phone) -> None:
        plan = PLAN.model_copy(update={"launches": 1})
        results[phone.address] = measure([target], "means", plan, phone.device)

    phones[1].say("thermalservice", "Thermal Status: 3\n")
    threads = [threading.Thread(target=one, args=(phone,)) for phone in phones]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(results) == {phone.address for phone in phones}
    for address, result in results.items():
        (launch,) = result.measurement("means").launches
        assert (result.device, result.agent, launch.answers) == (address, "python", (2, 0, 1, 1, 2))
        assert result.complete and result.facts_before["machine"] == "aarch64"
    assert [results[phone.address].facts_after["throttled_now"] for phone in phones] == [False, True]
    assert [phone.left() for phone in phones] == [[], []]
