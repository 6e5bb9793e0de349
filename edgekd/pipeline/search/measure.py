"""What an int8 .tflite costs: its bytes, MACs and arena, its latency or instructions on a device; and its gates."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgekd.bench.harness import measure
from edgekd.bench.plan import BenchPlan
from edgekd.bench.result import BenchResult
from edgekd.bench.statistics import summarize
from edgekd.bench.targets import BenchTarget
from edgekd.bench.validity import validity
from edgekd.data.images import images_of
from edgekd.devices.table import open_device
from edgekd.errors import DeviceError
from edgekd.evaluation.rows import GateRecord, GateResult
from edgekd.formats.artifact import Artifact
from edgekd.inspection.inspect_file import inspect_file
from edgekd.inspection.macs import macs
from edgekd.inspection.memory import plan_activations
from edgekd.pipeline.context import RunContext
from edgekd.recipe.budget import EMULATED, Budget, amount

_PHOTOS = 8
_ON_DEVICE = ("latency", "instructions")
_TRIES = 3
# Instructions are counted, so that one launch says all.
_TIMED = BenchPlan(launches=5, seconds_per_launch=0.5)
_COUNTED = BenchPlan(launches=1, seconds_per_launch=0.01, min_iterations=2, warmup_min_iterations=1, warmup_max_s=0)


def file_costs(artifact: Artifact) -> dict[str, float]:
    """Bytes, MACs and arena of a file, by the names of `recipe.budget.QUANTITIES`."""
    network = inspect_file(artifact.path, run=False).network
    arena = plan_activations(network)
    costs = {
        "size": float(artifact.path.stat().st_size),
        "macs": float(sum(macs(network, op) or 0 for op in network.ops)),
    }
    return costs if arena is None else {**costs, "arena": float(arena)}


@dataclass(frozen=True)
class DeviceCost:
    """A latency in ms or a number of instructions; ``doubts`` are why the measurement is invalid, none if it holds."""

    value: float
    doubts: tuple[str, ...] = ()


def device_costs(
    artifacts: Mapping[str, Artifact], budget: Budget, images: Mapping[str, npt.NDArray[np.uint8]], folder: Path
) -> dict[str, dict[str, DeviceCost]]:
    """Latency or instructions of files on the budget's device, by file; empty where the budget asks for neither.

    A measurement that is invalid is made again, three times at most. An error of the device says how to go on.

    Args:
        artifacts: Files by name.
        budget: Says which, and where.
        images: Photos uint8 [N, H, W, 3] of each file's input size.
        folder: Where the raw measurement is written, as ``device.json``.

    Raises: DeviceError where the device fails.
    """
    name = next((name for name in _ON_DEVICE if name in budget.limits()), None)
    if name is None or not artifacts:
        return {key: {} for key in artifacts}
    plan = _COUNTED if budget.where.startswith(EMULATED) else _TIMED
    targets = [BenchTarget(key, one.path, "tflite", images[key]) for key, one in artifacts.items()]
    costs: dict[str, dict[str, DeviceCost]] = {}
    for _ in range(_TRIES):
        try:
            result = measure(targets, targets[0].name, plan, open_device(budget.where), save_to=folder / "device.json")
        except DeviceError as error:
            error.args = (f"{error}. What was done so far is kept: the same command goes on from there",)
            raise
        costs = {key: {name: _cost(result, key, name, budget.where)} for key in artifacts}
        if not any(cost[name].doubts for cost in costs.values()):
            break
    return costs


def _cost(result: BenchResult, key: str, name: str, where: str) -> DeviceCost:
    measurement = result.measurement(key)
    summary = summarize(measurement)
    value = None if summary is None else summary.p50_ms if name == "latency" else summary.instructions
    if value is None:
        raise DeviceError(f"{where} gave no {name} of {key}", address=where)
    held = validity(result, measurement)
    # Counted instructions do not depend on what else runs.
    is_invalid = name == "latency" and held.standing == "invalid"
    return DeviceCost(float(value), held.reasons if is_invalid else ())


def needs_file(limits: Collection[str]) -> bool:
    """Whether a limit is about something that only a converted file shows."""
    return bool(set(limits) - {"parameters", "macs"})


def budget_gates(context: RunContext, artifact: Artifact, parameters: int, folder: Path) -> list[GateRecord]:
    """A gate for each limit of ``[student.budget]`` on the int8 .tflite; none without a budget.

    Raises: DeviceError where the budget's device fails.
    """
    budget = context.recipe.student.budget
    if budget is None:
        return []
    images = images_of(context.dataset, context.dataset.split("test")[:_PHOTOS], artifact.preprocessing)
    name = "int8_tflite"
    values = {"parameters": float(parameters), **file_costs(artifact)}
    measured = device_costs({name: artifact}, budget, {name: images}, folder)[name]
    values |= {quantity: cost.value for quantity, cost in measured.items()}
    gates = []
    for quantity, limit in budget.limits().items():
        value = values[quantity]
        where = f" on {budget.where}" if quantity in ("latency", "instructions") else ""
        text = f"{amount(quantity, value)}{where}, {amount(quantity, limit)} allowed"
        if value > limit:
            text += ". Lower the limit a little to leave room, or raise it"
        doubts = measured[quantity].doubts if quantity in measured else ()
        if doubts:
            text += f"; the measurement is invalid ({'; '.join(doubts)}). Run again when the device does nothing else"
        holds = value <= limit and not doubts
        gates.append(GateResult(f"{name}: budget of {quantity}", value, limit, holds, text).to_json())
    return gates
