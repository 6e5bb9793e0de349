"""One plan on many devices, one after another: a device that fails leaves the others their turn."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edgekd.bench import resume
from edgekd.bench.agents.choose import AgentChoice, choose_agent
from edgekd.bench.agents.protocol import Agent
from edgekd.bench.energy.measure import add_energy
from edgekd.bench.energy.plan import EnergyRequest
from edgekd.bench.energy.session import Setting
from edgekd.bench.harness import blank, measure
from edgekd.bench.plan import BenchPlan
from edgekd.bench.prepared import PreparedInputs
from edgekd.bench.result import BenchResult
from edgekd.bench.targets import BenchTarget
from edgekd.devices.protocol import Device
from edgekd.devices.table import open_device
from edgekd.errors import DeviceError, EdgekdError, UsageError
from edgekd.progress import Watcher
from edgekd.text import one_line

# Adds to a device's whole result what is calculated, not measured.
Complete = Callable[[BenchResult, Sequence[BenchTarget], Device], BenchResult]


@dataclass(frozen=True)
class Outcome:
    """One device: its result, part of one where it failed on the way, and the error that ended it."""

    address: str
    path: Path
    result: BenchResult | None
    error: EdgekdError | None


@dataclass(frozen=True)
class _Task:
    """What is to be measured on one device, and where its result goes."""

    device: Device
    agent: Agent
    targets: tuple[BenchTarget, ...]
    wanted: BenchResult
    path: Path
    energy: EnergyRequest | None

    @property
    def partial(self) -> Path:
        """Where the result grows, beside an earlier one, which is replaced only by a whole one."""
        return self.path.with_name(f"{self.path.stem}.partial.json")


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
    anew: bool = False,
    energy: EnergyRequest | None = None,
    complete: Complete | None = None,
) -> list[Outcome]:
    """Measure the same files on every device; each result is ``folder/ADDRESS.json``, or what a failure or a kill left
    of it ``folder/ADDRESS.partial.json``.

    The same call resumes there: finished devices and launches are not measured again, unless ``anew``. Devices run one
    after another: driving a phone over adb loads the host and would disturb its timings. ``open_`` opens an address.
    Where a device's agent does not run the baseline's format, the first file that it runs is the baseline there.
    With ``energy``, each device's energy is measured after its latency.
    ``complete`` may add to a whole result, which is then written again.

    Raises: UsageError for an address given twice or of no known kind, or for what a device cannot be asked, before
    anything is measured.
    """
    if len(set(addresses)) != len(addresses):
        raise UsageError(f"a device is given twice: {', '.join(addresses)}")
    note = watcher.note if watcher is not None else _silent
    tasks: list[_Task | DeviceError] = []
    for address in addresses:
        try:
            tasks.append(_task(open_(address), folder, targets, baseline, plan, choice, note, energy))
        except DeviceError as error:
            tasks.append(error)
    requests = [
        address if isinstance(task, DeviceError) else task.wanted
        for address, task in zip(addresses, tasks, strict=True)
    ]
    ledger = resume.Ledger(folder, requests, anew)
    for task in tasks:
        # Where the baseline is left out, that was said.
        if not isinstance(task, DeviceError) and (left := [n for n in _left_out(task, targets) if n != baseline]):
            note(f"{task.device.address}: {task.agent.name} does not run {', '.join(left)}: left out there")
    ledger.begin()
    outcomes = []
    for address, task in zip(addresses, tasks, strict=True):
        if isinstance(task, DeviceError):
            outcomes.append(Outcome(address, folder / f"{slug(address)}.json", None, task))
            continue
        finished = _whole(task, note) if ledger.is_whole(address) else None
        outcome = finished or _measure_one(task, watcher, note, anew)
        outcomes.append(outcome if complete is None else _completed(outcome, task, complete))
        if outcomes[-1].error is None:
            ledger.add(address)
    if all(outcome.error is None for outcome in outcomes):
        ledger.end()
    return outcomes


def slug(address: str) -> str:
    """A file name for an address: ``ssh:pi@pi5`` is ``ssh_pi@pi5``."""
    return re.sub(r"[^A-Za-z0-9@.-]", "_", address)


def _task(
    device: Device,
    folder: Path,
    targets: Sequence[BenchTarget],
    baseline: str,
    plan: BenchPlan,
    choice: AgentChoice | None,
    note: resume.Note,
    energy: EnergyRequest | None,
) -> _Task:
    agent = choose_agent(device, choice)
    runnable = tuple(
        target
        for target in targets
        if target.format in agent.formats and (not isinstance(target.inputs, PreparedInputs) or agent.takes_prepared)
    )
    names = [target.name for target in runnable]
    if names and baseline not in names and _find(targets, baseline) is not None:
        note(
            f"{device.address}: its {agent.name} agent does not run {baseline}, so it is left out there and the others "
            f"are compared with {names[0]}"
        )
        baseline = names[0]
    wanted = blank(runnable, baseline, plan, device, agent)
    return _Task(device, agent, runnable, wanted, folder / f"{slug(device.address)}.json", energy)


def _find(targets: Sequence[BenchTarget], name: str) -> BenchTarget | None:
    return next((target for target in targets if target.name == name), None)


def _left_out(task: _Task, targets: Sequence[BenchTarget]) -> list[str]:
    names = {target.name for target in task.targets}
    return [target.name for target in targets if target.name not in names]


def _whole(task: _Task, note: resume.Note) -> Outcome | None:
    """The result of a device that the killed command had finished."""
    try:
        result = BenchResult.load(task.path)
    except EdgekdError:
        return None
    if not result.complete or resume.find_difference(result, task.wanted) is not None:
        return None
    if task.energy is not None and result.energy is None:
        return None
    note(f"{task.device.address}: measured at {result.facts_after.get('time_utc')}, kept (--anew measures it again)")
    return Outcome(task.device.address, task.path, result, None)


def _measure_one(task: _Task, watcher: Watcher | None, note: resume.Note, anew: bool) -> Outcome:
    """A device's failure ends its own measurement alone, and what was measured of it is kept."""
    device, partial = task.device, task.partial
    if anew and partial.is_file():
        resume.set_aside(partial, "measured anew", note)
    earlier = resume.load_earlier(partial, task.wanted, note)
    if watcher is not None:
        watcher.started(device.address)
    start_s = time.monotonic()

    def go_on(fresh: BenchResult) -> BenchResult:
        return fresh if earlier is None else resume.resume_from(earlier, fresh, partial, note)

    try:
        progress = None if watcher is None else watcher.progress
        plan, baseline = task.wanted.plan, task.wanted.baseline
        result = measure(task.targets, baseline, plan, device, progress, partial, task.agent, go_on)
        if task.energy is not None:
            result = _add_energy(task, task.energy, result, watcher)
        partial.replace(task.path)
        outcome = Outcome(device.address, task.path, result, None)
    except UsageError:
        raise
    except Exception as error:
        outcome = Outcome(device.address, partial, _load_partial(partial), _as_device_error(error, device.address))
    if watcher is not None:
        watcher.finished(device.address, time.monotonic() - start_s)
    return outcome


def _add_energy(task: _Task, request: EnergyRequest, result: BenchResult, watcher: Watcher | None) -> BenchResult:
    progress = None if watcher is None else watcher.progress
    cores = result.facts_before.get("cores")
    setting = Setting(task.device, task.agent, task.targets, result.plan, cores, progress)
    result = add_energy(result, setting, request, lambda so_far: so_far.save(task.partial))
    result.save(task.partial)
    return result


def _completed(outcome: Outcome, task: _Task, complete: Complete) -> Outcome:
    """What was measured stays where adding to it fails."""
    if outcome.error is not None or outcome.result is None:
        return outcome
    try:
        result = complete(outcome.result, task.targets, task.device)
    except UsageError:
        raise
    except EdgekdError as error:
        return replace(outcome, error=_as_device_error(error, task.device.address))
    if result is not outcome.result:
        result.save(outcome.path)
    return replace(outcome, result=result)


def _load_partial(partial: Path) -> BenchResult | None:
    try:
        return BenchResult.load(partial)
    except EdgekdError:
        return None


def _as_device_error(error: Exception, address: str) -> DeviceError:
    """A device's own error as it is; any other in one line."""
    if isinstance(error, DeviceError):
        return error
    if isinstance(error, OSError):
        where = f" ({error.filename})" if error.filename else ""
        return DeviceError(f"{address}: this machine failed: {error.strerror or error}{where}", address=address)
    if isinstance(error, EdgekdError):
        return DeviceError(f"{address}: {error}", address=address)
    problem = one_line(f"{type(error).__name__}: {error}")
    return DeviceError(f"{address}: it answered with something unexpected ({problem})", address=address)


def _silent(_: str) -> None:
    """Nobody reads notes."""
