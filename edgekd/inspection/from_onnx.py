"""Reads the graph of an .onnx into the common form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from edgekd.formats.onnx_file import MOVING_OPS, OnnxGraph, OnnxNode, float_nodes
from edgekd.formats.onnx_wire import OnnxTensor
from edgekd.inspection.network import FLOATS, INTEGERS_8, Network, Op, Shape, Value, kind_of

_DYNAMIC = ("ConvInteger", "MatMulInteger", "DynamicQuantizeLinear", "DynamicQuantizeMatMul", "MatMulIntegerToFloat")
# Ops that only move values.
_MOVES = ("Transpose", "Reshape")
# Weights' scale and zero point among the inputs of the ops that carry their own.
_OWN_SCALES = {"QLinearConv": (3, 4, 5), "QLinearMatMul": (3, 4, 5), "QGemm": (3, 4, 5)}

Types = Mapping[str, tuple[str, Shape | None]]


def network(graph: OnnxGraph, inferred: Types | None = None, outer: Mapping[str, OnnxTensor] | None = None) -> Network:
    """A graph; ``inferred`` gives dtype and shape of values that the file does not declare.

    ``outer`` are the constants of the graph around it, which the body of an If or a Loop reads too.
    """
    constants = {**(outer or {}), **_constant_nodes(graph), **graph.constants}
    types: dict[str, tuple[str, Shape | None]] = dict(inferred or {})
    types = {v.name: (v.dtype, v.shape) for v in (*graph.values, *graph.inputs, *graph.outputs)} | types
    # How an input is declared is what the file says of it, whatever it was run with.
    types |= {v.name: (v.dtype, v.shape) for v in graph.inputs}
    scales = _scales(graph, constants)
    declared = (v.name for v in (*graph.values, *graph.inputs, *graph.outputs))
    names = {
        *declared,
        *graph.constants,
        *(key for node in graph.nodes for key in (*node.inputs, *node.outputs) if key),
    }
    values = {name: _value(name, types, constants, scales) for name in names}
    for value in graph.inputs:
        values[value.name] = _add_scale_behind(values[value.name], graph, values)
    computing = {id(node) for node in float_nodes(graph)}
    floats = computing | _moves_of_floats(graph, values, computing)
    return Network(
        format="onnx",
        values=values,
        ops=tuple(
            _op(i, node, values, id(node) in floats, tuple(network(body, types, constants) for body in node.bodies))
            for i, node in enumerate(node for node in graph.nodes if node.op != "Constant")
        ),
        inputs=tuple(v.name for v in graph.inputs),
        outputs=tuple(v.name for v in graph.outputs),
    )


def _moves_of_floats(graph: OnnxGraph, values: Mapping[str, Value], computing: set[int]) -> set[int]:
    """The nodes that only move values, and move floats: neither integers nor what DequantizeLinear gave."""
    producer = {output: node for node in graph.nodes for output in node.outputs}
    moves: set[int] = set()
    for node in graph.nodes:
        if node.op not in MOVING_OPS or not node.inputs or not node.inputs[0]:
            continue
        before = producer.get(node.inputs[0])
        # Nodes are in the order of their computation.
        if before is None:
            is_float = values[node.inputs[0]].dtype in FLOATS
        else:
            is_float = id(before) in computing or id(before) in moves
        if is_float and values[node.outputs[0]].dtype in (*FLOATS, "?"):
            moves.add(id(node))
    return moves


def _constant_nodes(graph: OnnxGraph) -> dict[str, OnnxTensor]:
    constants = {}
    for node in graph.nodes:
        if node.op == "Constant" and node.outputs:
            value = next(iter(node.attributes.values()), None)
            if isinstance(value, OnnxTensor):
                constants[node.outputs[0]] = value
            elif isinstance(value, (int, float, tuple)):
                data = np.asarray(value)
                constants[node.outputs[0]] = OnnxTensor(str(data.dtype), data.shape, data.nbytes, data)
    return constants


def _add_scale_behind(value: Value, graph: OnnxGraph, values: Mapping[str, Value]) -> Value:
    # An input may be transposed and reshaped before it is dequantized; it has the scale of what comes of that.
    behind, seen = value, set[str]()
    while not len(behind.scales) and behind.key not in seen:
        seen.add(behind.key)
        after = [node for node in graph.nodes if behind.key in node.inputs]
        if len(after) != 1 or after[0].op not in _MOVES or not after[0].outputs or after[0].outputs[0] not in values:
            return value
        behind = values[after[0].outputs[0]]
    return replace(value, scales=behind.scales, zero_points=behind.zero_points) if len(behind.scales) == 1 else value


_Scale = tuple[str, str, int]


def _scales(graph: OnnxGraph, constants: Mapping[str, OnnxTensor]) -> dict[str, _Scale]:
    """By quantized value: the names of its scale and zero point, and the axis."""
    scales: dict[str, _Scale] = {}
    for node in graph.nodes:
        if node.op in ("QuantizeLinear", "DequantizeLinear") and len(node.inputs) >= 2 and node.outputs:
            quantized = node.outputs[0] if node.op == "QuantizeLinear" else node.inputs[0]
            zero_point = node.inputs[2] if len(node.inputs) > 2 else ""
            axis = node.attributes.get("axis", 1)
            scales.setdefault(quantized, (node.inputs[1], zero_point, axis if isinstance(axis, int) else 1))
        places = _OWN_SCALES.get(node.op)
        if places and len(node.inputs) > places[2]:
            value, scale, zero_point = (node.inputs[i] for i in places)
            scales.setdefault(value, (scale, zero_point, 0))
    return {key: scale for key, scale in scales.items() if scale[0] in constants}


def _value(name: str, types: Types, constants: Mapping[str, OnnxTensor], scales: Mapping[str, _Scale]) -> Value:
    constant = constants.get(name)
    dtype, shape = (constant.dtype, constant.shape) if constant is not None else types.get(name, ("?", None))
    scale, zero_point, axis = np.zeros(0, np.float32), np.zeros(0, np.int64), 0
    if name in scales:
        scale_name, zero_name, axis = scales[name]
        scale = _flat(constants.get(scale_name)).astype(np.float32)
        zero_point = _flat(constants.get(zero_name)).astype(np.int64)
        if len(zero_point) != len(scale):
            zero_point = np.zeros(len(scale), np.int64)
        rank = len(shape) if shape is not None else 0
        axis = axis + rank if axis < 0 else axis
        if len(scale) > 1 and not (shape is not None and 0 <= axis < rank and shape[axis] == len(scale)):
            # Blocked or damaged: not one scale per channel.
            scale, zero_point = np.zeros(0, np.float32), np.zeros(0, np.int64)
    return Value(
        key=name,
        name=name,
        dtype=dtype,
        shape=shape,
        scales=scale,
        zero_points=zero_point,
        axis=axis,
        constant=constant is not None,
        size_bytes=0 if constant is None else constant.size_bytes,
        data=None if constant is None else constant.data,
    )


def _flat(constant: OnnxTensor | None) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    if constant is None or constant.data is None:
        return np.zeros(0)
    return constant.data.astype(np.float64).reshape(-1)


def _op(
    index: int, node: OnnxNode, values: Mapping[str, Value], is_float: bool, bodies: tuple[Network, ...] = ()
) -> Op:
    weights = values.get(node.inputs[1]) if len(node.inputs) > 1 else None
    group = node.attributes.get("group", 1)
    depthwise = node.op in ("Conv", "FusedConv", "QLinearConv", "ConvInteger") and isinstance(group, int) and group > 1
    shape = weights.shape if weights is not None else None
    kind = kind_of(node.op, depthwise and (shape is None or (len(shape) > 1 and shape[1] == 1)))
    name = node.name or (node.outputs[0] if node.outputs else "")
    return Op(
        index=index,
        type=node.op if not node.domain else f"{node.domain}.{node.op}",
        name=name,
        kind=kind,
        inputs=node.inputs,
        outputs=tuple(key for key in node.outputs if key),
        precision=_precision(node, values, is_float),
        builtin=node.domain == "",
        attributes={name: value for name, value in node.attributes.items() if not isinstance(value, OnnxGraph)},
        bodies=bodies,
    )


def _precision(node: OnnxNode, values: Mapping[str, Value], is_float: bool) -> str:
    def dtype(keys: tuple[str, ...]) -> str:
        return values[keys[0]].dtype if keys and keys[0] else "?"

    if node.op in ("QuantizeLinear", "DequantizeLinear", "Cast"):
        source, result = dtype(node.inputs), dtype(node.outputs)
        return source if source == result else f"{source} to {result}"
    if node.op in _DYNAMIC:
        return "hybrid (int8, its scales computed at run time)"
    out = dtype(node.outputs)
    if is_float and (out in FLOATS or out == "?"):
        return out if out != "?" else "float32"
    return "int8" if out in FLOATS or out in INTEGERS_8 or out == "?" else out
