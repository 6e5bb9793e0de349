"""``--accelerator`` of check and bench: the same file on CPU and GPU, and the verdict about half precision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from edgekd.accelerators.half_precision import HalfPrecision
    from edgekd.accelerators.records import AcceleratorCheck
    from edgekd.bench.targets import BenchTarget
    from edgekd.data.dataset import Dataset
    from edgekd.evaluation.rows import CheckRow
    from edgekd.foreign.plain import PlainModel
    from edgekd.formats.artifact import Artifact

# SwiftShader computes on the CPU: a large network takes a second a photo.
_PHOTOS = 64


def _names(_context: click.Context, option: click.Parameter, value: str | None) -> tuple[str, ...]:
    from edgekd.accelerators.run_on import ACCELERATORS

    names = tuple(name.strip() for name in (value or "").split(",") if name.strip())
    unknown = [name for name in names if name not in ACCELERATORS]
    if unknown:
        raise click.BadParameter(f"{unknown[0]!r} is not one of {', '.join(ACCELERATORS)}", param=option)
    return names


accelerator_option = click.option(
    "--accelerator",
    "accelerators",
    callback=_names,
    help="Also run it here on cpu, gpu (LiteRT over Vulkan), cpu-fp16 (XNNPACK in half precision); comma-separated.",
)


def check_on_accelerators(
    row: CheckRow, opened: Artifact, dataset: Dataset, split: str, accelerators: Sequence[str]
) -> tuple[CheckRow, list[AcceleratorCheck], HalfPrecision | None]:
    """The row with a gate an accelerator and one on half precision, and what they are about."""
    from edgekd.accelerators.half_precision import prove_half_precision
    from edgekd.accelerators.same_answers import check_accelerators
    from edgekd.cli.console import note
    from edgekd.data.images import images_of, some_of

    samples = some_of(dataset.split(split), _PHOTOS, 0)
    images = images_of(dataset, samples, opened.preprocessing)
    if opened.format == "tflite":
        note(f"on accelerators: {len(samples)} photos of the {split} split")
        checks = check_accelerators(opened, images, accelerators)
    else:
        note(f"{opened.path.name}: accelerators run a .tflite; of this file half precision alone is looked at")
        checks = ()
    half = [prove_half_precision(opened, images)] if set(accelerators) - {"cpu"} else []
    gates = (*map(_gate, checks), *map(_half_gate, half))
    return replace(row, gates=(*row.gates, *gates)), list(checks), half[0] if half else None


def _gate(check: AcceleratorCheck) -> Any:
    from edgekd.evaluation.rows import GateResult

    same = check.photos - len(check.flips) - check.not_finite
    share = same / check.photos if check.photos else 1.0
    return GateResult(f"same answers on {check.accelerator}", share, 1.0, check.passed, check.message)


def _half_gate(half: HalfPrecision) -> Any:
    from edgekd.accelerators.ranges import HALF_MAX
    from edgekd.evaluation.rows import GateResult

    worst = half.worst
    overflows = worst is not None and worst.verdict == "overflows"
    value = (worst.largest if overflows else worst.measured or worst.limit) if worst is not None else 0.0
    return GateResult("half precision", value or 0.0, HALF_MAX, not overflows, half.message)


def bench_accelerators(
    files: Mapping[str, Artifact | PlainModel], targets: Sequence[BenchTarget], accelerators: Sequence[str]
) -> list[AcceleratorCheck]:
    """Every .tflite on the accelerators of this machine, over the inputs that its answers are compared on."""
    from edgekd.accelerators.same_answers import check_accelerators
    from edgekd.bench.prepared import PreparedInputs
    from edgekd.cli.console import note

    checks: list[AcceleratorCheck] = []
    for name, file in files.items():
        if file.format != "tflite":
            note(f"{name}: accelerators take a .tflite; it is timed on the CPU alone")
            continue
        target = next(one for one in targets if one.path == file.path)
        inputs = target.inputs if target.check is None else target.check.inputs
        fed = inputs.arrays if isinstance(inputs, PreparedInputs) else inputs
        checks += [replace(check, file=name) for check in check_accelerators(file, fed, accelerators)]
    return checks


def show_accelerators(checks: Sequence[AcceleratorCheck]) -> None:
    """The table, and what the accelerators left."""
    from edgekd.cli.console import line, table
    from edgekd.report.accelerators import accelerator_cells, accelerator_notes

    cells = accelerator_cells(checks)
    table(cells.header, cells.rows, left=2)
    for note in accelerator_notes(checks):
        line(f"  {note}")


def to_json(checks: Sequence[AcceleratorCheck], half: HalfPrecision | None = None) -> dict[str, Any]:
    """What was found, as JSON; nothing where no accelerator was asked for."""
    found: dict[str, Any] = {"accelerators": [check.to_json() for check in checks]} if checks else {}
    return found if half is None else found | {"half_precision": half.to_json()}
