"""A sweep's files on the devices that the conditions of ``--pick`` name; what was measured before is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from edgekd.bench.multi_device import measure_many, slug
from edgekd.bench.plan import BenchPlan
from edgekd.bench.result import BenchResult
from edgekd.bench.targets import BenchTarget
from edgekd.errors import EdgekdError
from edgekd.pipeline.sweep.records import DeviceCost, SweptStudent
from edgekd.progress import Watcher


def measure_on(
    addresses: Sequence[str],
    targets: Sequence[BenchTarget],
    plan: BenchPlan,
    folder: Path,
    watcher: Watcher | None = None,
) -> dict[str, BenchResult]:
    """Measure the files side by side on each device; results are ``folder/ADDRESS.json``.

    Raises: UsageError, DeviceError where a device can't be measured.
    """
    plan = plan.model_copy(update={"end_to_end": False})
    results = {}
    for address in addresses:
        earlier = _earlier(folder / f"{slug(address)}.json", targets, plan)
        if earlier is None:
            (outcome,) = measure_many(targets, targets[0].name, plan, [address], folder, watcher=watcher)
            if outcome.error is not None:
                raise outcome.error
            earlier = outcome.result
        elif watcher is not None:
            watcher.skipped(address)
        assert earlier is not None
        results[address] = earlier
    return results


def _earlier(path: Path, targets: Sequence[BenchTarget], plan: BenchPlan) -> BenchResult | None:
    """A whole earlier result of the same files and plan."""
    if not path.is_file():
        return None
    try:
        result = BenchResult.load(path)
        same = all(result.measurement(target.name).inputs_sha256 == target.inputs_sha256() for target in targets)
        hashes = {entry.name: entry.sha256 for entry in result.measurements}
    except EdgekdError:
        return None
    from edgekd.storage import sha256_file

    same = same and hashes == {target.name: sha256_file(target.path) for target in targets}
    return result if same and result.complete and result.plan == plan else None


def add_costs(students: Sequence[SweptStudent], results: dict[str, BenchResult]) -> list[SweptStudent]:
    """The students with what their files take on each device; an invalid measurement has no number."""
    return [
        replace(student, devices=tuple(_cost(student, address, result) for address, result in results.items()))
        if any(student.student in result.names for result in results.values())
        else student
        for student in students
    ]


def _cost(student: SweptStudent, address: str, result: BenchResult) -> DeviceCost:
    summary, standing = result.summary(student.student), result.validity(student.student).standing
    if summary is None or standing == "invalid":
        return DeviceCost(address, None, None, standing)
    return DeviceCost(address, summary.p50_ms, summary.instructions, standing)
