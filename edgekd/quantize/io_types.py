"""A quantized .tflite's input and output: uint8 pixels in, probabilities as float32 or uint8 out."""

from __future__ import annotations

from typing import Any

import flatbuffers
import numpy as np

from edgekd.errors import ExportError
from edgekd.formats import tflite_file
from edgekd.quantize import converter


def with_uint8_pixels(content: bytes, scale: float, offset: float, *, uint8_output: bool) -> bytes:
    """The quantizer's file, float32 at both ends, as one that takes pixels: ``scale * pixel + offset`` is its input.

    Where the first op computes in integers, its quantization becomes the input's; a float one gets a DEQUANTIZE.

    Raises ExportError where uint8 probabilities are wanted of a softmax that stayed float.
    """
    graph = tflite_file.read(content, "the quantized model")
    (image,), (result,) = graph.inputs, graph.outputs
    integers = all(op.name == "QUANTIZE" for op in graph.ops if image in op.inputs)
    if uint8_output and not any(op.name == "DEQUANTIZE" and result in op.outputs for op in graph.ops):
        raise ExportError("uint8 probabilities need a softmax in int8: take it off the ops that stay float")
    if not integers:
        content = _dequantized_input(content, scale, round(-offset / scale))
    return converter.with_edges(content, uint8_input=integers, uint8_output=uint8_output)


def packed(model: Any, size_bytes: int) -> bytes:
    """The bytes of the schema's ModelT; ``size_bytes`` is about as many as there will be."""
    builder = flatbuffers.Builder(size_bytes + 4096)
    builder.Finish(model.Pack(builder), file_identifier=tflite_file.IDENTIFIER)
    return bytes(builder.Output())


def _dequantized_input(content: bytes, scale: float, zero_point: int) -> bytes:
    from ai_edge_litert import schema_py_generated as schema

    model = tflite_file.parse(content, "the quantized model")
    graph = model.subgraphs[0]
    image = graph.tensors[graph.inputs[0]]
    # The float tensor keeps its number and so its readers; what is fed is a new one.
    fed, told = schema.TensorT(), schema.QuantizationParametersT()
    told.scale, told.zeroPoint = np.array([scale], np.float32), np.array([zero_point], np.int64)
    fed.name, fed.shape, fed.shapeSignature = image.name, image.shape, image.shapeSignature
    fed.type, fed.buffer, fed.quantization = schema.TensorType.UINT8, 0, told
    image.name = b"pixels"
    graph.tensors = [*graph.tensors, fed]
    code, op = schema.OperatorCodeT(), schema.OperatorT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.DEQUANTIZE
    code.version = 1
    model.operatorCodes = [*model.operatorCodes, code]
    op.opcodeIndex = len(model.operatorCodes) - 1
    op.inputs, op.outputs = np.array([len(graph.tensors) - 1], np.int32), np.array([graph.inputs[0]], np.int32)
    op.builtinOptionsType = schema.BuiltinOptions.DequantizeOptions
    op.builtinOptions = schema.DequantizeOptionsT()
    graph.operators = [op, *graph.operators]
    for signature in model.signatureDefs or ():
        for entry in signature.inputs:
            if entry.tensorIndex == graph.inputs[0]:
                entry.tensorIndex = len(graph.tensors) - 1
    graph.inputs = np.array([len(graph.tensors) - 1], np.int32)
    return packed(model, len(content))
