"""``edgekd check``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgekd.cli.accelerators import accelerator_option
from edgekd.cli.model_options import model_options, open_classifier

if TYPE_CHECKING:
    from edgekd.accelerators.half_precision import HalfPrecision
    from edgekd.accelerators.records import AcceleratorCheck
    from edgekd.data.dataset import Dataset
    from edgekd.evaluation.gates import ParityGates
    from edgekd.evaluation.rows import CheckRow
    from edgekd.evaluation.tag_scores import TagScore
    from edgekd.formats.artifact import Artifact
    from edgekd.metrics import Interval


@click.command("check", epilog="Exit code 3 where a gate fails, such as a float op in an int8 file.")
@click.argument("artifact", type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(path_type=Path), help="A run, or photos: a folder a class, CSV or .npz.")
@click.option("--images", type=click.Path(path_type=Path), help="Where a CSV's photos are.")
@click.option("--none", type=click.Path(path_type=Path), help="Folder of photos that show none of the classes.")
@click.option("--strict", is_flag=True, help="Make every finding about the photos an error.")
@click.option("--split", type=click.Choice(["train", "val", "test"]), default="test", help="Photos to use [test].")
@click.option("--reference", type=click.Path(path_type=Path), help="The float32 file that it should agree with.")
@click.option("--min-agreement", type=click.FloatRange(0, 1), help="Top-1 gate [none].")
@click.option("--max-drop", type=click.FloatRange(0, 100), help="Points below the reference [what chance explains].")
@click.option("--min-accuracy", type=click.FloatRange(0, 1), help="Accuracy gate [none].")
@click.option("--min-map", type=click.FloatRange(0, 1), help="Gate on the mean average precision of tags [none].")
@click.option("--min-f1", type=click.FloatRange(0, 1), help="Gate on the mean F1 of tags [none].")
@click.option("--threads", type=click.IntRange(1), default=2, help="Threads of the runtime [2].")
@accelerator_option
@model_options()
@click.option("--json", "as_json", is_flag=True, help="Print JSON to stdout.")
def command(
    artifact: Path,
    data: Path | None,
    images: Path | None,
    none: Path | None,
    strict: bool,
    split: str,
    reference: Path | None,
    min_agreement: float | None,
    max_drop: float | None,
    min_accuracy: float | None,
    min_map: float | None,
    min_f1: float | None,
    threads: int,
    accelerators: tuple[str, ...],
    as_json: bool,
    **model: Any,
) -> None:
    """Score a file with its own runtime and compare it with its float32 reference.

    Without --data it is opened, its hash and record are verified, and it classifies one grey image. With --accelerator
    its answers there are held against the CPU's, and its values against the range of half precision.

    \b
    Example:
      edgekd check runs/road/export/student.int8.tflite --data runs/road
      edgekd check runs/road/export/student.float32.tflite --data runs/road --accelerator gpu
    """
    opened = open_classifier(artifact, model)
    if data is None:
        _refuse_accelerators(accelerators)
        _smoke(opened, as_json)
        return
    from edgekd.cli.model_options import require_labels
    from edgekd.cli.photos import open_photos, warn_of_training_photos
    from edgekd.evaluation.gates import ParityGates
    from edgekd.evaluation.score import score

    require_labels(opened)
    dataset = open_photos(data, images, strict, none=none, decision=opened.decision)
    warn_of_training_photos(opened, dataset, split)
    gates = ParityGates(
        max_accuracy_drop=max_drop, min_agreement=min_agreement, min_accuracy=min_accuracy,
        min_mean_average_precision=min_map, min_macro_f1=min_f1,
    )  # fmt: skip
    _check_bounds(gates, dataset)
    float_file = None if reference is None else _open_reference(reference, opened, model)
    row = score(opened, dataset, split, reference=float_file, gates=gates, threads=threads)
    if not accelerators:
        finish([row], as_json)
        return
    from edgekd.cli.accelerators import check_on_accelerators

    row, checks, half = check_on_accelerators(row, opened, dataset, split, accelerators)
    finish([row], as_json, checks, half)


_OPTIONS = {
    "min_accuracy": "--min-accuracy", "min_mean_average_precision": "--min-map", "min_macro_f1": "--min-f1"
}  # fmt: skip


def _check_bounds(gates: ParityGates, dataset: Dataset) -> None:
    """Raise UsageError for a bound that does not judge photos of this kind, before anything is run."""
    from edgekd.errors import UsageError

    if wrong := gates.floors_of_other_tasks(dataset.task):
        tags = dataset.task == "multi-label"
        kind, right = ("have tags", "--min-map or --min-f1") if tags else ("have one label each", "--min-accuracy")
        raise UsageError(f"{', '.join(_OPTIONS[key] for key in wrong)}: these photos {kind}. Use {right} instead")


def _refuse_accelerators(accelerators: tuple[str, ...]) -> None:
    from edgekd.errors import UsageError

    if accelerators:
        raise UsageError(f"--accelerator {','.join(accelerators)} compares answers on photos. Add --data PHOTOS")


def _open_reference(path: Path, opened: Artifact, model: dict[str, Any]) -> Artifact:
    """The float file; another tool's takes the same options as the file that is checked."""
    from edgekd.formats.artifact import has_seal, read_content

    said_for_both = opened.feed is None or not has_seal(read_content(path))
    return open_classifier(path, model if said_for_both else {**dict.fromkeys(model), "crop": "whole"})


def finish(
    rows: list[CheckRow], as_json: bool, checks: Sequence[AcceleratorCheck] = (), half: HalfPrecision | None = None
) -> None:
    """Print scored files, and one's answers on accelerators, and raise GateFailed where a gate of any failed."""
    from edgekd.cli.accelerators import show_accelerators, to_json
    from edgekd.cli.console import line, print_json, table
    from edgekd.errors import GateFailed

    if as_json:
        more = to_json(checks, half)
        print_json([row.to_json() | {"gates": [gate.to_json() for gate in row.gates]} | more for row in rows])
    else:
        scores: tuple[str, ...] = ("accuracy", "balanced accuracy")
        if any(row.tags for row in rows):
            scores = ("mean average precision", "macro F1", "exact match")
        table(("file", "size", *scores, "agrees", "largest difference"), map(_cells, rows))
        for row in rows:
            if row.tags is not None:
                table(("tag", "threshold", "F1", "right", "extra", "missed"), map(_tag_cells, row.tags.by_tag))
        if checks:
            show_accelerators(checks)
        for row in rows:
            for gate in row.gates:
                line(f"{'pass' if gate.passed else 'FAIL'}  {gate.name}: {gate.message}")
    failed = [gate for row in rows for gate in row.gates if not gate.passed]
    if failed:
        raise GateFailed("\n  ".join(["a gate failed:", *(f"{gate.name}: {gate.message}" for gate in failed)]))


def _cells(row: CheckRow) -> tuple[str, ...]:
    from edgekd.report import format as fmt

    scores: tuple[Interval | None, ...] = (row.accuracy, row.balanced_accuracy)
    if row.tags is not None:
        scores = (row.tags.mean_average_precision, row.tags.macro_f1, row.tags.exact_match)
    return (
        row.artifact, fmt.size(row.size_bytes), *map(fmt.score, scores),
        fmt.percent(row.agreement.value) if row.agreement else fmt.DASH,
        fmt.DASH if row.largest_difference is None else f"{row.largest_difference:.3f}",
    )  # fmt: skip


def _tag_cells(score: TagScore) -> tuple[str, ...]:
    from edgekd.report import format as fmt

    return (
        score.tag, f"{score.threshold:.3f}", fmt.score(score.f1), fmt.count(score.true_positives),
        fmt.count(score.false_positives), fmt.count(score.false_negatives),
    )  # fmt: skip


def _list(labels: tuple[str, ...]) -> str:
    return ", ".join(labels) if len(labels) <= 20 else f"{', '.join(labels[:10])} and {len(labels) - 10} more classes"


def _smoke(opened: Artifact, as_json: bool) -> None:
    """Prove that the file can be run at all."""
    import numpy as np

    from edgekd.cli.console import line, print_json
    from edgekd.errors import GateFailed
    from edgekd.runtime.open import open_runner

    pre = opened.preprocessing
    row = open_runner(opened).run(np.full((1, pre.height, pre.width, 3), 127, np.uint8))[0]
    # The gate is on what edgekd promises; of another tool's file inspect tells the float ops.
    floats = opened.float_ops() if opened.precision == "int8" and opened.feed is None else ()
    facts = {
        "file": str(opened.path), "format": opened.format, "precision": opened.precision, "labels": opened.labels,
        "input": [pre.height, pre.width, 3], "size_bytes": opened.size_bytes, "sha256": opened.sha256,
        "float_ops": list(floats), "outputs": len(row),
    }  # fmt: skip
    if as_json:
        print_json(facts)
    else:
        line(
            f"{opened.path.name}: {opened.precision} {opened.format}, {opened.size_bytes:,} bytes, "
            f"{pre.height}x{pre.width} RGB to {_list(opened.labels)}; opens and runs. Score it with --data"
        )
    if floats:
        raise GateFailed(f"{opened.path} is called int8 but has float ops: {'; '.join(floats)}")
    if len(row) != len(opened.labels):
        raise GateFailed(f"{opened.path} gives {len(row)} values for {len(opened.labels)} labels")
