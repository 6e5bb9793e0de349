"""Measures files side by side: fresh processes, interleaved in random order, every raw timing kept."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgekd import storage
from edgekd.bench import agent
from edgekd.bench.plan import BenchPlan
from edgekd.bench.result import BenchResult, Failure, Launch, Measurement, launch_from_agent
from edgekd.devices.protocol import Device
from edgekd.errors import DeviceError, DeviceNotFound, UsageError

Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class BenchTarget:
    """A file to measure and the images to measure it on: uint8 RGB [n, H, W, 3], already of its input size."""

    name: str
    path: Path
    format: Literal["tflite", "onnx", "ort"]
    inputs: NDArray[np.uint8]

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
) -> BenchResult:
    """Launch every target ``plan.launches`` times, in rounds of random order.

    ``progress(done, total)`` counts launches. With ``save_to`` the result so far is written there after every
    round, so that neither a failure nor a kill loses what was measured. A target that fails is not launched again;
    the others go on.

    Raises: UsageError for names that do not fit; DeviceError at the end (at once if the device is gone) naming the
    first launch that failed, with its stderr.
    """
    _check_names(targets, baseline)
    with device.workspace() as folder:
        session = _Session(device, folder, plan, list(targets))
        result = BenchResult(
            device=device.address,
            baseline=baseline,
            plan=plan,
            order=(),
            facts_before=device.facts(),
            facts_after={},
            measurements=tuple(_empty(target) for target in targets),
        )
        try:
            session.push_all()
            for round_ in range(plan.launches):
                result = session.round(result, round_, progress)
                _save(result, save_to)
        except DeviceError:
            _save(session.partial or result, save_to)
            raise
        result = replace(result, facts_after=device.facts(), complete=not result.failures)
        _save(result, save_to)
    if result.failures:
        _raise_first(result, save_to)
    return result


class _Session:
    """One workspace with every file pushed into it, under names no shell or file system minds."""

    def __init__(self, device: Device, folder: str, plan: BenchPlan, targets: list[BenchTarget]) -> None:
        self.device, self.folder, self.plan, self.targets = device, folder, plan, targets
        self.partial: BenchResult | None = None

    def push_all(self) -> None:
        """The agent, and each target's file and images."""
        self.device.push(Path(agent.__file__), f"{self.folder}/agent.py")
        with tempfile.TemporaryDirectory(prefix="edgekd-") as scratch:
            for index, target in enumerate(self.targets):
                images = Path(scratch) / "inputs.npy"
                np.save(images, target.inputs, allow_pickle=False)
                self.device.push(images, f"{self.folder}/{index}.npy")
                self.device.push(target.path, f"{self.folder}/{index}.{target.format}")

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
            launch = self._run_agent(index, round_)
        except DeviceNotFound:
            raise
        except DeviceError as error:
            message = str(error) if name in str(error) else f"{name}: {error}"
            failure = Failure(name, round_, message, error.stderr)
            return replace(result, failures=(*result.failures, failure))
        measurements = tuple(
            replace(one, launches=(*one.launches, launch)) if one.name == name else one for one in result.measurements
        )
        return replace(result, measurements=measurements)

    def _run_agent(self, index: int, round_: int) -> Launch:
        plan, out = f"{self.folder}/plan.json", f"{self.folder}/out-{round_}-{index}.json"
        argv = [self.device.python, f"{self.folder}/agent.py", plan, out]
        where = f"{self.targets[index].name} on {self.device.address}"
        with tempfile.TemporaryDirectory(prefix="edgekd-") as scratch:
            local_plan, local_out = Path(scratch) / "plan.json", Path(scratch) / "out.json"
            storage.write_json(local_plan, self._agent_plan(index, first=round_ == 0))
            self.device.push(local_plan, plan)
            done = self.device.run(argv, self.plan.launch_timeout_s)
            if done.status != 0:
                last = done.stderr.strip().splitlines()[-1:] or ["it said nothing"]
                raise DeviceError(
                    f"{where}: launch {round_ + 1} ended with status {done.status}: {last[0]}",
                    address=self.device.address,
                    argv=argv,
                    status=done.status,
                    stdout=done.stdout,
                    stderr=done.stderr,
                )
            self.device.pull(out, local_out)
            return self._read(local_out, round_, where)

    def _read(self, path: Path, round_: int, where: str) -> Launch:
        try:
            return launch_from_agent(json.loads(path.read_text(encoding="utf-8")), round_)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DeviceError(
                f"{where}: launch {round_ + 1} answered with something that is not a measurement ({error!r})",
                address=self.device.address,
            ) from None

    def _agent_plan(self, index: int, first: bool) -> dict[str, Any]:
        return {
            "model": f"{self.folder}/{index}.{self.targets[index].format}",
            "format": self.targets[index].format,
            "inputs": f"{self.folder}/{index}.npy",
            "threads": self.plan.threads,
            "warmup_min_iterations": self.plan.warmup_min_iterations,
            "warmup_max_s": self.plan.warmup_max_s,
            "seconds": self.plan.seconds_per_launch,
            "min_iterations": self.plan.min_iterations,
            "max_iterations": self.plan.max_iterations,
            "answers": first,
        }


def _check_names(targets: Sequence[BenchTarget], baseline: str) -> None:
    names = [target.name for target in targets]
    if len(set(names)) != len(names) or not all(names):
        raise UsageError(f"every file measured needs a name of its own, got: {', '.join(names)}")
    if baseline not in names:
        raise UsageError(f"the baseline {baseline!r} is not among what is measured: {', '.join(names) or 'nothing'}")


def _empty(target: BenchTarget) -> Measurement:
    count, height, width, _ = target.inputs.shape
    return Measurement(
        name=target.name,
        file=target.path.name,
        format=target.format,
        sha256=storage.sha256_file(target.path),
        size_bytes=target.path.stat().st_size,
        input_size=(height, width),
        inputs_n=count,
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
