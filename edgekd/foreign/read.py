"""The graph and the metadata of another tool's .tflite or .onnx."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edgekd.errors import ArtifactError
from edgekd.formats import onnx_file, ort_file, tflite_file
from edgekd.formats.artifact import read_content
from edgekd.inspection import description, from_onnx, from_tflite
from edgekd.inspection.description import Description
from edgekd.inspection.network import Network


@dataclass(frozen=True, eq=False)
class ForeignFile:
    """A file as it was read: bytes, graph and metadata."""

    path: Path
    format: Literal["tflite", "onnx"]
    content: bytes
    network: Network
    description: Description


def read_foreign(path: Path) -> ForeignFile:
    """Read a file without its runtime. Raises ArtifactError if it is missing, damaged, or in pieces."""
    content = read_content(path)
    if content[4:8] == tflite_file.IDENTIFIER:
        tflite = tflite_file.read(content, str(path))
        about = description.describe_tflite(content, tflite.metadata, tflite.description)
        return ForeignFile(path, "tflite", content, from_tflite.network(tflite), about)
    if ort_file.is_ort(content):
        raise ArtifactError(
            f"{path} is in ONNX Runtime's own format, which holds less than .onnx. Give the .onnx that it was made from"
        )
    graph = onnx_file.read(content, str(path))
    if graph.external_files:
        raise ArtifactError(
            f"{path} keeps its weights in another file ({', '.join(graph.external_files[:2])}), which no device gets "
            f"with it. Put both into one file: {one_file_command(path)}"
        )
    about = description.describe_onnx(graph.metadata, graph.producer)
    return ForeignFile(path, "onnx", content, from_onnx.network(graph), about)


def one_file_command(path: Path) -> str:
    """The command that writes an .onnx and its weights into one file."""
    return f"python -c \"import onnx; onnx.save(onnx.load('{path.name}'), 'one_file.onnx')\""
