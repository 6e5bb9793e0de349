"""Simulated energy measurements for tests: short blocks, two files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from simulators.power import File, Power, SimulatedDevice

from edgekd.bench import BenchPlan, BenchTarget
from edgekd.bench.energy.plan import EnergyPlan
from edgekd.bench.energy.session import Setting

TEACHER, STUDENT = File("teacher", 0.05, 1.5), File("student", 0.02, 0.9)
FILES = (TEACHER, STUDENT)
PLAN = EnergyPlan(block_s=4.0, rounds=5, settle_s=0.5)


def simulated(folder: Path, power: Power, address: str = "host", files: tuple[File, ...] = FILES) -> SimulatedDevice:
    """A device of that power, in a folder of its own."""
    return SimulatedDevice(power, files, folder / "device", address)


def setting_of(device: SimulatedDevice, folder: Path, **changed: Any) -> Setting:
    """A session on it."""
    model = folder / "model.tflite"
    model.write_bytes(b"simulated")
    photos = np.zeros((1, 8, 8, 3), np.uint8)
    targets = [BenchTarget(file.name, model, "tflite", photos) for file in device.files]
    return Setting(device, device, targets, BenchPlan(), 4, sleep=device.sleep, **changed)  # type: ignore[arg-type]
