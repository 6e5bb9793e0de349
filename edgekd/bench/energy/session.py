"""Runs the blocks of an energy measurement on a device, beside a sampler of its power, and puts the record together."""

from __future__ import annotations

import math
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgekd.bench.agents.protocol import Agent
from edgekd.bench.agents.reply import LaunchRequest, launch_from_reply
from edgekd.bench.energy import sampler
from edgekd.bench.energy.plan import EnergyPlan, Step, first_rest_s, steps_of
from edgekd.bench.energy.records import Block, EnergyRecord, Trace
from edgekd.bench.energy.sources.protocol import NotMeasured, Reader
from edgekd.bench.harness import launch_settings
from edgekd.bench.plan import BenchPlan
from edgekd.bench.records import Launch
from edgekd.bench.targets import BenchTarget
from edgekd.devices.protocol import Completed, Device
from edgekd.errors import DeviceError, DeviceNotFound
from edgekd.progress import Progress

_SHORT_TIMEOUT_S = 60.0
# Loading and warming up, on the slowest devices.
_LAUNCH_S = 120.0
_STOP = ': > "$1"'


@dataclass(frozen=True)
class Setting:
    """What a session has to do with: the device, what launches there, the files, and what is slept with."""

    device: Device
    agent: Agent
    targets: Sequence[BenchTarget]
    bench_plan: BenchPlan
    cores: int | None = None
    progress: Progress | None = None
    sleep: Callable[[float], None] = time.sleep


def measure_blocks(setting: Setting, plan: EnergyPlan, reader: Reader | None) -> EnergyRecord:
    """Every block and rest, with the trace of ``reader``; without one the trace is a meter's log, still to come.

    Raises: NotMeasured where the source or the agent turns out not to tell enough; DeviceError.
    """
    with setting.device.workspace() as folder:
        try:
            setting.agent.prepare(folder, setting.targets)
            sampling = None if reader is None else _Sampling(setting.device, reader, folder, _longest_s(setting, plan))
            try:
                blocks, throttled = _Session(setting, plan).run()
            finally:
                readings = () if sampling is None else sampling.end()
        finally:
            setting.agent.finish()
    record = EnergyRecord(plan, blocks=blocks, throttled_rounds=throttled)
    if reader is None:
        return record
    return replace(record, source=reader.source, trace=_rounded(reader.trace(readings)))


class _Sampling:
    """The sampler on the device, run by a thread of its own from now until ``end``."""

    def __init__(self, device: Device, reader: Reader, folder: str, seconds: float) -> None:
        self._device = device
        self._out, self._stop = f"{folder}/power.txt", f"{folder}/power.stop"
        self._argv = sampler.argv(reader.command, self._out, self._stop, seconds)
        self._ended: Completed | None = None
        self._error: DeviceError | None = None
        self._thread = threading.Thread(target=self._run, args=(seconds,), daemon=True)
        self._thread.start()

    def _run(self, seconds: float) -> None:
        try:
            self._ended = self._device.run(self._argv, seconds + _LAUNCH_S)
        except DeviceError as error:
            self._error = error

    def end(self) -> tuple[sampler.Reading, ...]:
        """Stop it and fetch its readings. Raises: DeviceError where it failed."""
        self._device.run(["sh", "-c", _STOP, "edgekd", self._stop], _SHORT_TIMEOUT_S)
        self._thread.join(_SHORT_TIMEOUT_S)
        if self._error is not None:
            raise self._error
        if self._ended is None or self._ended.status != 0:
            why = "it does not end" if self._ended is None else f"it ended with status {self._ended.status}"
            raise DeviceError(
                f"{self._device.address}: power cannot be sampled there: {why}", address=self._device.address
            )
        with tempfile.TemporaryDirectory(prefix="edgekd-") as scratch:
            local = Path(scratch) / "power.txt"
            self._device.pull(self._out, local)
            return sampler.parse(local.read_text(encoding="utf-8", errors="replace"))


class _Session:
    """The blocks and rests of one device, one after the other."""

    def __init__(self, setting: Setting, plan: EnergyPlan) -> None:
        self._setting, self._plan = setting, plan
        self._throttled: list[int] = []

    def run(self) -> tuple[tuple[Block, ...], tuple[int, ...]]:
        """All blocks, and the rounds after which the device throttled."""
        steps = steps_of(self._plan, len(self._setting.targets))
        blocks = [self._rest(-1, first_rest_s(self._plan))]
        for done, step in enumerate(steps, start=1):
            blocks += [self._block(step), self._rest(step.round, step.rest_s)]
            if done == len(steps) or steps[done].round != step.round:
                self._poll(step.round)
            if self._setting.progress is not None:
                self._setting.progress(done, len(steps))
        return tuple(blocks), tuple(self._throttled)

    def _block(self, step: Step) -> Block:
        launch = self._launch(step)
        if launch.window_s is None or launch.inferences_n is None:
            raise NotMeasured(
                f"{self._setting.agent.name} does not tell when it infers"
                + (": use the demo (--apk)" if self._setting.agent.name == "benchmark_model" else ""),
                present=True,
            )
        name = self._setting.targets[step.index].name
        return Block(step.round, name, step.mode, *launch.window_s, launch.inferences_n, launch.late_n or 0)

    def _launch(self, step: Step) -> Launch:
        target, paced = self._setting.targets[step.index], step.mode == "paced"
        # Without a pace a curve keeps on inferring past the timings that are kept.
        changed: dict[str, Any] = {"mode": "paced", "pace_ms": self._plan.pace_ms} if paced else {"mode": "sustained"}
        if paced:
            changed["max_iterations"] = 2 + math.ceil(1000 * self._plan.block_s / self._plan.pace_ms)
            changed["min_iterations"] = 1
        plan = self._setting.bench_plan.model_copy(update={**changed, "seconds_per_launch": self._plan.block_s})
        settings = launch_settings(plan, target, first=False)
        timeout_s = max(plan.launch_timeout_s, 3 * self._plan.block_s + _LAUNCH_S)
        reply = self._setting.agent.launch(step.index, step.round, settings, timeout_s)
        request = LaunchRequest(
            threads=settings["threads"],
            max_iterations=plan.max_iterations,
            timeout_s=timeout_s,
            inputs_n=len(target.inputs),
            curve=settings["curve"],
        )
        return launch_from_reply(reply, step.round, 0, request, self._setting.device.address)

    def _rest(self, round_: int, seconds: float) -> Block:
        """Nothing but the sampler runs; the device's own clock says from when to when."""
        before = self._clock()
        self._setting.sleep(seconds)
        after = self._clock()
        busy = None
        if self._setting.cores and after[0] > before[0]:
            busy = self._setting.cores - (after[1] - before[1]) / (after[0] - before[0])
            # A container may see other cores than it has.
            busy = round(max(0.0, busy), 3) if -0.2 < busy <= self._setting.cores else None
        return Block(round_, "", "idle", before[0], after[0], busy_cores=busy)

    def _clock(self) -> tuple[float, float]:
        device = self._setting.device
        clock = sampler.parse_clock(device.run(["cat", sampler.CLOCK], _SHORT_TIMEOUT_S).stdout)
        if clock is None:
            raise NotMeasured(f"it has no clock at {sampler.CLOCK}")
        return clock

    def _poll(self, round_: int) -> None:
        ask = getattr(self._setting.device, "throttling", None)
        try:
            state = {} if ask is None else ask()
        except DeviceNotFound:
            raise
        except DeviceError:
            return
        if state.get("throttled_now"):
            self._throttled.append(round_)


def _longest_s(setting: Setting, plan: EnergyPlan) -> float:
    steps = steps_of(plan, len(setting.targets))
    return first_rest_s(plan) + sum(plan.block_s + step.rest_s + _LAUNCH_S for step in steps)


def _rounded(trace: Trace) -> Trace:
    """Milliseconds, and millionths of a watt or joule: more is noise in every source."""
    times, values = (tuple(round(each, digits) for each in side) for side, digits in (
        (trace.time_s, 3), (trace.values, 6)))  # fmt: skip
    return Trace(times, values, trace.unreadable)
