"""The end of a converted .tflite: its logits, and what makes probabilities of them.

An int8 SOFTMAX or LOGISTIC gives 256 values, which a sure classifier uses two of: a threshold finds nothing between
them. So a file that has a decision and gives floats computes its last op in float, of the same integers, and the
temperature is a product before it. Where a file gives uint8, the last op stays in integers: a SOFTMAX takes the
temperature as its ``beta``; before a LOGISTIC, which has none, the same integers get other scales.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgekd.errors import ExportError
from edgekd.formats import tflite_file

# Ops that move the last values or change their type.
_THROUGH = ("DEQUANTIZE", "QUANTIZE", "RESHAPE", "SQUEEZE")
_LAYERS = ("FULLY_CONNECTED", "CONV_2D")
_ENDS = ("SOFTMAX", "LOGISTIC")


@dataclass(frozen=True)
class _End:
    """The op that makes probabilities of logits, as an object of the schema, in its ``graph``."""

    graph: Any
    op: Any
    name: str

    @property
    def logits(self) -> Any:
        """The tensor of logits."""
        return self.graph.tensors[int(self.op.inputs[0])]


def cut_to_logits(content: bytes) -> bytes:
    """The same .tflite with its logits [1, C] as output, in their own type. Raises ExportError."""
    model = tflite_file.parse(content, "the converted model")
    end = _find_end(model)
    end.graph.outputs = np.array([int(end.op.inputs[0])], np.int32)
    end.graph.operators = _before(end.graph, end.op)
    model.signatureDefs = None
    return tflite_file.pack(model)


def finish_graph(content: bytes, temperature: float) -> bytes:
    """The .tflite that ships with a decision: its last op in float where its output is, logits over ``temperature``.

    Raises: ExportError where the graph's end can't take a temperature other than 1: it is neither a softmax nor a
    sigmoid, or a sigmoid in integers without a layer before it.
    """
    model = tflite_file.parse(content, "the converted model")
    try:
        end = _find_end(model)
    except ExportError:
        if temperature == 1.0:
            return content
        raise
    _end_in_float(model, end)
    if temperature != 1.0:
        _divide_logits(model, end, np.float32(1 / temperature))
    return tflite_file.pack(model)


def _end_in_float(model: Any, end: _End) -> None:
    """Let DEQUANTIZE come before the last op, where it comes right behind it and gives the graph's output."""
    graph, result = end.graph, int(end.op.outputs[0])
    users = [op for op in graph.operators if result in map(int, op.inputs)]
    if _type(graph.tensors[result]) != "INT8" or len(users) != 1 or _name(model, users[0]) != "DEQUANTIZE":
        return
    dequantize = users[0]
    if int(dequantize.outputs[0]) != int(graph.outputs[0]):
        return
    # The tensor between the two now holds the logits as floats.
    between = graph.tensors[result]
    between.type, between.quantization = graph.tensors[int(graph.outputs[0])].type, None
    between.name = b"logits"
    logits, output = int(end.op.inputs[0]), int(graph.outputs[0])
    dequantize.inputs, dequantize.outputs = np.array([logits], np.int32), np.array([result], np.int32)
    end.op.inputs, end.op.outputs = np.array([result], np.int32), np.array([output], np.int32)
    operators = [op for op in graph.operators if op is not dequantize]
    operators.insert(_place(operators, end.op), dequantize)
    graph.operators = operators


def _divide_logits(model: Any, end: _End, factor: np.float32) -> None:
    if _is_float(end.logits):
        _multiply(model, end, factor)
    elif end.name == "SOFTMAX":
        end.op.builtinOptions.beta = float(np.float32(end.op.builtinOptions.beta) * factor)
    elif (layer := _layer_before(model, end)) is not None:
        _scale_layer(end, layer, factor)
    else:
        raise ExportError(
            "the temperature can't be written into this file: no dense layer or convolution stands before its sigmoid. "
            "Set [decide] calibrate = false, or end the model in a Dense layer"
        )


def _multiply(model: Any, end: _End, factor: np.float32) -> None:
    """Put a MUL by a constant before the last op."""
    from ai_edge_litert import schema_py_generated as schema

    graph, buffer = end.graph, schema.BufferT()
    buffer.data = np.frombuffer(np.array([factor], "<f4").tobytes(), np.uint8)
    model.buffers = [*model.buffers, buffer]
    constant, product, source = schema.TensorT(), schema.TensorT(), end.logits
    constant.name, constant.shape, constant.buffer = (
        b"inverse_temperature",
        np.array([1], np.int32),
        len(model.buffers) - 1,
    )
    product.name, product.shape, product.buffer = b"calibrated_logits", np.array(source.shape, np.int32), 0
    product.shapeSignature = source.shapeSignature
    constant.type = product.type = source.type
    graph.tensors = [*graph.tensors, constant, product]
    code, op = schema.OperatorCodeT(), schema.OperatorT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.MUL
    code.version = 1
    model.operatorCodes = [*model.operatorCodes, code]
    op.opcodeIndex, op.builtinOptionsType = len(model.operatorCodes) - 1, schema.BuiltinOptions.MulOptions
    op.builtinOptions = schema.MulOptionsT()
    op.inputs = np.array([int(end.op.inputs[0]), len(graph.tensors) - 2], np.int32)
    op.outputs = np.array([len(graph.tensors) - 1], np.int32)
    end.op.inputs = np.array([len(graph.tensors) - 1], np.int32)
    operators = list(graph.operators)
    operators.insert(_place(operators, end.op), op)
    graph.operators = operators


def output_step(content: bytes) -> float:
    """The distance between two probabilities that the file can give; 0 where it gives floats. Raises ExportError."""
    model = tflite_file.parse(content, "the converted model")
    end = _find_end(model)
    tensor = end.graph.tensors[int(end.op.outputs[0])]
    return 0.0 if _is_float(tensor) else float(np.asarray(tensor.quantization.scale, np.float32)[0])


def _find_end(model: Any) -> _End:
    graph = model.subgraphs[0]
    tensor = int(graph.outputs[0])
    while (op := _producer(graph, tensor)) is not None:
        name = _name(model, op)
        if name in _ENDS:
            return _End(graph, op, name)
        if name not in _THROUGH:
            break
        tensor = int(op.inputs[0])
    ending = "nothing" if op is None else _name(model, op)
    raise ExportError(
        f"the file's probabilities can't be calibrated: they come from {ending}, and a softmax or a sigmoid is needed. "
        "Set [decide] calibrate = false, or end the model in a Dense layer of logits"
    )


def _layer_before(model: Any, end: _End) -> Any:
    """The op of the last layer, where its result goes nowhere but to the logits and its weights can be scaled."""
    tensor, graph = int(end.op.inputs[0]), end.graph
    while (op := _producer(graph, tensor)) is not None and _name(model, op) in ("RESHAPE", "SQUEEZE"):
        tensor = int(op.inputs[0])
    if op is None or _name(model, op) not in _LAYERS or op.builtinOptions.fusedActivationFunction != 0:
        return None
    constants = [graph.tensors[int(index)] for index in op.inputs[1:3] if index >= 0]
    kinds = {_type(one) for one in constants}
    constant = all(_data(model, one) is not None for one in constants)
    fits = kinds <= {"INT8", "INT32", "INT64"}
    users = [other for other in graph.operators if tensor in map(int, other.inputs)]
    return op if constant and fits and len(users) == 1 else None


def _scale_layer(end: _End, layer: Any, factor: np.float32) -> None:
    """Let the integers of a layer's weights, bias and output stand for values times ``factor``."""
    graph = end.graph
    layer.inputs = np.array(layer.inputs, np.int32)
    for place in (1, 2):
        if len(layer.inputs) > place and layer.inputs[place] >= 0:
            layer.inputs[place] = _copy(graph, int(layer.inputs[place]))
            _scale_scales(graph.tensors[int(layer.inputs[place])], factor)
    index = int(end.op.inputs[0])
    _scale_scales(graph.tensors[index], factor)
    while (producer := _producer(graph, index)) is not layer:
        index = int(producer.inputs[0])
        _scale_scales(graph.tensors[index], factor)


def _copy(graph: Any, index: int) -> int:
    """Another tensor with the same constant, where other ops use it too."""
    users = sum(list(map(int, op.inputs)).count(index) for op in graph.operators)
    if users < 2:
        return index
    graph.tensors = [*graph.tensors, copy.deepcopy(graph.tensors[index])]
    return len(graph.tensors) - 1


def _scale_scales(tensor: Any, factor: np.float32) -> None:
    tensor.quantization = copy.deepcopy(tensor.quantization)
    tensor.quantization.scale = (np.asarray(tensor.quantization.scale, np.float32) * factor).astype(np.float32)


def _before(graph: Any, op: Any) -> list[Any]:
    return list(graph.operators)[: _place(list(graph.operators), op)]


def _place(operators: list[Any], op: Any) -> int:
    # The schema's objects compare by identity.
    return next(place for place, other in enumerate(operators) if other is op)


def _producer(graph: Any, tensor: int) -> Any:
    return next((op for op in graph.operators if tensor in map(int, op.outputs)), None)


def _name(model: Any, op: Any) -> str:
    code = model.operatorCodes[op.opcodeIndex]
    return tflite_file.names_of("BuiltinOperator").get(max(code.builtinCode, code.deprecatedBuiltinCode), "CUSTOM")


def _type(tensor: Any) -> str:
    return tflite_file.names_of("TensorType").get(tensor.type, "")


def _is_float(tensor: Any) -> bool:
    return _type(tensor) == "FLOAT32"


def _data(model: Any, tensor: Any) -> Any:
    data = model.buffers[tensor.buffer].data
    return None if data is None or np.ndim(data) == 0 or not len(data) else data
