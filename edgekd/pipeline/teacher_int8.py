"""The teacher in int8: the file that a user has without distilling anything, which the student is held against."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.errors import EdgekdError
from edgekd.formats.artifact import Artifact
from edgekd.pipeline.context import RunContext
from edgekd.pipeline.stages.quantize import calibration_images
from edgekd.quantize.settings import QuantizeSection
from edgekd.storage import read_json, write_json

ROW = "teacher_int8"
NETWORK = "network"
"""In a file's provenance: which network of an average it is."""
_RECORD = "teacher_int8.json"
_MOST_PHOTOS = 64


def export_teacher_int8(
    context: RunContext, model: Any, directory: Path, provenance: Mapping[str, str]
) -> Artifact | None:
    """Convert a trained Keras teacher, with some of the student's calibration photos and its choice of ranges.

    Where it can't be converted, the reason is in ``teacher_int8.json``.
    """
    from edgekd.export.exporter import export

    started, preprocessing = time.monotonic(), context.preprocessing(model)
    artifact, reason = None, ""
    try:
        (artifact,) = export(
            model, directory, "teacher", labels=context.dataset.classes, preprocessing=preprocessing,
            precisions=("int8",), formats=("tflite",), calibration=_some(calibration_images(context, preprocessing)),
            validation=_some(context.validation(model).images), quantize=QuantizeSection(),
            options=context.recipe.export, provenance={**provenance, "model": ROW}, task=context.dataset.task,
        )  # fmt: skip
    except EdgekdError as error:
        reason = str(error)
        context.workspace.watcher.note(f"there is no int8 teacher to compare with: {reason}")
    write_json(directory / _RECORD, {"reason": reason, "seconds": round(time.monotonic() - started, 1)})
    return artifact


def _some(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """At most so many that a large teacher takes seconds, spread over all, which may be in the order of classes."""
    return np.asarray(images[np.linspace(0, len(images) - 1, min(len(images), _MOST_PHOTOS)).astype(int)])


def missing_row(run: Path) -> dict[str, Any] | None:
    """The check's row of an int8 teacher that could not be made, with the reason; None where there is none to give."""
    path = run / "export" / _RECORD
    reason = str(read_json(path)["reason"]) if path.is_file() else ""
    if not reason:
        return None
    nothing = ("artifact", "parameters", "size_bytes", "accuracy", "balanced_accuracy", "agreement", "confusion")
    return {**dict.fromkeys(nothing), "row": ROW, "title": "teacher, int8: not possible", "note": reason}
