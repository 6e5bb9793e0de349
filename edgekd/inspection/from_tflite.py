"""Reads the graph of a .tflite into the common form."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from edgekd.formats.tflite_file import TfliteGraph, TfliteOp, TfliteTensor
from edgekd.inspection.network import FLOATS, INTEGERS_8, Network, Op, Value, kind_of

# Which option of an op names the subgraph that it runs.
_BODIES = {
    "IF": ("thenSubgraphIndex", "elseSubgraphIndex"), "WHILE": ("condSubgraphIndex", "bodySubgraphIndex"),
    "CALL": ("subgraph",), "CALL_ONCE": ("initSubgraphIndex",), "STABLEHLO_COMPOSITE": ("decompositionSubgraphIndex",),
    "STABLEHLO_WHILE": ("condSubgraphIndex", "bodySubgraphIndex"), "STABLEHLO_REDUCE": ("bodySubgraphIndex",),
}  # fmt: skip
_MAX_DEPTH = 16


def network(graph: TfliteGraph) -> Network:
    """The first subgraph, which is the one that an interpreter runs, with the bodies of its ops."""
    return _network(graph, (graph, *graph.bodies), 0)


def _network(graph: TfliteGraph, graphs: tuple[TfliteGraph, ...], depth: int) -> Network:
    computed = {output for op in graph.ops for output in op.outputs} | set(graph.inputs)
    values = {str(t.index): _value(t, t.index not in computed) for t in graph.tensors}
    return Network(
        format="tflite",
        values=values,
        ops=tuple(replace(_op(op, graph), bodies=_bodies(op, graphs, depth)) for op in graph.ops),
        inputs=tuple(str(i) for i in graph.inputs),
        outputs=tuple(str(i) for i in graph.outputs),
    )


def _bodies(op: TfliteOp, graphs: tuple[TfliteGraph, ...], depth: int) -> tuple[Network, ...]:
    numbers = [getattr(op.options, name, None) for name in _BODIES.get(op.name, ())]
    known = [number for number in numbers if isinstance(number, int) and 0 < number < len(graphs)]
    # A damaged file may let a body run itself.
    return tuple(_network(graphs[number], graphs, depth + 1) for number in known) if depth < _MAX_DEPTH else ()


def _value(tensor: TfliteTensor, is_source: bool) -> Value:
    shape = tensor.signature if len(tensor.signature) == len(tensor.shape) else tensor.shape
    return Value(
        key=str(tensor.index),
        name=tensor.name,
        dtype=tensor.type.lower(),
        shape=shape,
        scales=tensor.scales,
        zero_points=tensor.zero_points,
        axis=tensor.axis,
        # A variable has neither a producer nor a value.
        constant=is_source and (tensor.data is not None or tensor.size_bytes > 0),
        size_bytes=tensor.size_bytes,
        data=tensor.data,
    )


def _op(op: TfliteOp, graph: TfliteGraph) -> Op:
    custom = op.name.startswith("CUSTOM ")
    options = {} if op.options is None else {k: v for k, v in vars(op.options).items() if not callable(v)}
    return Op(
        index=op.index,
        type=op.name,
        name=_layer(graph, op),
        kind=kind_of(op.name),
        inputs=tuple("" if i < 0 else str(i) for i in op.inputs),
        outputs=tuple(str(i) for i in op.outputs if i >= 0),
        precision=_precision(op, graph),
        builtin=not custom,
        attributes=_plain(options),
    )


def _layer(graph: TfliteGraph, op: TfliteOp) -> str:
    # The converter joins the names of fused ops: "a/Relu6;a/BiasAdd;..."; the first name is the last op.
    return graph.tensors[op.outputs[0]].name.split(";")[0] if op.outputs and op.outputs[0] >= 0 else ""


def _precision(op: TfliteOp, graph: TfliteGraph) -> str:
    types = [graph.tensors[i].type.lower() for i in op.inputs if i >= 0]
    out = next((graph.tensors[i].type.lower() for i in op.outputs if i >= 0), "")
    if op.name in ("QUANTIZE", "DEQUANTIZE", "CAST") and types:
        return types[0] if types[0] == out else f"{types[0]} to {out}"
    if kind_of(op.name) in ("conv", "depthwise", "dense", "matmul"):
        weights = [t for t in types if t in (*INTEGERS_8, "int4", "int2")]
        if out in FLOATS and weights:
            return f"hybrid ({weights[0]} weights, {out})"
        if out == "int16" and weights:
            return f"int16x8 ({weights[0]} weights)"
    return out or "none"


def _plain(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if isinstance(value, (int, float, bool))}
