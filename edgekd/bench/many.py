"""One plan on many devices, one after another: a device that fails leaves the others their turn."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from edgekd.bench.harness import BenchTarget, measure
from edgekd.bench.launching import AgentChoice, choose_agent
from edgekd.bench.plan import BenchPlan
from edgekd.bench.result import BenchResult
from edgekd.devices.protocol import Device
from edgekd.devices.table import open_device
from edgekd.errors import DeviceError, EdgekdError, UsageError


class Watcher(Protocol):
    """Who is told what goes on."""

    def started(self, stage: str) -> None:
        """A device begins."""
        ...

    def progress(self, done: int, total: int) -> None:
        """So many launches of it are done."""
        ...

    def finished(self, stage: str, seconds: float) -> None:
        """It ended by itself."""
        ...


@dataclass(frozen=True)
class Outcome:
    """One device: its result, part of one where it failed on the way, and the error that ended it."""

    address: str
    path: Path
    result: BenchResult | None
    error: EdgekdError | None


def measure_many(
    targets: Sequence[BenchTarget],
    baseline: str,
    plan: BenchPlan,
    addresses: Sequence[str],
    folder: Path,
    *,
    choice: AgentChoice | None = None,
    open_: Callable[[str], Device] = open_device,
    watcher: Watcher | None = None,
) -> list[Outcome]:
    """Measure the same files on every device; each result is ``folder/ADDRESS.json``, or what a failure left of it
    ``folder/ADDRESS.partial.json``.

    Never in parallel: the host that drives a phone is a disturbed host. ``open_`` opens an address.

    Raises: UsageError for an address given twice or of no known kind, before anything is measured.
    """
    if len(set(addresses)) != len(addresses):
        raise UsageError(f"a device is given twice: {', '.join(addresses)}")
    devices: list[Device | EdgekdError] = []
    for address in addresses:
        try:
            devices.append(open_(address))
        except UsageError:
            raise
        except EdgekdError as error:
            devices.append(error)
    outcomes = []
    for address, device in zip(addresses, devices, strict=True):
        path = folder / f"{slug(address)}.json"
        if isinstance(device, EdgekdError):
            outcomes.append(Outcome(address, path, None, device))
        else:
            outcomes.append(_measure_one(device, path, targets, baseline, plan, choice, watcher))
    return outcomes


def slug(address: str) -> str:
    """A file name for an address: ``ssh:pi@pi5`` is ``ssh_pi@pi5``."""
    return re.sub(r"[^A-Za-z0-9@.-]", "_", address)


def _measure_one(
    device: Device,
    path: Path,
    targets: Sequence[BenchTarget],
    baseline: str,
    plan: BenchPlan,
    choice: AgentChoice | None,
    watcher: Watcher | None,
) -> Outcome:
    """Grown beside an earlier result, which is replaced only by a whole one."""
    partial = path.with_name(f"{path.stem}.partial.json")
    partial.unlink(missing_ok=True)
    if watcher is not None:
        watcher.started(device.address)
    start_s = time.monotonic()
    try:
        agent = choose_agent(device, choice)
        told = None if watcher is None else watcher.progress
        runnable = [target for target in targets if target.format in agent.formats]
        result = measure(runnable, baseline, plan, device, told, save_to=partial, agent=agent)
        partial.replace(path)
    except DeviceError as error:
        return Outcome(device.address, partial, BenchResult.load(partial) if partial.is_file() else None, error)
    finally:
        if watcher is not None:
            watcher.finished(device.address, time.monotonic() - start_s)
    return Outcome(device.address, path, result, None)
