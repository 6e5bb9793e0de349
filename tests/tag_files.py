"""Files of tags that need no training: a file of single labels whose softmax becomes sigmoids."""

from __future__ import annotations

from pathlib import Path

from edgekd.export.record import Record
from edgekd.export.tflite_pack import pack
from edgekd.formats import tflite_file
from edgekd.formats.artifact import Artifact
from edgekd.formats.decision import Decision


def swap_softmax(content: bytes) -> bytes:
    """A .tflite whose softmax became sigmoids: both activations of int8 have 256 steps from 0 to 1."""
    from ai_edge_litert import schema_py_generated as schema

    model = tflite_file.parse(content, "the model")
    number = schema.BuiltinOperator.SOFTMAX
    for place, code in enumerate(model.operatorCodes):
        if max(int(code.builtinCode), int(code.deprecatedBuiltinCode)) == number:
            code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.LOGISTIC
            for op in model.subgraphs[0].operators:
                if op.opcodeIndex == place:
                    op.builtinOptions, op.builtinOptionsType = None, 0
    return tflite_file.pack(model)


def with_sigmoids(artifact: Artifact, path: Path, thresholds: tuple[float, ...]) -> Artifact:
    """A packed .tflite of single labels as one of tags."""
    model = tflite_file.parse(swap_softmax(artifact.content()), artifact.path.name)
    facts = dict(artifact.provenance)
    record = Record(
        artifact.labels, artifact.preprocessing, artifact.precision, facts.pop("range_in_graph"), facts,
        decision=Decision("multi-label", thresholds),
    )  # fmt: skip
    # A second record would make the file another tool's.
    for entry in model.metadata:
        model.buffers[entry.buffer].data = None
    model.metadata = []
    path.write_bytes(pack(tflite_file.pack(model), record, name=path.name))
    return Artifact.open(path)
