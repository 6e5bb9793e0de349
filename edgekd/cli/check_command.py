"""``edgekd check``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from edgekd.evaluation.score import CheckRow


@click.command("check", epilog="Exit code 3 where a gate fails: a float op in an int8 file, labels that do not fit, …")
@click.argument("artifact", type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(path_type=Path), help="A run, or photos: a folder a class, CSV or .npz.")
@click.option("--images", type=click.Path(path_type=Path), help="Where a CSV's photos are.")
@click.option("--strict", is_flag=True, help="Make every finding about the photos an error.")
@click.option("--split", type=click.Choice(["train", "val", "test"]), default="test", help="Photos to use [test].")
@click.option("--reference", type=click.Path(path_type=Path), help="The float file that it should agree with.")
@click.option("--min-agreement", type=click.FloatRange(0, 1), default=0.98, help="Top-1 gate [0.98].")
@click.option("--min-accuracy", type=click.FloatRange(0, 1), help="Accuracy gate [none].")
@click.option("--threads", type=click.IntRange(1), default=2, help="Threads of the runtime [2].")
@click.option("--json", "as_json", is_flag=True, help="Print JSON to stdout.")
def command(
    artifact: Path,
    data: Path | None,
    images: Path | None,
    strict: bool,
    split: str,
    reference: Path | None,
    min_agreement: float,
    min_accuracy: float | None,
    threads: int,
    as_json: bool,
) -> None:
    """Score a file by its own runtime and hold it against its float twin.

    Without --data it is opened, its hash and record are verified, and it answers for one grey image.

    \b
    Example:
      edgekd check runs/road/export/student.int8.tflite --data runs/road
    """
    from edgekd.formats.artifact import Artifact

    opened = Artifact.open(artifact)
    if data is None:
        _smoke(opened, as_json)
        return
    from edgekd.cli.photos import open_photos, warn_of_training_photos
    from edgekd.evaluation.score import ParityGates, score

    dataset = open_photos(data, images, strict)
    warn_of_training_photos(opened, dataset, split)
    gates = ParityGates(min_agreement=min_agreement, min_accuracy=min_accuracy)
    twin = Artifact.open(reference) if reference else None
    finish([score(opened, dataset, split, reference=twin, gates=gates, threads=threads)], as_json)


def finish(rows: list[CheckRow], as_json: bool) -> None:
    """Print scored files and raise GateFailed where a gate of any failed."""
    from rich.table import Table

    from edgekd.cli.console import RESULT, print_json
    from edgekd.errors import GateFailed
    from edgekd.report.format import percent, score, size

    if as_json:
        print_json([row.to_json() | {"gates": [gate.to_json() for gate in row.gates]} for row in rows])
    else:
        table = Table("file", "size", "accuracy", "balanced accuracy", "agrees", "largest difference")
        for row in rows:
            same = percent(row.agreement.value) if row.agreement else "–"
            far = f"{row.largest_difference:.3f}" if row.largest_difference is not None else "–"
            table.add_row(
                row.artifact, size(row.size_bytes), score(row.accuracy), score(row.balanced_accuracy), same, far
            )
        RESULT.print(table)
        for row in rows:
            for gate in row.gates:
                RESULT.print(f"{'pass' if gate.passed else 'FAIL'}  {gate.name}: {gate.message}", markup=False)
    failed = [gate for row in rows for gate in row.gates if not gate.passed]
    if failed:
        raise GateFailed("\n  ".join(["a gate failed:", *(f"{gate.name}: {gate.message}" for gate in failed)]))


def _smoke(opened: object, as_json: bool) -> None:
    """Prove that the file can be run at all."""
    import numpy as np

    from edgekd.cli.console import RESULT, print_json
    from edgekd.errors import GateFailed
    from edgekd.formats.artifact import Artifact
    from edgekd.runtime.open import open_runner

    assert isinstance(opened, Artifact)
    pre = opened.preprocessing
    row = open_runner(opened).run(np.full((1, pre.height, pre.width, 3), 127, np.uint8))[0]
    floats = opened.float_ops() if opened.precision == "int8" else ()
    facts = {
        "file": str(opened.path), "format": opened.format, "precision": opened.precision, "labels": opened.labels,
        "input": [pre.height, pre.width, 3], "size_bytes": opened.size_bytes, "sha256": opened.sha256,
        "float_ops": list(floats), "outputs": len(row),
    }  # fmt: skip
    if as_json:
        print_json(facts)
    else:
        RESULT.print(
            f"{opened.path.name}: {opened.precision} {opened.format}, {opened.size_bytes:,} bytes, "
            f"{pre.height}x{pre.width} RGB to {', '.join(opened.labels)}; opens and runs. Score it with --data",
            markup=False,
        )
    if floats:
        raise GateFailed(f"{opened.path} is called int8 but has float ops: {'; '.join(floats)}")
    if len(row) != len(opened.labels):
        raise GateFailed(f"{opened.path} gives {len(row)} values for {len(opened.labels)} labels")
