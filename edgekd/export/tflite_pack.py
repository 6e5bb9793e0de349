"""Packs a converted .tflite: adds the record and TFLite's metadata, renames tensors, and stores what is equal once."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgekd.errors import ExportError, UnsupportedOpError
from edgekd.export.options import Batch
from edgekd.export.record import Record
from edgekd.export.tflite_batch import set_batch
from edgekd.export.tflite_metadata import BUFFER_NAME, append_files, standard_metadata
from edgekd.export.tflite_slim import slim
from edgekd.formats import tflite_file
from edgekd.formats.artifact import TFLITE_RECORD, seal
from edgekd.quantize.float_model import INPUT_NAME, OUTPUT_NAME

_NAME_LENGTH = 24


# What the converter notes about its own options: nothing that runs a model reads it, and the record says what matters.
_CONVERTER_NOTES = "CONVERSION_METADATA"


def pack(content: bytes, record: Record, *, name: str, batch: Batch = 1) -> bytes:
    """Pack the converter's file for one image into the sealed file that ships; keeps its signature and weights.

    Raises: ExportError unless the graph maps one image to one row of values; UnsupportedOpError for an op that is
    not one of TFLite's own, or that cannot take another ``batch``.
    """
    model = tflite_file.parse(content, name)
    _check_builtin(model, name)
    graph = model.subgraphs[0]
    if len(model.subgraphs) != 1 or len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise ExportError(f"{name} must become one graph with one input and one output. Simplify the model")
    _rename(model)
    set_batch(model, batch, name=name)
    _remove_metadata(model, _CONVERTER_NOTES)
    _add_metadata(model, TFLITE_RECORD, record.to_json().encode())
    standard = standard_metadata(record, name=name, input_name=INPUT_NAME, output_name=OUTPUT_NAME)
    _add_metadata(model, BUFFER_NAME, standard)
    return seal(append_files(slim(tflite_file.pack(model), name), record), name)


def _check_builtin(model: Any, name: str) -> None:
    # An app's interpreter has the built-in ops and nothing else: no Flex (Select TF) delegate, no custom kernels.
    builtin_names = tflite_file.names_of("BuiltinOperator")
    custom_names = set()
    for code in model.operatorCodes:
        builtin = max(int(code.builtinCode), int(code.deprecatedBuiltinCode))
        if code.customCode or builtin_names.get(builtin, "CUSTOM") == "CUSTOM":
            custom = code.customCode or b"?"
            custom_names.add(custom.decode("utf-8", "replace") if isinstance(custom, bytes) else str(custom))
    if custom_names:
        raise UnsupportedOpError(
            f"{name} needs ops outside TFLite's built-in ones: {', '.join(sorted(custom_names))}. An app's interpreter "
            "has no kernels for them: replace the layers that use them"
        )


def _rename(model: Any) -> None:
    graph = model.subgraphs[0]
    produced = {int(i) for op in graph.operators for i in op.outputs}
    used_names = {INPUT_NAME, OUTPUT_NAME}
    for index, tensor in enumerate(graph.tensors):
        if index == graph.inputs[0]:
            tensor.name = INPUT_NAME
        elif index == graph.outputs[0]:
            tensor.name = OUTPUT_NAME
        else:
            name = _layer_name(tensor.name) if index in produced else f"c{index}"
            tensor.name = name if name not in used_names else f"{name}.{index}"
            used_names.add(tensor.name)
    graph.name = b"main"
    for signature in model.signatureDefs or ():
        signature.inputs[0].name = INPUT_NAME
        signature.outputs[0].name = OUTPUT_NAME


def _layer_name(name: Any) -> str:
    # "functional_1/block_1_relu_1/Relu6;..." comes from layer block_1_relu: Keras adds the last _1 per call.
    parts = (name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)).split(";")[0].split("/")
    layer = parts[-2] if len(parts) > 1 else parts[-1]
    return layer.removesuffix("_1")[:_NAME_LENGTH]


def _remove_metadata(model: Any, name: str) -> None:
    for old in [entry for entry in model.metadata or () if entry.name in (name, name.encode())]:
        model.metadata.remove(old)
        model.buffers[old.buffer].data = None


def _add_metadata(model: Any, name: str, data: bytes) -> None:
    from ai_edge_litert import schema_py_generated as schema

    _remove_metadata(model, name)
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data = np.frombuffer(data, np.uint8)
    entry.name, entry.buffer = name, len(model.buffers)
    model.buffers = [*model.buffers, buffer]
    model.metadata = [*(model.metadata or ()), entry]
