"""Exported files that give tags, by a sigmoid in the place of the softmax, or refuse what is below a threshold."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
from onnx import helper
from tag_files import swap_softmax

from edgekd.export import onnx_pack, tflite_pack
from edgekd.export.record import Record
from edgekd.formats import tflite_file
from edgekd.formats.artifact import ONNX_RECORD, TFLITE_RECORD, Artifact
from edgekd.formats.decision import Decision
from edgekd.formats.onnx_file import read as read_onnx


def with_decision(artifact: Artifact, path: Path, decision: Decision) -> Artifact:
    """A copy of an exported file at ``path`` that decides so; with tags, its softmax becomes a sigmoid."""
    content = artifact.content()
    name = path.name.removesuffix(path.suffix)
    record = _record(artifact, content, decision)
    if artifact.format == "tflite":
        changed = swap_softmax(content) if decision.task == "multi-label" else content
        path.write_bytes(tflite_pack.pack(changed, record, name=name))
    else:
        model = onnx.load_from_string(content)
        if decision.task == "multi-label":
            _put_sigmoid(model)
        path.write_bytes(onnx_pack.pack(model, record, name=name))
    return Artifact.open(path)


def _record(artifact: Artifact, content: bytes, decision: Decision) -> Record:
    if artifact.format == "tflite":
        text = tflite_file.read(content, artifact.path.name).metadata[TFLITE_RECORD].decode()
    else:
        text = read_onnx(content, artifact.path.name).metadata[ONNX_RECORD]
    value = json.loads(text)
    return Record(
        artifact.labels, artifact.preprocessing, artifact.precision, value["range_in_graph"], value["provenance"],
        artifact.layout, decision=decision,
    )  # fmt: skip


def _put_sigmoid(model: onnx.ModelProto) -> None:
    for node in model.graph.node:
        if node.op_type == "Softmax":
            node.CopyFrom(helper.make_node("Sigmoid", list(node.input), list(node.output), name=node.name))
