"""Reads an .ort file, ONNX Runtime's own format, as the same plain data as an .onnx file.

Source: ort.fbs of ONNX Runtime, with the reader that its Python package includes.
"""

from __future__ import annotations

import os
from typing import Any

from edgekd.errors import ArtifactError
from edgekd.formats.onnx_file import OnnxGraph, OnnxNode, OnnxValue
from edgekd.formats.onnx_wire import DTYPES

IDENTIFIER = b"ORTM"


def is_ort(content: bytes) -> bool:
    """Whether a file is in ONNX Runtime's format."""
    return content[4:8] == IDENTIFIER


def read(content: bytes, where: str) -> OnnxGraph:
    """Read an .ort file. Raises ArtifactError if it is not one, or damaged."""
    if not is_ort(content):
        raise ArtifactError(f"{where} is not an .ort file (bytes 4 to 7 are {content[4:8]!r}). Give the path of one")
    # On by default since 1.31; it must be off before the import.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    from onnxruntime.tools.ort_format_model.ort_flatbuffers_py.fbs import InferenceSession

    try:
        return _graph(InferenceSession.InferenceSession.GetRootAs(content, 0).Model())
    except Exception as error:  # offsets outside the file raise many kinds
        raise ArtifactError(
            f"{where} is damaged or cut short: its structure cannot be read ({error}). Copy it again, or "
            "export it again"
        ) from None


def _graph(model: Any) -> OnnxGraph:
    graph = model.Graph()
    node_args = {_text(entry.Name()): entry for entry in _each(graph, "NodeArgs")}
    constants = {_text(entry.Name()): DTYPES.get(entry.DataType(), "?") for entry in _each(graph, "Initializers")}
    nodes = tuple(
        OnnxNode(_text(node.OpType()), _text(node.Name()), _texts(node, "Inputs"), _texts(node, "Outputs"))
        for node in _each(graph, "Nodes")
    )
    # Constants are listed as inputs too.
    inputs = tuple(_value(node_args[name]) for name in _texts(graph, "Inputs") if name not in constants)
    outputs = tuple(_value(node_args[name]) for name in _texts(graph, "Outputs"))
    metadata = {_text(entry.Key()): _text(entry.Value()) for entry in _each(model, "MetadataProps")}
    opset = next((int(e.Version()) for e in _each(model, "OpsetImport") if _text(e.Domain()) in ("", "ai.onnx")), 0)
    return OnnxGraph(inputs, outputs, nodes, constants, metadata, opset)


def _value(node_arg: Any) -> OnnxValue:
    from onnxruntime.tools.ort_format_model.ort_flatbuffers_py.fbs import TensorTypeAndShape

    table = node_arg.Type().Value()
    tensor = TensorTypeAndShape.TensorTypeAndShape()
    tensor.Init(table.Bytes, table.Pos)
    values = [dimension.Value() for dimension in _each(tensor.Shape(), "Dim")]
    # 1 is a number, 2 the name of a free dimension.
    shape = tuple(int(v.DimValue()) if v.DimType() == 1 else _text(v.DimParam()) or "?" for v in values)
    return OnnxValue(_text(node_arg.Name()), DTYPES.get(tensor.ElemType(), str(tensor.ElemType())), shape)


def _each(table: Any, field: str) -> list[Any]:
    return [getattr(table, field)(i) for i in range(getattr(table, f"{field}Length")())]


def _texts(table: Any, field: str) -> tuple[str, ...]:
    return tuple(_text(value) for value in _each(table, field))


def _text(value: bytes | None) -> str:
    return (value or b"").decode("utf-8", "replace")
