"""Measures files side by side: fresh processes, interleaved in random order, every raw timing kept."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgekd import storage
from edgekd.bench.launching import Agent, PythonAgent, check_threads
from edgekd.bench.plan import BenchPlan
from edgekd.bench.result import BenchResult, Failure, HostAnswers, Launch, Measurement, launch_from_agent
from edgekd.devices.protocol import Device
from edgekd.errors import DeviceError, DeviceNotFound, UsageError

Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class CheckPhotos:
    """Photos that a device is scored on and held against the host: uint8 RGB [n, H, W, 3], and what the host says."""

    inputs: NDArray[np.uint8]
    host: HostAnswers


@dataclass(frozen=True, eq=False)
class BenchTarget:
    """A file to measure and the images to measure it on: uint8 RGB [n, H, W, 3], already of its input size.

    ``threads`` overrides the plan's, for a sweep.
    """

    name: str
    path: Path
    format: Literal["tflite", "onnx", "ort"]
    inputs: NDArray[np.uint8]
    threads: int | None = None
    check: CheckPhotos | None = None

    def __post_init__(self) -> None:
        if self.format not in ("tflite", "onnx", "ort"):
            raise UsageError(f"{self.name}: format must be tflite, onnx or ort, got {self.format!r}")
        if self.inputs.dtype != np.uint8 or self.inputs.ndim != 4 or self.inputs.shape[3] != 3 or not len(self.inputs):
            raise UsageError(
                f"{self.name}: inputs must be uint8 RGB [n, H, W, 3] with n > 0, "
                f"got {self.inputs.dtype} {list(self.inputs.shape)}"
            )
        if not self.path.is_file():
            raise UsageError(f"{self.name}: {self.path} is not a file")


def measure(
    targets: Sequence[BenchTarget],
    baseline: str,
    plan: BenchPlan,
    device: Device,
    progress: Progress | None = None,
    save_to: Path | None = None,
    agent: Agent | None = None,
) -> BenchResult:
    """Launch every target ``plan.launches`` times, in rounds of random order.

    ``progress(done, total)`` counts launches. With ``save_to`` the result so far is written there after every
    round, so that neither a failure nor a kill loses what was measured. A target that fails is not launched again;
    the others go on. ``agent`` is what launches on the device, the Python agent unless another is given.

    Raises: UsageError for names that do not fit; DeviceError at the end (at once if the device is gone) naming the
    first launch that failed, with its stderr.
    """
    _check_names(targets, baseline)
    for target in targets:
        check_threads(device, target.threads or plan.threads)
    agent = agent or PythonAgent(device)
    session = _Session(device, agent, plan, list(targets))
    with device.workspace() as folder:
        result = BenchResult(
            device=device.address,
            baseline=baseline,
            plan=plan,
            order=(),
            facts_before=device.facts(),
            facts_after={},
            measurements=tuple(_empty(target, plan) for target in targets),
            agent=agent.name,
        )
        try:
            agent.prepare(folder, targets)
            for round_ in range(plan.launches):
                result = session.round(result, round_, progress)
                _save(result, save_to)
        except DeviceError:
            _save(session.partial or result, save_to)
            raise
        finally:
            agent.finish()
        result = replace(result, facts_after=device.facts(), complete=not result.failures)
        _save(result, save_to)
    if result.failures:
        _raise_first(result, save_to)
    return result


class _Session:
    """The rounds of one measurement; ``partial`` is the result so far."""

    def __init__(self, device: Device, agent: Agent, plan: BenchPlan, targets: list[BenchTarget]) -> None:
        self.device, self.agent, self.plan, self.targets = device, agent, plan, targets
        self.partial: BenchResult | None = None

    def round(self, result: BenchResult, round_: int, progress: Progress | None) -> BenchResult:
        """Every target that has not failed, once, in an order that the seed decides."""
        order = np.random.default_rng([self.plan.seed, round_]).permutation(len(self.targets))
        names = tuple(self.targets[index].name for index in order)
        result = self.partial = replace(result, order=(*result.order, names))
        for done, index in enumerate(order, start=1):
            result = self.partial = self._launch(result, int(index), round_)
            if progress is not None:
                progress(round_ * len(self.targets) + done, self.plan.launches * len(self.targets))
        return result

    def _launch(self, result: BenchResult, index: int, round_: int) -> BenchResult:
        name = self.targets[index].name
        if any(failure.name == name for failure in result.failures):
            return result
        try:
            launch = self._ask(index, round_)
        except DeviceNotFound:
            raise
        except DeviceError as error:
            message = f"{name} on {self.device.address}, launch {round_ + 1}: {error}"
            failure = Failure(name, round_, message, error.stderr)
            return replace(result, failures=(*result.failures, failure))
        measurements = tuple(
            replace(one, launches=(*one.launches, launch)) if one.name == name else one for one in result.measurements
        )
        return replace(result, measurements=measurements)

    def _ask(self, index: int, round_: int) -> Launch:
        settings = _settings(self.plan, self.targets[index], first=round_ == 0)
        reply = self.agent.launch(index, round_, settings, self.plan.launch_timeout_s)
        try:
            launch = launch_from_agent(reply, round_)
            _check_answers(launch, self.targets[index])
        except ValueError as error:
            refused = reply.get("error") if isinstance(reply, dict) else None
            said = str(refused)[:500] if refused else f"it answered with something that is not a measurement ({error})"
            raise DeviceError(said, address=self.device.address) from None
        return launch


def _settings(plan: BenchPlan, target: BenchTarget, first: bool) -> dict[str, Any]:
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
        "pace_ms": plan.pace_ms if plan.mode == "paced" else None,
        "curve": plan.mode == "sustained",
        "answers": first,
        "check": first and target.check is not None,
    }


def _check_answers(launch: Launch, target: BenchTarget) -> None:
    """Raises: ValueError for answers that are not one a photo."""
    pairs = [(launch.answers, len(target.inputs))]
    pairs += [(launch.check_answers, len(target.check.inputs))] if target.check is not None else []
    for answers, count in pairs:
        if answers is not None and len(answers) != count:
            raise ValueError(f"{len(answers)} answers to {count} photos")


def _check_names(targets: Sequence[BenchTarget], baseline: str) -> None:
    names = [target.name for target in targets]
    if len(set(names)) != len(names) or not all(names):
        raise UsageError(f"every file measured needs a name of its own, got: {', '.join(names)}")
    if baseline not in names:
        raise UsageError(f"the baseline {baseline!r} is not among what is measured: {', '.join(names) or 'nothing'}")


def _empty(target: BenchTarget, plan: BenchPlan) -> Measurement:
    count, height, width, _ = target.inputs.shape
    return Measurement(
        name=target.name,
        file=target.path.name,
        format=target.format,
        sha256=storage.sha256_file(target.path),
        size_bytes=target.path.stat().st_size,
        input_size=(height, width),
        inputs_n=count,
        inputs_sha256=hashlib.sha256(target.inputs.tobytes()).hexdigest(),
        threads=target.threads or plan.threads,
        host=None if target.check is None else target.check.host,
    )


def _save(result: BenchResult, path: Path | None) -> None:
    if path is not None:
        result.save(path)


def _raise_first(result: BenchResult, path: Path | None) -> None:
    first = result.failures[0]
    others = sorted({failure.name for failure in result.failures} - {first.name})
    kept = f" What was measured is in {path}." if path else ""
    also = f" Also failed: {', '.join(others)}." if others else ""
    raise DeviceError(f"{first.message}.{also}{kept}", address=result.device, stderr=first.stderr)
