"""The Python agent: device_agent.py, pushed beside the files and run in a fresh process."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekd import storage
from edgekd.bench.agents import device_agent as python_agent
from edgekd.bench.agents import device_end_to_end
from edgekd.bench.agents.photo_archive import device_archive
from edgekd.bench.agents.protocol import files_of, plan_of
from edgekd.bench.agents.reply import read_reply
from edgekd.bench.prepared import PreparedInputs
from edgekd.devices.protocol import Completed, Device
from edgekd.errors import DeviceError
from edgekd.text import last_line

if TYPE_CHECKING:
    from edgekd.bench.targets import BenchTarget


class PythonAgent:
    """``device_agent.py``, pushed as ``agent.py`` beside the files; every name is safe in any shell and file system."""

    name = "python"
    formats: tuple[str, ...] = ("tflite", "onnx", "ort")
    takes_prepared = True

    def __init__(self, device: Device) -> None:
        self._device, self._folder = device, ""
        self._targets: tuple[BenchTarget, ...] = ()

    def prepare(self, folder: str, targets: Sequence[BenchTarget]) -> None:
        """The agent, and each target's file and images; one that several share is pushed once."""
        self._folder, self._targets = folder, tuple(targets)
        self._device.push(Path(python_agent.__file__), f"{folder}/agent.py")
        if any(target.raw is not None for target in targets):
            self._push_end_to_end()
        for file, content in files_of(targets).items():
            with tempfile.TemporaryDirectory(prefix="edgekd-") as scratch:
                self._device.push(
                    content if isinstance(content, Path) else save_inputs(content, scratch), f"{folder}/{file}"
                )

    def _push_end_to_end(self) -> None:
        self._device.push(Path(device_end_to_end.__file__), f"{self._folder}/end_to_end.py")
        with tempfile.TemporaryDirectory(prefix="edgekd-") as scratch:
            archive = Path(scratch) / "photo_pixels.zip"
            archive.write_bytes(device_archive())
            self._device.push(archive, f"{self._folder}/photo_pixels.zip")

    def launch(self, index: int, round_: int, settings: Mapping[str, Any], timeout_s: float) -> Any:
        """Push the plan, run the agent, pull its reply."""
        plan, out = f"{self._folder}/plan.json", f"{self._folder}/out-{round_}-{index}.json"
        argv = [self._device.python, f"{self._folder}/agent.py", plan, out]
        with tempfile.TemporaryDirectory(prefix="edgekd-") as scratch:
            local_plan, local_out = Path(scratch) / "plan.json", Path(scratch) / "out.json"
            content = plan_of(self._targets, index, settings, f"{self._folder}/")
            storage.write_json(local_plan, {**content, "sample_ms": settings["sample_ms"]})
            self._device.push(local_plan, plan)
            done = self._device.run(argv, timeout_s)
            if done.status != 0:
                raise _describe_end(self._device, argv, done)
            self._device.pull(out, local_out)
            return read_reply(local_out, self._device.address)

    def finish(self) -> None:
        """Nothing lies outside the workspace."""


def save_inputs(inputs: Any, scratch: str) -> Path:
    """Images or prepared inputs as a file in ``scratch``."""
    if isinstance(inputs, PreparedInputs):
        path = Path(scratch) / "inputs.npz"
        arrays: dict[str, Any] = {str(number): array for number, array in enumerate(inputs.arrays)}
        np.savez(path, **arrays)
        return path
    path = Path(scratch) / "inputs.npy"
    np.save(path, inputs, allow_pickle=False)
    return path


def _describe_end(device: Device, argv: Sequence[str], done: Completed) -> DeviceError:
    last = last_line(done.stderr, most=500).replace(python_agent.STAGE, "it was ")
    missing = "No module named" in last or done.status == 127
    hint = f". Set it up: edgekd devices setup {device.address}" if missing and device.address != "host" else ""
    return done.failure(
        f"ended with status {done.status}: {last}{hint}",
        address=device.address,
        argv=argv,
    )
