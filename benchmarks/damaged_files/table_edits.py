"""Damage that no reader of a file's structure can see: a whole file whose tables hold other numbers."""

from __future__ import annotations

from typing import Any

import flatbuffers
import numpy as np

from edgekd.formats import tflite_file

Generator = np.random.Generator


def edited_tables(content: bytes, generator: Generator) -> bytes:
    """One or two numbers of a graph's tables changed: an input, a shape, an attribute, a type, an op, a scale."""
    if content[4:8] == tflite_file.IDENTIFIER:
        model = tflite_file.parse(content, "model")
        for _ in range(int(generator.integers(1, 3))):
            _edit_tflite(model, generator)
        builder = flatbuffers.Builder(1 << 16)
        builder.Finish(model.Pack(builder), tflite_file.IDENTIFIER)
        return bytes(builder.Output())
    import onnx

    proto = onnx.load_from_string(content)
    for _ in range(int(generator.integers(1, 3))):
        _edit_onnx(proto, generator)
    return bytes(proto.SerializeToString())


def _edit_tflite(model: Any, generator: Generator) -> None:
    graph = model.subgraphs[0]
    op = graph.operators[int(generator.integers(len(graph.operators)))]
    tensor = graph.tensors[int(generator.integers(len(graph.tensors)))]
    match int(generator.integers(6)):
        case 0:
            op.inputs = _one_changed(op.inputs, int(generator.integers(len(graph.tensors))), generator)
        case 1 if tensor.shape is not None and np.ndim(tensor.shape):
            tensor.shape = _one_changed(tensor.shape, int(generator.choice([0, 1, 2, 3, 64, 4096, 1 << 20])), generator)
            tensor.shapeSignature = None
        case 2 if op.builtinOptions is not None:
            numbers = [name for name, value in vars(op.builtinOptions).items() if type(value) is int]
            if numbers:
                name = numbers[int(generator.integers(len(numbers)))]
                setattr(op.builtinOptions, name, int(generator.choice([0, 1, 2, 3, 7, 100])))
        case 3:
            tensor.type = int(generator.choice([0, 1, 2, 3, 4, 6, 7, 9, 17]))
        case 4:
            code = model.operatorCodes[op.opcodeIndex]
            code.builtinCode = code.deprecatedBuiltinCode = int(generator.integers(127))
        case _:
            scaled = tensor.quantization
            if scaled is not None and scaled.scale is not None and np.ndim(scaled.scale):
                scaled.scale = scaled.scale * float(generator.choice([0, -1, 1e30, 1e-30]))


def _edit_onnx(proto: Any, generator: Generator) -> None:
    graph = proto.graph
    node = graph.node[int(generator.integers(len(graph.node)))]
    constant = graph.initializer[int(generator.integers(len(graph.initializer)))]
    numbers = [entry for entry in node.attribute if entry.ints or entry.HasField("i")]
    match int(generator.integers(4)):
        case 0 if node.input:
            other = graph.node[int(generator.integers(len(graph.node)))]
            node.input[int(generator.integers(len(node.input)))] = other.output[0]
        case 1 if numbers:
            entry = numbers[int(generator.integers(len(numbers)))]
            value = int(generator.choice([0, 1, -1, 2, 7, 1 << 20, 1 << 40]))
            if entry.ints:
                entry.ints[int(generator.integers(len(entry.ints)))] = value
            else:
                entry.i = value
        case 2 if len(constant.dims) > 1:
            constant.dims[0], constant.dims[1] = constant.dims[1], constant.dims[0]
        case _:
            node.op_type = str(generator.choice(["Relu", "Conv", "MatMul", "QuantizeLinear", "Reshape", "Softmax"]))


def _one_changed(values: Any, value: int, generator: Generator) -> Any:
    changed = np.array(values)
    if len(changed):
        changed[int(generator.integers(len(changed)))] = value
    return changed
