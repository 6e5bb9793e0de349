"""Measuring files side by side: fresh processes, interleaved in random order, every raw timing kept."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from edgekd import storage
from edgekd.bench.agents.device_agent import STAGE
from edgekd.bench.agents.protocol import Agent, check_device
from edgekd.bench.agents.python_agent import PythonAgent
from edgekd.bench.agents.reply import LaunchRequest, launch_from_reply
from edgekd.bench.plan import BenchPlan
from edgekd.bench.records import Failure, Launch, Measurement
from edgekd.bench.result import BenchResult
from edgekd.bench.targets import BenchTarget
from edgekd.devices.protocol import Device
from edgekd.errors import DeviceError, DeviceNotFound, DeviceTimeout, UsageError
from edgekd.progress import Progress
from edgekd.text import printable


def measure(
    targets: Sequence[BenchTarget],
    baseline: str,
    plan: BenchPlan,
    device: Device,
    progress: Progress | None = None,
    save_to: str | os.PathLike[str] | None = None,
    agent: Agent | None = None,
    go_on: Callable[[BenchResult], BenchResult] | None = None,
) -> BenchResult:
    """Launch every target ``plan.launches`` times, in rounds of random order.

    Args:
        targets: the files, each with a different name. One that fails is not launched again; the others continue.
        baseline: the name of the target that the others are compared with.
        plan: launches, seconds of each, threads, delegate, mode.
        device: where they run; see ``open_device``.
        progress: called as ``progress(done, total)`` after each launch.
        save_to: the result so far is written to this file after every launch, so that neither a failure nor a kill
            loses what was measured.
        agent: what launches on the device; the Python agent if None.
        go_on: takes the result without launches and may put earlier ones into it: only missing ones are launched.

    Returns: the result; see ``BenchResult.ratio`` and ``BenchResult.median_ms``.

    Raises: UsageError for names that do not fit; DeviceError at the end (at once if the device is gone) naming the
        first launch that failed, with its stderr.

    Example:

    >>> import edgekd, numpy as np
    >>> photos = np.zeros((8, 224, 224, 3), np.uint8)
    >>> files = {"teacher": "teacher.tflite", "student": "student.int8.tflite"}
    >>> targets = [edgekd.BenchTarget(name, path, "tflite", photos) for name, path in files.items()]  # doctest: +SKIP
    >>> result = edgekd.measure(targets, "teacher", edgekd.BenchPlan(), edgekd.open_device("host"))  # doctest: +SKIP
    >>> result.ratio("student").value  # doctest: +SKIP
    0.168
    """
    save_to = None if save_to is None else Path(save_to)
    agent = agent or PythonAgent(device)
    result = blank(targets, baseline, plan, device, agent)
    session = _Session(device, agent, plan, list(targets), progress, save_to)
    with device.workspace() as folder:
        hold_steady = getattr(device, "hold_steady", None)
        if hold_steady is not None:
            hold_steady(folder)
        result = replace(result, facts_before=device.facts())
        result = session.keep(result if go_on is None else go_on(result))
        try:
            agent.prepare(folder, targets)
            for round_ in range(plan.launches):
                result = session.round(result, round_)
        finally:
            agent.finish()
        result = session.keep(replace(result, facts_after=device.facts(), complete=not result.failures))
    if result.failures:
        _raise_first(result, save_to)
    return result


def blank(targets: Sequence[BenchTarget], baseline: str, plan: BenchPlan, device: Device, agent: Agent) -> BenchResult:
    """The result before anything is launched, without facts. Raises: UsageError for names or threads that don't fit."""
    _check_names(targets, baseline)
    for target in targets:
        check_device(device, target.threads or plan.threads, target.raw is not None)
    measurements = tuple(_empty(target, plan) for target in targets)
    return BenchResult(device.address, baseline, plan, (), {}, {}, measurements, agent=agent.name)


class _Session:
    """The rounds of one measurement, saved after every launch."""

    def __init__(
        self,
        device: Device,
        agent: Agent,
        plan: BenchPlan,
        targets: list[BenchTarget],
        progress: Progress | None,
        save_to: Path | None,
    ) -> None:
        self.device, self.agent, self.plan, self.targets = device, agent, plan, targets
        self._progress, self._save_to = progress, save_to

    def keep(self, result: BenchResult) -> BenchResult:
        """Write the result so far."""
        if self._save_to is not None:
            result.save(self._save_to)
        return result

    def round(self, result: BenchResult, round_: int) -> BenchResult:
        """Every target that has not failed and has no launch of this round, in an order that the seed decides."""
        order = np.random.default_rng([self.plan.seed, round_]).permutation(len(self.targets))
        names = tuple(self.targets[index].name for index in order)
        if len(result.order) == round_:
            result = replace(result, order=(*result.order, names))
        launched = False
        for done, index in enumerate(order, start=1):
            if not _has_launch(result, names[done - 1], round_):
                result, launched = self.keep(self._launch(result, int(index), round_)), True
                if self.plan.mode == "sustained":
                    result = self._poll(result, round_)
            if self._progress is not None:
                self._progress(round_ * len(self.targets) + done, self.plan.launches * len(self.targets))
        return self._poll(result, round_) if launched and self.plan.mode != "sustained" else result

    def _launch(self, result: BenchResult, index: int, round_: int) -> BenchResult:
        name = self.targets[index].name
        if any(failure.name == name for failure in result.failures):
            return result
        try:
            launch = self._ask(index, round_, len(result.resumed))
        except DeviceNotFound:
            raise
        except DeviceError as error:
            message = printable(f"{name} on {self.device.address}, launch {round_ + 1}: {_describe(error)}")
            failure = Failure(name, round_, message, error.stderr)
            return replace(result, failures=(*result.failures, failure))
        measurements = tuple(
            replace(measurement, launches=tuple(sorted((*measurement.launches, launch), key=lambda each: each.round)))
            if measurement.name == name
            else measurement
            for measurement in result.measurements
        )
        return replace(result, measurements=measurements)

    def _ask(self, index: int, round_: int, session: int) -> Launch:
        target, plan = self.targets[index], self.plan
        settings = launch_settings(plan, target, first=round_ == 0)
        reply = self.agent.launch(index, round_, settings, plan.launch_timeout_s)
        request = LaunchRequest(
            threads=settings["threads"],
            max_iterations=plan.max_iterations,
            timeout_s=plan.launch_timeout_s,
            inputs_n=len(target.inputs) * target.outputs_n,
            check_n=len(target.check.inputs) * target.outputs_n
            if target.check is not None and settings["check"]
            else 0,
            curve=settings["curve"],
            answers=settings["answers"],
            end_to_end=target.raw.counts if target.raw is not None and settings["end_to_end"] else (),
        )
        return launch_from_reply(reply, round_, session, request, self.device.address)

    def _poll(self, result: BenchResult, round_: int) -> BenchResult:
        """The device's throttling and temperature after a round, where it can report them alone."""
        ask = getattr(self.device, "throttling", None)
        if ask is None:
            return result
        try:
            state = ask()
        except DeviceNotFound:
            raise
        except DeviceError:
            # The measurement itself has worked; the facts at its end say the rest.
            return result
        return self.keep(replace(result, polled=(*result.polled, {"round": round_, **state})))


def _has_launch(result: BenchResult, name: str, round_: int) -> bool:
    return any(launch.round == round_ for launch in result.measurement(name).launches)


def _describe(error: DeviceError) -> str:
    """The error; for a launch that took too long also its last stage, which the agent writes to its stderr."""
    if not isinstance(error, DeviceTimeout):
        return str(error)
    at = [line.removeprefix(STAGE) for line in error.stderr.splitlines() if line.startswith(STAGE)]
    return f"{error} (--timeout){f'. It was {at[-1][:80]}' if at else ''}"


def launch_settings(plan: BenchPlan, target: BenchTarget, first: bool) -> dict[str, Any]:
    """The keys of the agent's plan that are not files; answers are taken in the first round alone."""
    return {
        "threads": target.threads or plan.threads,
        "affinity": None if plan.affinity is None else list(plan.affinity),
        "delegate": plan.delegate,
        "warmup_min_iterations": plan.warmup_min_iterations,
        "warmup_max_s": plan.warmup_max_s,
        "seconds": plan.seconds_per_launch,
        "min_iterations": plan.min_iterations,
        "max_iterations": plan.max_iterations,
        "sample_ms": plan.sample_ms,
        "pace_ms": plan.pace_ms if plan.mode == "paced" else None,
        "curve": plan.mode == "sustained",
        "answers": first,
        "check": first and target.check is not None,
        # Not in the blocks that energy is measured in.
        "end_to_end": plan.mode == "back-to-back" and target.raw is not None,
    }


def _check_names(targets: Sequence[BenchTarget], baseline: str) -> None:
    names = [target.name for target in targets]
    if len(set(names)) != len(names) or not all(names):
        raise UsageError(f"every file needs a different name, got: {', '.join(names)}")
    if baseline not in names:
        raise UsageError(f"the baseline {baseline!r} is not among what is measured: {', '.join(names) or 'nothing'}")


def _empty(target: BenchTarget, plan: BenchPlan) -> Measurement:
    return Measurement(
        name=target.name,
        file=target.path.name,
        format=target.format,
        sha256=storage.sha256_file(target.path),
        size_bytes=target.path.stat().st_size,
        input_size=target.input_size,
        inputs_n=len(target.inputs),
        inputs_sha256=target.inputs_sha256(),
        threads=target.threads or plan.threads,
        host=None if target.check is None else target.check.host,
        inputs=target.source,
        end_to_end=() if target.raw is None else target.raw.records,
    )


def _raise_first(result: BenchResult, path: Path | None) -> None:
    first = result.failures[0]
    others = sorted({failure.name for failure in result.failures} - {first.name})
    measured = path is not None and any(measurement.launches for measurement in result.measurements)
    saved_in = f" What was measured is in {path}; the same command continues there." if measured else ""
    also = f" Also failed: {', '.join(others)}." if others else ""
    raise DeviceError(f"{first.message}.{also}{saved_in}", address=result.device, stderr=first.stderr)
