"""Reads an .onnx file as plain data: inputs, outputs, nodes and metadata, without a runtime or the onnx package.

Source: the protocol buffers wire format, and onnx.proto of ONNX 1.x for the field numbers.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace
from typing import Any

from edgekd.errors import ArtifactError
from edgekd.formats.onnx_wire import DTYPES, Field, GraphBytes, OnnxTensor, attribute, bytes_of, fields_of, tensor

_QUANTIZE, _DEQUANTIZE = "QuantizeLinear", "DequantizeLinear"
# These only move values, or compute on integers, whatever their neighbours are.
MOVING_OPS = frozenset(
    ("Reshape", "Transpose", "Flatten", "Pad", "Concat", "Identity", "Squeeze", "Unsqueeze", "Slice", "Gather", "Split")
)
_INTEGER_OPS = frozenset(("ConvInteger", "MatMulInteger", "QGemm"))
# These compute on integers where they are fed integers.
_ON_EITHER = frozenset(("MaxPool", "Clip", "ReduceMax", "Resize", "Tile"))
_CHAINED_OPS = frozenset(("Relu", "Clip"))
_MAX_DEPTH = 16
_FREE = 1 << 63


@dataclass(frozen=True)
class OnnxValue:
    """A graph's input or output; a dimension is a number or the name of a free one."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]


@dataclass(frozen=True)
class OnnxNode:
    """One node of the graph; ``domain`` is empty for ONNX's own ops, an attribute a number, a text or some of them."""

    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    domain: str = ""
    attributes: dict[str, Any] = field(default_factory=dict, repr=False, hash=False)

    @property
    def bodies(self) -> tuple[OnnxGraph, ...]:
        """The graphs inside an If, a Loop or a Scan."""
        return tuple(value for value in self.attributes.values() if isinstance(value, OnnxGraph))


@dataclass(frozen=True)
class OnnxGraph:
    """The contents of an .onnx file; ``initializers`` maps a constant's name to its dtype.

    ``values`` are the intermediate ones whose types are stated, ``opsets`` the versions by domain.
    """

    inputs: tuple[OnnxValue, ...]
    outputs: tuple[OnnxValue, ...]
    nodes: tuple[OnnxNode, ...]
    initializers: dict[str, str] = field(repr=False)
    metadata: dict[str, str] = field(repr=False)
    opset: int = 0
    constants: dict[str, OnnxTensor] = field(default_factory=dict, repr=False)
    values: tuple[OnnxValue, ...] = field(default=(), repr=False)
    opsets: dict[str, int] = field(default_factory=dict)
    producer: str = ""
    ir_version: int = 0

    @property
    def external_files(self) -> tuple[str, ...]:
        """The other files that hold weights."""
        constants = [*self.constants.values(), *(v for node in self.nodes for v in node.attributes.values())]
        names = [value.external for value in constants if isinstance(value, OnnxTensor) and value.external]
        inside = [name for node in self.nodes for body in node.bodies for name in body.external_files]
        return tuple(dict.fromkeys([*names, *inside]))


def read(content: bytes, where: str) -> OnnxGraph:
    """Read an .onnx file. Raises ArtifactError if it is not one, or damaged."""
    try:
        graph = _model(content)
    except (ValueError, LookupError, TypeError, struct.error) as error:
        raise ArtifactError(
            f"{where} is not an .onnx file, or damaged or cut short: {error}. Copy it again, or export it again"
        ) from None
    if not graph.inputs or not graph.outputs:
        raise ArtifactError(f"{where} holds no graph with inputs and outputs. Give the path of an .onnx model")
    return graph


def float_ops(graph: OnnxGraph) -> tuple[str, ...]:
    """Describe the nodes that compute in float.

    A softmax or sigmoid of the last integers is left out: it makes the probabilities of a file with a decision.
    """
    end = _float_end(graph)
    return tuple(
        f"{node.op} (node {node.name or '?'}, tensor {''.join(node.outputs[:1])!r})"
        for node in float_nodes(graph)
        if not any(node is other for other in end)
    )


def _float_end(graph: OnnxGraph) -> tuple[OnnxNode, ...]:
    """A product with a constant and Softmax or Sigmoid behind DequantizeLinear; empty where they are not."""
    producer = {output: node for node in graph.nodes for output in node.outputs}
    chain, name = list[OnnxNode](), graph.outputs[0].name
    while (node := producer.get(name)) is not None:
        if node.op == _DEQUANTIZE:
            return tuple(chain)
        is_first = node.op in ("Softmax", "Sigmoid") and not chain
        if not is_first and not (node.op == "Mul" and len(chain) == 1 and node.inputs[1] in graph.initializers):
            return ()
        chain.append(node)
        name = node.inputs[0]
    return ()


def float_nodes(graph: OnnxGraph) -> tuple[OnnxNode, ...]:
    """The nodes that compute in float: those not between DequantizeLinear and QuantizeLinear."""
    producer = {output: node for node in graph.nodes for output in node.outputs}
    consumers: dict[str, list[OnnxNode]] = {}
    for node in graph.nodes:
        for name in node.inputs:
            consumers.setdefault(name, []).append(node)
    nodes = []
    for node in graph.nodes:
        if node.op in (_QUANTIZE, _DEQUANTIZE) or _is_integer(node.op) or _on_integers(node, producer, graph):
            continue
        sources = [producer[name].op for name in node.inputs if name in producer]
        # The op before a Relu or Clip is checked on its own.
        reads_integers = node.op in _CHAINED_OPS or (bool(sources) and all(op == _DEQUANTIZE for op in sources))
        if not (reads_integers and all(_is_quantized_later(name, consumers) for name in node.outputs)):
            nodes.append(node)
    return tuple(nodes)


def _is_integer(op: str) -> bool:
    return op in MOVING_OPS or op in _INTEGER_OPS or op.startswith("QLinear")


def _on_integers(node: OnnxNode, producer: dict[str, OnnxNode], graph: OnnxGraph) -> bool:
    # A MaxPool or Clip of what QuantizeLinear gave, perhaps through other such nodes.
    name = node.inputs[0] if node.inputs else ""
    for _ in range(len(graph.nodes)):
        source = producer.get(name)
        if source is None:
            return any(v.name == name and v.dtype in ("uint8", "int8") for v in graph.inputs)
        if source.op == _QUANTIZE:
            return True
        if source.op == _DEQUANTIZE or not source.inputs:
            return False
        if source.op == "Gather" and graph.initializers.get(source.inputs[0]) in ("uint8", "int8"):
            # A table of integers, looked up by integers.
            return True
        if source.op not in MOVING_OPS and source.op not in _ON_EITHER:
            return False
        name = source.inputs[0]
    return False


def _is_quantized_later(name: str, consumers: dict[str, list[OnnxNode]]) -> bool:
    # A damaged graph may have a cycle, so no name is visited twice.
    visited, pending = {name}, [name]
    while pending:
        after = consumers.get(pending.pop(), [])
        if not after or not all(node.op == _QUANTIZE or node.op in _CHAINED_OPS for node in after):
            return False
        new = {o for node in after if node.op in _CHAINED_OPS for o in node.outputs} - visited
        visited |= new
        pending += new
    return True


def _model(content: bytes) -> OnnxGraph:
    graph: list[Field] = []
    metadata: dict[str, str] = {}
    opsets: dict[str, int] = {}
    version, producer = 0, []
    for number, _, value in fields_of(content):
        if number == 1 and isinstance(value, int):
            version = value
        elif number in (2, 3):
            producer.append(bytes_of(value).decode())
        elif number == 7:
            graph.extend(fields_of(bytes_of(value)))
        elif number == 14:
            entry = {n: bytes_of(v).decode() for n, _, v in fields_of(bytes_of(value))}
            metadata[entry.get(1, "")] = entry.get(2, "")
        elif number == 8:
            entry_fields = {n: v for n, _, v in fields_of(bytes_of(value))}
            opsets[bytes_of(entry_fields.get(1, b"")).decode()] = int(entry_fields.get(2, 0))
    if not 1 <= version <= 1000:
        raise ValueError(f"no ONNX IR version at its start (found {version})")
    return replace(
        _graph(graph),
        metadata=metadata,
        opset=opsets.get("", opsets.get("ai.onnx", 0)),
        opsets=opsets,
        producer=" ".join(producer),
        ir_version=version,
    )


def _graph(graph: list[Field], depth: int = 0) -> OnnxGraph:
    constants = dict(tensor(bytes_of(v)) for n, _, v in graph if n == 5)
    inputs = tuple(_value(bytes_of(v)) for n, _, v in graph if n == 11)
    return OnnxGraph(
        inputs=tuple(v for v in inputs if v.name not in constants),
        outputs=tuple(_value(bytes_of(v)) for n, _, v in graph if n == 12),
        nodes=tuple(_node(bytes_of(v), depth) for n, _, v in graph if n == 1),
        initializers={name: constant.dtype for name, constant in constants.items()},
        metadata={},
        constants=constants,
        values=tuple(_value(bytes_of(v)) for n, _, v in graph if n == 13),
    )


def _node(content: bytes, depth: int) -> OnnxNode:
    fields = list(fields_of(content))
    texts = {n: [bytes_of(v).decode() for m, _, v in fields if m == n] for n in (1, 2, 3, 4, 7)}
    attributes = dict(attribute(bytes_of(v)) for n, _, v in fields if n == 5)
    for name, value in attributes.items():
        if isinstance(value, GraphBytes):
            if depth >= _MAX_DEPTH:
                raise ValueError(f"graphs inside graphs, more than {_MAX_DEPTH} deep")
            attributes[name] = _graph(list(fields_of(value.content)), depth + 1)
    domain = "".join(texts[7])
    domain = "" if domain == "ai.onnx" else domain
    return OnnxNode("".join(texts[4]), "".join(texts[3]), tuple(texts[1]), tuple(texts[2]), domain, attributes)


def _value(content: bytes) -> OnnxValue:
    fields = {n: v for n, _, v in fields_of(content)}
    type_fields = {n: v for n, _, v in fields_of(bytes_of(fields[2]))} if 2 in fields else {}
    kind = {n: v for n, _, v in fields_of(bytes_of(type_fields[1]))} if 1 in type_fields else {}
    number = kind.get(1, 0)
    shape = tuple(_dimension(bytes_of(v)) for n, _, v in fields_of(bytes_of(kind[2])) if n == 1) if 2 in kind else ()
    return OnnxValue(bytes_of(fields.get(1)).decode(), DTYPES.get(int(number), str(number)), shape)


def _dimension(content: bytes) -> int | str:
    for number, _, value in fields_of(content):
        if number == 1 and isinstance(value, int):
            # Some exporters write -1 for a free size, which is a large number here.
            return value if value < _FREE else "?"
        if number == 2:
            return bytes_of(value).decode()
    return "?"
