"""A quantized .tflite's input and output: uint8 pixels in, probabilities as float32 or uint8 out."""

from __future__ import annotations

import numpy as np

from edgekd.errors import ExportError
from edgekd.formats import tflite_file
from edgekd.quantize import converter


def set_io_types(content: bytes, scale: float, offset: float, *, uint8_output: bool) -> bytes:
    """Change the quantizer's float32 input and output: pixels in, where ``scale * pixel + offset`` is the float input.

    If the first op computes in integers, its quantization becomes the input's; a float op gets a DEQUANTIZE.

    Raises ExportError if uint8 probabilities are requested of a softmax that stayed float.
    """
    graph = tflite_file.read(content, "the quantized model")
    (image,), (result,) = graph.inputs, graph.outputs
    integers = all(op.name == "QUANTIZE" for op in graph.ops if image in op.inputs)
    if uint8_output and not any(op.name == "DEQUANTIZE" and result in op.outputs for op in graph.ops):
        raise ExportError("uint8 probabilities need a softmax in int8: remove it from the ops that stay float")
    if not integers:
        content = _add_dequantize(content, scale, round(-offset / scale))
    return converter.change_io_types(content, uint8_input=integers, uint8_output=uint8_output)


def _add_dequantize(content: bytes, scale: float, zero_point: int) -> bytes:
    from ai_edge_litert import schema_py_generated as schema

    model = tflite_file.parse(content, "the quantized model")
    graph = model.subgraphs[0]
    image = graph.tensors[graph.inputs[0]]
    # The float tensor keeps its index and its consumers; the new input feeds it.
    pixels, quantization = schema.TensorT(), schema.QuantizationParametersT()
    quantization.scale, quantization.zeroPoint = np.array([scale], np.float32), np.array([zero_point], np.int64)
    pixels.name, pixels.shape, pixels.shapeSignature = image.name, image.shape, image.shapeSignature
    pixels.type, pixels.buffer, pixels.quantization = schema.TensorType.UINT8, 0, quantization
    image.name = b"pixels"
    graph.tensors = [*graph.tensors, pixels]
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
    return tflite_file.pack(model)
