"""Runs a .tflite on an accelerator of this machine by LiteRT's CompiledModel, in a child process."""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgekd import processes
from edgekd.accelerators.left_ops import adapter_of
from edgekd.accelerators.vulkan import Driver
from edgekd.errors import ArtifactError, DeviceError, UsageError
from edgekd.inspection.network import Network
from edgekd.text import last_line

Accelerator = Literal["cpu", "gpu", "cpu-fp16"]
ACCELERATORS: tuple[Accelerator, ...] = ("cpu", "gpu", "cpu-fp16")
TITLES: dict[Accelerator, str] = {
    "cpu": "CPU (XNNPACK)", "gpu": "GPU (LiteRT over Vulkan)", "cpu-fp16": "CPU, half precision forced (XNNPACK)",
}  # fmt: skip
TIMEOUT_S = 300.0
# Of that time no further input is run after this share: a driver on the CPU takes seconds for a large network.
_RUNNING = 0.4


@dataclass(frozen=True, eq=False)
class AcceleratorRun:
    """What one accelerator gave: every output [n, ...] for as many inputs as it had time for, and milliseconds.

    ``accelerated`` is whether a GPU took all ops, as LiteRT says; None of the CPU. ``log`` is what LiteRT printed.
    """

    accelerator: Accelerator
    driver: Driver | None
    accelerated: bool | None
    outputs: tuple[NDArray[Any], ...]
    latency_ms: tuple[float, ...]
    log: str


def run_on(
    path: Path,
    network: Network,
    inputs: Sequence[NDArray[Any]],
    accelerator: Accelerator,
    *,
    timeout_s: float = TIMEOUT_S,
) -> AcceleratorRun:
    """Run a .tflite over inputs, each [n, *shape], in the order of the graph's.

    Raises:
        DeviceError: This machine has no driver for it, or it crashed or took too long; the message names the driver.
        ArtifactError: LiteRT refuses the file there.
    """
    with tempfile.TemporaryDirectory(prefix="edgekd-") as name:
        folder = Path(name)
        for number, values in enumerate(inputs):
            np.save(folder / f"input{number}.npy", values)
        order = {
            "inputs": [int(key) for key in network.inputs],
            "outputs": [int(key) for key in network.outputs],
        }
        request = {
            "model": str(path.absolute()), "accelerator": accelerator, "folder": name, "order": order,
            "budget_s": timeout_s * _RUNNING,
        }  # fmt: skip
        argv = [sys.executable, "-m", "edgekd.accelerators.child", json.dumps(request)]
        ended = processes.run(argv, timeout_s, env={**os.environ, "TMPDIR": name})
        log = processes.decode(ended.stderr)
        result = _result(path, accelerator, ended, log, timeout_s)
        outputs = tuple(np.load(folder / f"output{number}.npy") for number in range(len(order["outputs"])))
    return AcceleratorRun(
        accelerator=accelerator,
        driver=_driver(path, result, log) if accelerator == "gpu" else None,
        accelerated=result["accelerated"],
        outputs=outputs,
        latency_ms=tuple(result["latency_ms"]),
        log=log,
    )


def _driver(path: Path, result: dict[str, Any], log: str) -> Driver:
    """The driver that LiteRT names: another one than was found first where there are several.

    Raises: DeviceError where it used none, and ran the file on the CPU without a word.
    """
    driver, adapter = Driver(**result["driver"]), adapter_of(log)
    if adapter is None:
        raise DeviceError(
            f"{path.name}: LiteRT did not use the GPU driver {driver.name}, and ran the file on the CPU. Update the "
            "driver, or name another in VK_DRIVER_FILES"
        )
    name, is_software = adapter
    return driver if name == driver.name else Driver(name, "software" if is_software else "GPU", driver.half_precision)


def check_names(names: Sequence[str]) -> tuple[Accelerator, ...]:
    """Accelerators by name, each once. Raises: UsageError."""
    unknown = [name for name in names if name not in ACCELERATORS]
    if unknown:
        raise UsageError(f"{unknown[0]!r} is not an accelerator. Choose of {', '.join(ACCELERATORS)}")
    return tuple(name for name in ACCELERATORS if name in names)


def _result(path: Path, accelerator: Accelerator, ended: processes.Ended, log: str, timeout_s: float) -> dict[str, Any]:
    doing, driver, result = "starting LiteRT", "", None
    for line in processes.decode(ended.stdout).splitlines():
        value = json.loads(line) if line.startswith("{") else {}
        doing, result = value.get("doing", doing), value.get("done", result)
        driver = f" with the driver {value['driver']['name']}" if "driver" in value else driver
    where = f"{path.name} on {TITLES[accelerator]}{driver}"
    if ended.killed is not None:
        raise DeviceError(f"{where}: {doing} took more than {timeout_s:g} s and was stopped. Try fewer photos")
    if result is None:
        how = f"by {processes.signal_name(ended.status)}" if ended.status < 0 else f": {last_line(log)}"
        raise DeviceError(f"{where}: {doing} ended its process {how}. Update the driver, or leave this one out")
    if "no_driver" in result:
        raise DeviceError(f"{accelerator}: {result['no_driver']}")
    if "refused" in result:
        raise ArtifactError(
            f"{where}: LiteRT refuses it while {doing}: {result['refused']}{_reason(log)}. Leave this accelerator out, "
            "or see the file's ops: edgekd inspect --all " + path.name
        )
    return dict(result)


def _reason(log: str) -> str:
    """LiteRT's own reason, which it prints and does not raise."""
    errors = re.findall(r"^(?:ERROR|E\d*)[: ]+(.*)$", log, re.MULTILINE)
    return f" ({last_line(errors[-1])})" if errors else ""
