"""Milliseconds of a core that is not here, from what it would execute. An estimate, never a measurement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from edgekd.bench.records import TimeEstimate
from edgekd.bench.result import BenchResult
from edgekd.bench.targets import BenchTarget
from edgekd.core_time import scheduling
from edgekd.core_time.cores import CORES, Core
from edgekd.core_time.memory import count_transfers, join_cycles
from edgekd.core_time.trace import Part, Sampling, record
from edgekd.devices.emulated import EmulatedDevice
from edgekd.devices.protocol import Device
from edgekd.errors import UsageError

TRACE_TIMEOUT_S = 1800.0


def core_of(address: str) -> Core:
    """The core that an emulated device's time is estimated for. Raises: UsageError for any other device."""
    scheme, _, name = address.partition(":")
    if scheme != "emulated" or name not in CORES:
        raise UsageError(
            f"{address}: time is estimated for {', '.join(f'emulated:{name}' for name in CORES)} alone. "
            "On other devices it is measured: leave --estimate-time out"
        )
    return CORES[name]


def estimate_time(
    target: BenchTarget,
    device: Device,
    sampling: Sampling | None = None,
    timeout_s: float = TRACE_TIMEOUT_S,
    tools: scheduling.Tools | None = None,
) -> TimeEstimate:
    """Estimate how long one inference of ``target`` takes on the core that ``device`` emulates, in one thread.

    Args:
        target: The file and the photos, of which the first is used.
        device: An emulated core.
        sampling: How much of the inference is simulated.
        timeout_s: Seconds that the emulator may take.
        tools: LLVM's; found on the PATH if None.

    Raises: UsageError for another device; DeviceError if LLVM is missing or the file does not run.
    """
    core = core_of(device.address)
    assert isinstance(device, EmulatedDevice)
    tools = tools or scheduling.find_tools(device.address)
    parts = record(device, core, target, sampling or Sampling(), timeout_s)
    cycles = scheduling.count_cycles(tools, core.schedule, [part.window for part in parts])
    return join_parts(core, parts, cycles, llvm=tools.version)


def add_estimates(result: BenchResult, targets: Sequence[BenchTarget], device: Device) -> BenchResult:
    """``result`` with an estimate of every file that was counted in one thread and has none.

    Raises: as ``estimate_time``.
    """
    files = {target.name: target for target in targets}
    measurements = tuple(
        one
        if one.estimate is not None or one.threads != 1 or not one.launches
        else replace(one, estimate=estimate_time(files[one.name], device))
        for one in result.measurements
    )
    return result if measurements == result.measurements else replace(result, measurements=measurements)


def require_tools(addresses: Sequence[str]) -> None:
    """Check before anything is measured that time can be estimated there.

    Raises: UsageError where no address is an emulated core; DeviceNotFound naming the package that is missing.
    """
    emulated = [address for address in addresses if address.partition(":")[0] == "emulated"]
    if not emulated:
        core_of(addresses[0])
    for address in emulated:
        core_of(address)
        scheduling.find_tools(address)


def join_parts(
    core: Core, parts: Sequence[Part], window_cycles: Sequence[float], llvm: str, threads: int = 1
) -> TimeEstimate:
    """Put the parts of an inference together.

    Args:
        core: Whose caches, memory and clock count.
        parts: What each part of the inference executed and missed.
        window_cycles: Cycles of the window of each part.
        llvm: The version that simulated them.
        threads: Cores that share the work evenly, an ideal; executing and transfers are those of all of them.
    """
    lengths = np.array([sum(len(code) // 4 for code in part.window) for part in parts], dtype=np.float64)
    per_instruction = np.asarray(window_cycles, dtype=np.float64) / lengths
    instructions = np.array([part.instructions for part in parts], dtype=np.float64)
    executing = per_instruction * instructions
    transfers = [count_transfers(core, part.misses) for part in parts]
    total = sum(join_cycles(own, moved, threads) for own, moved in zip(executing, transfers, strict=True))
    per_ms = core.clock_mhz * 1e3
    return TimeEstimate(
        ms=float(total / per_ms),
        executing_ms=float(executing.sum() / per_ms),
        transfer_ms=sum(moved.busy + moved.waiting for moved in transfers) / per_ms,
        sampling_error=_sampling_error(per_instruction, instructions),
        instructions=int(instructions.sum()),
        board=core.board,
        clock_mhz=core.clock_mhz,
        schedule=core.schedule,
        llvm=llvm,
    )


def _sampling_error(per_instruction: npt.NDArray[np.float64], instructions: npt.NDArray[np.float64]) -> float:
    """Relative standard error of the cycles: parts that follow each other are alike, so their differences tell it."""
    if len(per_instruction) < 2:
        return 0.0
    differences = np.diff(per_instruction * instructions)
    return float(np.sqrt((differences**2).sum() / 2) / (per_instruction * instructions).sum())
