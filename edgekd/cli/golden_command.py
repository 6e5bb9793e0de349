"""``edgekd golden``."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgekd.cli.model_options import model_options, open_classifier

if TYPE_CHECKING:
    from edgekd.formats.artifact import Artifact
    from edgekd.golden import GoldenCheck


@click.command("golden", epilog="Exit code 3 where --check finds a vector that is not equal.")
@click.argument("artifact", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Write the vectors to this directory.")
@click.option("--photos", type=click.Path(path_type=Path), help="Photos of yours to add.")
@click.option("--check", "folder", type=click.Path(path_type=Path), help="Compare with the vectors in this directory.")
@model_options()
@click.option("--json", "as_json", is_flag=True, help="Print JSON to stdout.")
def command(
    artifact: Path, out: Path | None, photos: Path | None, folder: Path | None, as_json: bool, **model: Any
) -> None:
    """Write golden vectors that a port of the preprocessing is tested against, or check them.

    Each vector is a photo's file, its pixels, the input tensor, the probabilities and the answer. SPECIFICATION.md,
    which is written beside them, says how one becomes the other.

    \b
    Example:
      edgekd golden out/student.int8.tflite --out golden
      edgekd golden out/student.int8.onnx --check golden
    """
    from edgekd.errors import UsageError

    if (out is None) == (folder is None):
        raise UsageError("give either --out DIR, to write golden vectors, or --check DIR, to compare with written ones")
    if photos is not None and out is None:
        raise UsageError("--photos adds photos to vectors that are written. Give --out DIR with it")
    opened = open_classifier(artifact, model)
    if out is not None:
        _make(opened, out, photos, as_json)
    elif folder is not None:
        _check(opened, folder, as_json)


def _make(artifact: Artifact, out: Path, photos: Path | None, as_json: bool) -> None:
    from edgekd.cli.console import line, note_photos, print_json
    from edgekd.golden import make_golden
    from edgekd.golden.make import OWN
    from edgekd.storage import require_writable

    require_writable(out)
    manifest = make_golden(artifact, out, photos=photos)
    kinds = dict(Counter(vector.kind for vector in manifest.vectors))
    size_bytes = sum(entry.size_bytes for entry in manifest.files())
    if photos is not None:
        own = sum(vector.name.startswith(OWN) for vector in manifest.vectors)
        note_photos(own, "each becomes a vector")
    if as_json:
        print_json({"out": str(out), "count": len(manifest.vectors), "size_bytes": size_bytes, "kinds": kinds})
        return
    counts = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    line(f"{out}: {len(manifest.vectors)} vectors ({counts}), {size_bytes / 1e6:.1f} MB")


def _check(artifact: Artifact, folder: Path, as_json: bool) -> None:
    from edgekd.cli.console import print_json
    from edgekd.errors import GateFailed
    from edgekd.golden import check_golden

    result = check_golden(artifact, folder)
    if as_json:
        print_json(result.to_json())
    else:
        _show(result)
    if not result.passed:
        names = result.failed
        raise GateFailed(
            f"{len(names)} of {result.count} vectors in {folder} differ from those of {artifact.path} on this machine: "
            f"{', '.join(names[:8])}{', …' if len(names) > 8 else ''}. If the model has changed, make them again"
        )


def _show(result: GoldenCheck) -> None:
    from edgekd.cli.console import line

    rows = (
        ("pixels", result.pixels_differ),
        ("input tensors", result.input_differs),
        ("top classes", result.top_differs),
    )
    for title, different in rows:
        line(f"{title}: {result.count - len(different)} of {result.count} equal")
    within = f"{result.count - len(result.probabilities_differ)} of {result.count} within {result.tolerance:g}"
    note = "" if result.probabilities_judged else "; not a gate here, because the vectors are of another precision"
    line(f"probabilities: {within}, largest difference {result.largest_difference:g}{note}")
    others = "precision" if not result.probabilities_judged else "rule"
    note = "" if result.answers_judged else f"; not a gate here, because the vectors are of another {others}"
    line(f"answers: {result.count - len(result.answers_differ)} of {result.count} equal or near ties{note}")
