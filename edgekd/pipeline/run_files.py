"""What a run directory holds: its exported files, and what each row is called."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from edgekd.bench.targets import BenchTarget, Photos, title_of
from edgekd.errors import RunError
from edgekd.formats.artifact import Artifact
from edgekd.preprocess import Preprocessing
from edgekd.quantize.precisions import PRECISIONS
from edgekd.storage import read_json

TITLES = {
    "teacher": "teacher",
    "teacher_int8": "teacher, int8",
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


def shipped_file(run_dir: Path, rows: Sequence[str] = ("int8_tflite", "int8_onnx")) -> Artifact:
    """The int8 file of a run that an app or a page is given: the first of ``rows`` that is there.

    Raises: RunError where there is none.
    """
    files = artifacts_in(run_dir)
    found = next((files[row] for row in rows if row in files), None)
    if found is None:
        raise RunError(
            f"{run_dir} has no {' and no '.join(TITLES[row] for row in rows)} file. Give the file that is to be used "
            "instead of the run"
        )
    return found


def timed_rows(run_dir: Path) -> tuple[str, ...]:
    """The rows that are timed: of the two students, which have the same graph, the one that ships."""
    path = run_dir / "check" / "check.json"
    shipped = read_json(path).get("shipped", {}).get("row") if path.is_file() else None
    left_out = "distilled" if shipped == "labels_only" else "labels_only"
    return tuple(row for row in TITLES if row != left_out)


def teacher_targets(run_dir: Path, photos: Photos, crop: str, threads: Sequence[int] = (1,)) -> list[BenchTarget]:
    """A fixed teacher's own .onnx or .tflite to be timed, once for each number of threads.

    Empty where the teacher is a Keras model, which the run exports, or cannot be timed (`untimed_teacher`). ``crop`` is
    the part of a photo that the run's models see.
    """
    summary = _teacher_summary(run_dir)
    if not summary.get("file") or summary.get("note"):
        return []
    path = run_dir / "teacher" / str(summary["file"])
    height, width = summary["input"]
    preprocessing = Preprocessing.model_validate({"height": height, "width": width, "crop": crop})
    images, raw = photos.images(preprocessing), photos.raw_at(preprocessing)
    kind: Literal["tflite", "onnx"] = "onnx" if path.suffix == ".onnx" else "tflite"
    return [BenchTarget(title_of(TITLES["teacher"], n, threads), path, kind, images, n, raw=raw) for n in threads]


def untimed_teacher(run_dir: Path) -> str:
    """Why a run's teacher is not timed, in a sentence; "" where it is."""
    return str(_teacher_summary(run_dir).get("note") or "")


def _teacher_summary(run_dir: Path) -> dict[str, Any]:
    path = run_dir / "teacher" / "summary.json"
    summary: dict[str, Any] = read_json(path) if path.is_file() else {}
    return summary
