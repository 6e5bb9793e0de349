"""ONNX Runtime's own format of an .onnx: for its small builds, which read nothing else.

Source: https://onnxruntime.ai/docs/performance/model-optimizations/ort-format-models.html
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from edgekd.errors import ExportError
from edgekd.formats.artifact import seal
from edgekd.runtime.ort import save_as_ort


def from_onnx(content: bytes, *, name: str) -> bytes:
    """The sealed .ort of a sealed .onnx: its metadata, and a graph already fused. Raises ExportError."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "model.ort"
        try:
            save_as_ort(content, path)
            return seal(path.read_bytes(), name)
        except Exception as error:  # its own exception types share no base but this
            raise ExportError(f"{name}: ONNX Runtime does not save its format: {error}. Leave out ort") from None
