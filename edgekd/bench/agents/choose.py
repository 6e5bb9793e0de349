"""What makes one launch happen on a device: a Python agent there, the Android demo, or Google's benchmark_model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgekd.bench.agents.protocol import Agent
from edgekd.bench.agents.python_agent import PythonAgent
from edgekd.devices.protocol import Device


@dataclass(frozen=True)
class AgentChoice:
    """What the user has for phones: the demo's APK, or a copy of Google's benchmark_model."""

    apk: Path | None = None
    benchmark_model: Path | None = None


def choose_agent(device: Device, choice: AgentChoice | None = None) -> Agent:
    """On a phone the app where an APK is given, benchmark_model where that is; else the Python agent."""
    choice = choice or AgentChoice()
    if not device.address.startswith("adb:") or (choice.apk is None and choice.benchmark_model is None):
        return PythonAgent(device)
    if choice.apk is not None:
        from edgekd.bench.agents.android_app import AndroidApp

        return AndroidApp(device, choice.apk)
    from edgekd.bench.agents.benchmark_model import BenchmarkModel

    assert choice.benchmark_model is not None
    return BenchmarkModel(device, choice.benchmark_model)
