"""What a run directory holds: its exported files, and what each row is called."""

from __future__ import annotations

from pathlib import Path

from edgekd.errors import RunError
from edgekd.formats.artifact import Artifact
from edgekd.quantize.precisions import PRECISIONS
from edgekd.storage import read_json

TITLES = {
    "teacher": "teacher",
    "labels_only": "student, labels alone",
    "distilled": "student, distilled",
    "int8_tflite": "int8 TFLite",
    "int8_onnx": "int8 ONNX",
    **{f"{name}_tflite": f"{PRECISIONS[name].title} TFLite" for name in ("float16", "dynamic", "int16x8")},
}


def artifacts_in(run_dir: Path) -> dict[str, Artifact]:
    """The exported files of a run directory by row name. Raises: RunError if it has none; ArtifactError."""
    index = run_dir / "export" / "index.json"
    if not index.is_file():
        raise RunError(f"{run_dir} has no exported files (no export/index.json). Make them: edgekd run RECIPE")
    return {row: Artifact.open(run_dir / "export" / entry["file"]) for row, entry in read_json(index).items()}
