"""Packs a converted .tflite: adds the record and TFLite's metadata, renames tensors and removes duplicate data."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.errors import ExportError, UnsupportedOpError
from edgekd.export.options import Batch
from edgekd.export.record import Record
from edgekd.export.tflite_batch import set_batch
from edgekd.export.tflite_metadata import BUFFER_NAME, append_labels, standard_metadata
from edgekd.formats import tflite_file
from edgekd.formats.artifact import TFLITE_RECORD, seal
from edgekd.quantize.float_model import INPUT_NAME, OUTPUT_NAME

# The schema asks for constants at multiples of 16; runtimes map the file and read them in place.
_ALIGNMENT = 16
_NAME_LENGTH = 24


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
    _add_metadata(model, TFLITE_RECORD, record.to_json().encode())
    standard = standard_metadata(record, name=name, input_name=INPUT_NAME, output_name=OUTPUT_NAME)
    _add_metadata(model, BUFFER_NAME, standard)
    vectors = _SharedVectors()
    model.buffers = [_Buffer(buffer, vectors) for buffer in model.buffers]
    for tensor in graph.tensors:
        if tensor.quantization is not None:
            tensor.quantization = _Quantization(tensor.quantization, vectors)
    return seal(append_labels(tflite_file.pack(model), record.labels), name)


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


def _add_metadata(model: Any, name: str, data: bytes) -> None:
    from ai_edge_litert import schema_py_generated as schema

    for old in [entry for entry in model.metadata or () if entry.name in (name, name.encode())]:
        model.metadata.remove(old)
        model.buffers[old.buffer].data = None
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data = np.frombuffer(data, np.uint8)
    entry.name, entry.buffer = name, len(model.buffers)
    model.buffers = [*model.buffers, buffer]
    model.metadata = [*(model.metadata or ()), entry]


class _SharedVectors:
    """Vectors by content, each written once: a flatbuffer may reference one from many places."""

    def __init__(self) -> None:
        self._written: dict[tuple[str, bytes], int] = {}

    def put(self, builder: Any, values: NDArray[Any], alignment: int) -> int:
        key = (values.dtype.str, values.tobytes())
        if key not in self._written:
            # CreateNumpyVector aligns to its elements only.
            builder.StartVector(values.itemsize, len(values), alignment)
            builder.head -= len(key[1])
            builder.Bytes[builder.head : builder.head + len(key[1])] = key[1]
            self._written[key] = int(builder.EndVector())
        return self._written[key]


class _Buffer:
    """Packs as the schema's BufferT does, aligned and shared."""

    def __init__(self, source: Any, shared: _SharedVectors) -> None:
        self._source, self._shared = source, shared

    def Pack(self, builder: Any) -> int:  # noqa: N802 the schema's own name
        from ai_edge_litert import schema_py_generated as schema

        data = self._source.data
        offset = None if data is None else self._shared.put(builder, np.asarray(data, np.uint8), _ALIGNMENT)
        schema.BufferStart(builder)
        if offset is not None:
            schema.BufferAddData(builder, offset)
        return int(schema.BufferEnd(builder))


class _Quantization:
    """Packs as the schema's QuantizationParametersT does, with scales and zero points shared.

    A zero point takes 8 bytes per channel, and those of weights and biases are all zero.
    """

    def __init__(self, source: Any, shared: _SharedVectors) -> None:
        self._source, self._shared = source, shared

    def Pack(self, builder: Any) -> int:  # noqa: N802 the schema's own name
        from ai_edge_litert import schema_py_generated as schema

        source = self._source
        scale = self._vector(builder, source.scale, np.dtype("<f4"))
        zero_point = self._vector(builder, source.zeroPoint, np.dtype("<i8"))
        schema.QuantizationParametersStart(builder)
        if scale is not None:
            schema.QuantizationParametersAddScale(builder, scale)
        if zero_point is not None:
            schema.QuantizationParametersAddZeroPoint(builder, zero_point)
        schema.QuantizationParametersAddQuantizedDimension(builder, source.quantizedDimension)
        return int(schema.QuantizationParametersEnd(builder))

    def _vector(self, builder: Any, values: Any, dtype: np.dtype[Any]) -> int | None:
        if values is None or np.ndim(values) == 0:
            return None
        return self._shared.put(builder, np.asarray(values, dtype), dtype.itemsize)
