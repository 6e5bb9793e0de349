"""From what the user asks for to the result, its file and its report."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from energy_cases import PLAN, setting_of, simulated
from numpy.typing import NDArray
from simulators.power import Power
from test_statistics import constant, result

from edgekd.bench import BenchPlan, BenchTarget
from edgekd.bench.energy.measure import add_energy
from edgekd.bench.energy.plan import EnergyPlan, EnergyRequest
from edgekd.bench.multi_device import measure_many
from edgekd.bench.result import BenchResult
from edgekd.cli.bench_inputs import energy_of
from edgekd.devices.host import HostDevice
from edgekd.errors import DeviceError, UsageError
from edgekd.report.devices_render import render_devices
from edgekd.report.devices_report import join, reasons
from edgekd.report.energy import energy_cells, energy_json, energy_notes

TIMED = result(constant("teacher", *[50.0] * 7), constant("student", *[20.0] * 7))
# What a Raspberry Pi 5 prints, always nearly the same.
VCGENCMD = """#!/bin/sh
read -r up rest </proc/uptime
echo "VDD_CORE_A current(7)=1.5${up#*.}00000A"
echo "VDD_CORE_V volt(15)=0.86000000V"
"""


def never(_: BenchResult) -> None:
    raise AssertionError("nothing is to be saved")


def with_energy(folder: Path, power: Power, address: str = "host", **asked: float) -> BenchResult:
    device = simulated(folder, power, address)
    device.shell = False
    return add_energy(TIMED, setting_of(device, folder), EnergyRequest(PLAN, **asked), never)  # type: ignore[arg-type]


def test_a_phones_energy_in_the_tables_the_page_and_the_file(tmp_path: Path) -> None:
    made = with_energy(tmp_path, Power("battery", noise_w=0.03, update_s=0.2, idle_w=1.2), "adb:1")
    made.save(tmp_path / "bench.json")
    assert BenchResult.load(tmp_path / "bench.json") == made
    cells = energy_cells(made)
    assert cells is not None and cells.header[-2:] == ("hours on the battery", "verdict")
    teacher, student = (next(row for row in cells.rows if row[0] == name) for name in ("teacher", "student"))
    assert teacher[1] == "one after the other" and teacher[2].startswith("7") and "mJ" in teacher[2]
    assert student[3].startswith("0.2") and student[-1] == "less energy"
    paced = [row for row in cells.rows if row[1] == "one every 1\u00a0s"]
    assert [row[2] for row in paced] == ["invalid", "invalid"]
    assert all("W (" in row[4] and "h (" in row[5] for row in paced)
    (note, battery) = energy_notes(made)
    assert "current times voltage of its battery" in note and "a new reading every 0." in note
    assert "hours on a battery of 15.4\u00a0Wh (the device's own)" in battery
    joined = join([made])
    assert any("momentary" in reason for reason in reasons(joined.parts[0]))
    page = render_devices(joined, tmp_path, "phone").read_text(encoding="utf-8")
    assert "mJ of an inference" in page and "one after the other" in page
    assert (tmp_path / "plots" / "energy.png").is_file()
    assert "hours on the battery" in (tmp_path / "report.md").read_text(encoding="utf-8")
    told = energy_json(made)
    assert told is not None and json.loads(json.dumps(told, allow_nan=False)) == told
    by = {(file["name"], file["mode"]): file for file in told["files"]}
    assert by["student", "paced"]["joules"] is None and by["student", "paced"]["hours"] is not None
    assert by["student", "flat-out"]["joules"]["value"] == pytest.approx(0.018, rel=0.05)


def test_hours_on_a_battery_that_the_user_names(tmp_path: Path) -> None:
    made = with_energy(tmp_path, Power("battery", noise_w=0.02, update_s=0.2), "adb:1", battery_wh=10.0)
    assert "10\u00a0Wh (--battery-wh)" in energy_notes(made)[-1]


def test_what_is_not_measured_says_so_and_gives_no_row(tmp_path: Path) -> None:
    made = with_energy(tmp_path, Power("battery", status="Charging"), "adb:1")
    assert energy_cells(made) is None
    assert energy_notes(made)[0].startswith("energy not measured: it is charging. Unplug it")
    told = energy_json(made)
    assert told is not None and told["files"] == [] and told["not_measured"].startswith("it is charging")
    assert energy_json(TIMED) is None and energy_notes(TIMED) == ()


def test_a_meters_log_may_come_later_and_the_blocks_are_kept(tmp_path: Path) -> None:
    device, log = simulated(tmp_path, Power("meter", noise_w=0.03), "ssh:pi4"), tmp_path / "meter.csv"
    setting, request = setting_of(device, tmp_path), EnergyRequest(PLAN, log)
    saved: list[BenchResult] = []
    with pytest.raises(DeviceError, match=r"the meter's log .*meter.csv is not there yet.*same command"):
        add_energy(TIMED, setting, request, saved.append)
    assert saved[0].energy is not None and saved[0].energy.trace is None
    now_s = device.now_s
    log.write_text("time,watts\n1,2\n")
    with pytest.raises(DeviceError, match=r"1 rows hold a time and a power.*The blocks are kept"):
        add_energy(saved[0], setting, request, saved.append)
    device.write_log(log, hz=10)
    made = add_energy(saved[0], setting, request, saved.append)
    assert device.now_s == now_s
    cells = energy_cells(made)
    assert cells is not None and cells.rows[1][-1] == "less energy"
    assert "laid over the blocks by their steps of load" in energy_notes(made)[1]
    # Another plan is another measurement.
    with pytest.raises(DeviceError, match=r"does not show|fits|ends|holds"):
        add_energy(made, setting, EnergyRequest(replace(PLAN, seed=1), log), saved.append)
    assert device.now_s > now_s


def test_the_real_agent_and_the_real_sampler_on_this_machine(
    means_tflite: Path, images: NDArray[np.uint8], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "vcgencmd").write_text(VCGENCMD)
    (tmp_path / "bin" / "vcgencmd").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    plan = BenchPlan(launches=1, seconds_per_launch=0.02, warmup_max_s=0.02)
    energy = EnergyRequest(EnergyPlan(block_s=0.6, rounds=1, pace_ms=100, settle_s=0.1))
    (outcome,) = measure_many(
        [BenchTarget("a", means_tflite, "tflite", images)], "a", plan, ["host"], tmp_path / "out",
        open_=lambda _: HostDevice(), energy=energy,
    )  # fmt: skip
    assert outcome.error is None and outcome.result is not None
    record = BenchResult.load(outcome.path).energy
    assert record is not None and record.source is not None and record.trace is not None
    assert record.source.name == "PMIC" and record.source.rails == ("VDD_CORE",)
    modes = [block.mode for block in record.blocks]
    assert modes[::2] == ["idle"] * 3 and set(modes[1::2]) == {"flat-out", "paced"}
    ends = [(block.start_s, block.end_s) for block in record.blocks]
    assert all(one[1] <= other[0] for one, other in itertools.pairwise(ends))
    assert record.trace.time_s[0] < ends[0][1] and record.trace.time_s[-1] > ends[-1][0]
    flat, paced = (next(block for block in record.blocks if block.mode == mode) for mode in ("flat-out", "paced"))
    assert 0.5 < flat.seconds < 3 and flat.inferences > 1000
    assert 5 <= paced.inferences <= 8
    assert all(1.2 < watts < 1.4 for watts in record.trace.values)


def test_the_options_of_energy() -> None:
    none = {"energy": False, "power_log": None, "battery_wh": None, "block_seconds": None, "sustained": False}
    none |= {"launches": 7, "paced": None}
    assert energy_of(none, ("host",)) is None
    asked = energy_of({**none, "energy": True}, ("host",))
    assert asked is not None and (asked.plan.block_s, asked.plan.pace_ms, asked.plan.rounds) == (10.0, 1000.0, 7)
    log = energy_of({**none, "energy": True, "power_log": Path("m.csv"), "paced": 500.0}, ("ssh:pi",))
    assert log is not None and (log.plan.block_s, log.plan.pace_ms) == (20.0, 500.0)
    for changed, told in (
        ({"battery_wh": 10.0}, "--battery-wh goes with --energy"),
        ({"energy": True, "sustained": True}, "exclude each other"),
        ({"energy": True, "power_log": Path("m.csv")}, "one device at a time"),
    ):
        with pytest.raises(UsageError, match=told):
            energy_of({**none, **changed}, ("host", "ssh:pi"))
