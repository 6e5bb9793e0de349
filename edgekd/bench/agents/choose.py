"""What makes one launch happen on a device: a Python agent there, the Android demo, or Google's benchmark_model."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from edgekd import storage
from edgekd.bench.agents import device_agent as python_agent
from edgekd.bench.agents.reply import read_reply
from edgekd.devices.protocol import Completed, Device
from edgekd.errors import DeviceError, UsageError

if TYPE_CHECKING:
    from edgekd.bench.harness import BenchTarget


class Agent(Protocol):
    """One way to launch models on one device. ``name`` is told in the result."""

    @property
    def name(self) -> str:
        """python, android-app or benchmark_model."""
        ...

    @property
    def formats(self) -> tuple[str, ...]:
        """The formats that it runs; other files are left out on its device."""
        ...

    def prepare(self, folder: str, targets: Sequence[BenchTarget]) -> None:
        """Put everything into the device's workspace ``folder``. Raises: DeviceError."""
        ...

    def launch(self, index: int, round_: int, settings: Mapping[str, Any], timeout_s: float) -> Any:
        """Run the target of that index in a fresh process; returns its reply, still unchecked.

        ``settings`` and ``plan_of`` make the plan that agent.py describes. Raises: DeviceError.
        """
        ...

    def finish(self) -> None:
        """Leave nothing outside the workspace."""
        ...


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


class PythonAgent:
    """``agent.py``, pushed beside the files under names that no shell or file system minds."""

    name = "python"
    formats: tuple[str, ...] = ("tflite", "onnx", "ort")

    def __init__(self, device: Device) -> None:
        self._device, self._folder = device, ""
        self._targets: tuple[BenchTarget, ...] = ()

    def prepare(self, folder: str, targets: Sequence[BenchTarget]) -> None:
        """The agent, and each target's file and images; a file or an array that several share goes once."""
        self._folder, self._targets = folder, tuple(targets)
        self._device.push(Path(python_agent.__file__), f"{folder}/agent.py")
        for file, content in files_of(targets).items():
            with tempfile.TemporaryDirectory(prefix="edgekd-") as scratch:
                self._device.push(
                    content if isinstance(content, Path) else _saved(content, scratch), f"{folder}/{file}"
                )

    def launch(self, index: int, round_: int, settings: Mapping[str, Any], timeout_s: float) -> Any:
        """Push the plan, run the agent, pull its reply."""
        plan, out = f"{self._folder}/plan.json", f"{self._folder}/out-{round_}-{index}.json"
        argv = [self._device.python, f"{self._folder}/agent.py", plan, out]
        with tempfile.TemporaryDirectory(prefix="edgekd-") as scratch:
            local_plan, local_out = Path(scratch) / "plan.json", Path(scratch) / "out.json"
            storage.write_json(local_plan, plan_of(self._targets, index, settings, f"{self._folder}/"))
            self._device.push(local_plan, plan)
            done = self._device.run(argv, timeout_s)
            if done.status != 0:
                raise _ended(self._device, argv, done)
            self._device.pull(out, local_out)
            return read_reply(local_out, self._device.address)

    def finish(self) -> None:
        """Nothing lies outside the workspace."""


def files_of(targets: Sequence[BenchTarget]) -> dict[str, Any]:
    """Names on the device, each with the local path or the array that belongs under it."""
    files: dict[str, Any] = {}
    for index, target in enumerate(targets):
        names = names_of(targets, index)
        files[str(names["model"])] = target.path
        files[str(names["inputs"])] = target.inputs
        if target.check is not None:
            files[str(names["check_inputs"])] = target.check.inputs
    return files


def names_of(targets: Sequence[BenchTarget], index: int) -> dict[str, str | None]:
    """``model``, ``inputs`` and ``check_inputs`` of a target, as they are named on the device."""
    target = targets[index]
    model = next(k for k, other in enumerate(targets) if other.path == target.path)
    inputs = next(k for k, other in enumerate(targets) if other.inputs is target.inputs)
    check = None
    if target.check is not None:
        inside = target.check.inputs
        check = next(k for k, other in enumerate(targets) if other.check is not None and other.check.inputs is inside)
    return {
        "model": f"{model}.{target.format}",
        "inputs": f"{inputs}.npy",
        "check_inputs": None if check is None else f"check-{check}.npy",
    }


def plan_of(targets: Sequence[BenchTarget], index: int, settings: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """The agent's whole plan; names of files begin with ``prefix``. ``check`` in settings says whether to check."""
    names = {key: name and f"{prefix}{name}" for key, name in names_of(targets, index).items()}
    others = {key: value for key, value in settings.items() if key != "check"}
    check = names["check_inputs"] if settings["check"] else None
    return {**others, **names, "check_inputs": check, "format": targets[index].format}


def _saved(images: Any, scratch: str) -> Path:
    path = Path(scratch) / "inputs.npy"
    np.save(path, images, allow_pickle=False)
    return path


def _ended(device: Device, argv: Sequence[str], done: Completed) -> DeviceError:
    lines = done.stderr.strip().splitlines() or ["it said nothing"]
    last = lines[-1][:500].replace(python_agent.STAGE, "it was ")
    missing = "No module named" in last or done.status == 127
    hint = f". Set it up: edgekd devices setup {device.address}" if missing and device.address != "host" else ""
    return DeviceError(
        f"ended with status {done.status}: {last}{hint}",
        address=device.address,
        argv=argv,
        status=done.status,
        stdout=done.stdout,
        stderr=done.stderr,
    )


def check_threads(device: Device, threads: int) -> None:
    """Raises: UsageError where the device cannot be measured with so many threads (an emulator counts one)."""
    most = getattr(device, "max_threads", None)
    if most is not None and threads > most:
        raise UsageError(f"{device.address} is measured with at most {most} thread, got {threads}")
