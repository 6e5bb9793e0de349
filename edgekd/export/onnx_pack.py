"""Packs an .onnx: adds the record and labels to its metadata, checks and seals it; and saves it in ORT format.

The ORT format is for ONNX Runtime's small builds, which read nothing else.
Source: https://onnxruntime.ai/docs/performance/model-optimizations/ort-format-models.html
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from edgekd.errors import ExportError
from edgekd.export.record import Record
from edgekd.formats.artifact import ONNX_RECORD, seal
from edgekd.runtime.ort import save_as_ort

LABELS = "labels"


def pack(model: Any, record: Record, *, name: str) -> bytes:
    """Pack an onnx.ModelProto into the file that ships. Raises ExportError if onnx.checker refuses it."""
    import onnx

    del model.metadata_props[:]
    for key, value in _properties(model, record).items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    model.doc_string = record.describe()
    try:
        onnx.checker.check_model(model, full_check=True)
    except Exception as error:  # the checker and its shape inference raise several kinds
        raise ExportError(
            f"{name}: onnx.checker refuses the converted graph: {error}. Report this with the model"
        ) from None
    return seal(model.SerializeToString(deterministic=True), name)


def pack_ort(content: bytes, *, name: str) -> bytes:
    """The sealed .ort of a sealed .onnx: its metadata, and a graph already fused. Raises ExportError."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "model.ort"
        try:
            save_as_ort(content, path)
            return seal(path.read_bytes(), name)
        except Exception as error:  # its own exception types share no base but this
            raise ExportError(f"{name}: ONNX Runtime does not save its format: {error}. Leave out ort") from None


def _properties(model: Any, record: Record) -> dict[str, str]:
    # Everything but the edgekd record is for other tools.
    (opset,) = (entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    return {
        ONNX_RECORD: record.to_json(),
        LABELS: "\n".join(record.labels),
        "preprocessing": record.preprocessing.to_json(),
        "layout": record.layout,
        "opset": str(opset),
        "author": record.author,
        "license": record.license,
        "version": record.version,
        "provenance_sha256": record.provenance_sha256(),
    }
