"""Finish an .onnx: our record and the labels in its metadata, checked and sealed."""

from __future__ import annotations

from typing import Any

from edgekd.errors import ExportError
from edgekd.export.record import Record
from edgekd.formats.artifact import ONNX_RECORD, seal

LABELS = "labels"


def pack(model: Any, record: Record, *, name: str) -> bytes:
    """The bytes that ship of an onnx.ModelProto. Raises ExportError where onnx.checker does."""
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
            f"{name}: onnx.checker refuses the graph that was made: {error}. Report this with the model"
        ) from None
    return seal(model.SerializeToString(deterministic=True), name)


def _properties(model: Any, record: Record) -> dict[str, str]:
    # All but our own record is for readers that know nothing of us.
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
