"""Files cut behind each op: what a cut takes less than the next one is what the op between them takes."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from edgekd.formats import tflite_file


def cut_tflite(model: Any, count: int) -> bytes:
    """The .tflite of the first ``count`` ops of the schema's ModelT; of none, one that gives its inputs back.

    Its outputs are all values that later ops read, so that no runtime drops an op as one whose result is not used.
    """
    shortened = copy.copy(model)
    graph = copy.copy(model.subgraphs[0])
    shortened.subgraphs = [graph, *model.subgraphs[1:]]
    # They name outputs that are not computed any more.
    shortened.signatureDefs = shortened.metadata = None
    graph.operators = model.subgraphs[0].operators[:count]
    later = {int(i) for op in model.subgraphs[0].operators[count:] for i in op.inputs}
    needed = later | {int(i) for i in model.subgraphs[0].outputs}
    # A variable's handle is no value that an interpreter could give.
    handles = {number for number, tensor in enumerate(graph.tensors) if tensor.type in _handle_types()}
    produced = [int(i) for op in graph.operators for i in op.outputs if i not in handles]
    outputs = [i for i in produced if i in needed] or produced[-1:] or list(graph.inputs)
    graph.outputs = np.array(outputs, np.int32)
    shortened.buffers = _without_later_constants(model, graph)
    return tflite_file.pack(shortened)


def cut_onnx(model: Any, count: int) -> bytes:
    """The .onnx of the first ``count`` nodes of a ModelProto; of none, one that gives its inputs back.

    Its outputs are all values that later nodes read. Their types follow from the nodes.
    """
    import onnx

    kept = model.graph.node[:count]
    later = {name for node in model.graph.node[count:] for name in _reads(node)}
    needed = later | {value.name for value in model.graph.output}
    produced = [name for node in kept for name in node.output if name]
    initial = {tensor.name for tensor in model.graph.initializer}
    inputs = [value.name for value in model.graph.input if value.name not in initial]
    outputs = [name for name in produced if name in needed] or produced[-1:] or inputs
    reads = {name for node in kept for name in _reads(node)}
    shortened = onnx.ModelProto(ir_version=model.ir_version, opset_import=model.opset_import, functions=model.functions)
    graph = shortened.graph
    graph.name = model.graph.name
    graph.input.extend(model.graph.input)
    graph.node.extend(kept)
    graph.initializer.extend(tensor for tensor in model.graph.initializer if tensor.name in reads)
    graph.sparse_initializer.extend(tensor for tensor in model.graph.sparse_initializer if tensor.values.name in reads)
    graph.output.extend(onnx.ValueInfoProto(name=name) for name in outputs)
    return bytes(shortened.SerializeToString())


def names_of_ops(graph: tflite_file.TfliteGraph) -> list[tuple[str, str]]:
    """(name, kind) of every op of a .tflite: the name of its first result, else of what it reads."""
    return [
        (
            graph.tensors[([*op.outputs, *(i for i in op.inputs if i >= 0)])[0]].name
            if op.outputs or op.inputs
            else "",
            op.name,
        )
        for op in graph.ops
    ]


def non_decreasing(values: Sequence[float]) -> list[float]:
    """The nearest values, 0 to 1, that never fall: a cut may seem to take less than a shorter one."""
    # Pools neighbours that fall (pool adjacent violators).
    pools: list[list[float]] = []
    for value in values:
        pools.append([value])
        while len(pools) > 1 and np.mean(pools[-2]) > np.mean(pools[-1]):
            last = pools.pop()
            pools[-1] += last
    return [float(np.clip(np.mean(pool), 0, 1)) for pool in pools for _ in pool]


def _handle_types() -> tuple[int, int]:
    from ai_edge_litert.schema_py_generated import TensorType

    return TensorType.RESOURCE, TensorType.VARIANT


def _without_later_constants(model: Any, graph: Any) -> list[Any]:
    """The buffers, empty where nothing reads them any more: a cut need not be larger than what is in it."""
    read = {int(i) for op in graph.operators for i in op.inputs if i >= 0} | {int(i) for i in graph.outputs}
    used = {graph.tensors[i].buffer for i in read}
    used |= {tensor.buffer for other in model.subgraphs[1:] for tensor in other.tensors}
    empty = copy.copy(model.buffers[0])
    empty.data = None
    return [buffer if number in used else empty for number, buffer in enumerate(model.buffers)]


def _reads(node: Any) -> Iterator[str]:
    """Names of the values that a node reads, those of its bodies among them."""
    yield from node.input
    for attribute in node.attribute:
        for body in (attribute.g, *attribute.graphs):
            yield from (value.name for value in body.output)
            for inner in body.node:
                yield from _reads(inner)
