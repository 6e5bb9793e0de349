"""The graph of a file of either format, with the shapes of its tensors."""

from __future__ import annotations

from pathlib import Path

from edgekd.errors import ArtifactError
from edgekd.formats import onnx_file, ort_file, tflite_file
from edgekd.formats.artifact import read_content
from edgekd.inspection import from_onnx, from_tflite
from edgekd.inspection.network import Network
from edgekd.inspection.probe import probe


def read_graph(path: Path, *, run: bool = True) -> Network:
    """Read a .tflite or an .onnx; with ``run`` the shapes inside an .onnx are inferred, in a child process.

    Raises: ArtifactError if it is missing or damaged, or in ONNX Runtime's own format.
    """
    content = read_content(path)
    if content[4:8] == tflite_file.IDENTIFIER:
        return from_tflite.network(tflite_file.read(content, str(path)))
    if ort_file.is_ort(content):
        raise ArtifactError(f"{path} is in ONNX Runtime's own format. Give the .onnx that it was made from")
    graph = onnx_file.read(content, str(path))
    return from_onnx.network(graph, probe(path, "onnx", run=False).types if run else None)
