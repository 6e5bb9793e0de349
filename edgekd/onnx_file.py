"""An .onnx file as plain data: inputs, outputs, nodes and metadata, read without a runtime or the onnx package.

Source: the protocol buffers wire format, and onnx.proto of ONNX 1.x for the field numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from edgekd.errors import ArtifactError

_DTYPES = {
    1: "float32",
    2: "uint8",
    3: "int8",
    5: "int16",
    6: "int32",
    7: "int64",
    9: "bool",
    10: "float16",
    11: "float64",
}
_QUANTIZE, _DEQUANTIZE = "QuantizeLinear", "DequantizeLinear"
# These move values about, or work on integers, whatever stands before and after them.
_MOVING_OPS = frozenset(
    ("Reshape", "Transpose", "Flatten", "Pad", "Concat", "Identity", "Squeeze", "Unsqueeze", "Slice", "Gather", "Split")
)
_INTEGER_OPS = frozenset(("ConvInteger", "MatMulInteger", "QGemm"))
_CHAINED_OPS = frozenset(("Relu", "Clip"))

Field = tuple[int, int, int | bytes]


@dataclass(frozen=True)
class OnnxValue:
    """A graph's input or output; a dimension is a number or the name of a free one."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]


@dataclass(frozen=True)
class OnnxNode:
    """One node of the graph, without its attributes."""

    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class OnnxGraph:
    """What an .onnx file says of itself; ``initializers`` maps a constant's name to its dtype."""

    inputs: tuple[OnnxValue, ...]
    outputs: tuple[OnnxValue, ...]
    nodes: tuple[OnnxNode, ...]
    initializers: dict[str, str] = field(repr=False)
    metadata: dict[str, str] = field(repr=False)
    opset: int = 0


def read(content: bytes, where: str) -> OnnxGraph:
    """Read an .onnx file. Raises ArtifactError if it is not one, or damaged."""
    try:
        graph = _model(content)
    except (ValueError, IndexError, UnicodeDecodeError, TypeError) as error:
        raise ArtifactError(
            f"{where} is not an .onnx file, or damaged or cut short: {error}. Copy it again, or export it again"
        ) from None
    if not graph.inputs or not graph.outputs:
        raise ArtifactError(f"{where} holds no graph with inputs and outputs. Give the path of an .onnx model")
    return graph


def float_ops(graph: OnnxGraph) -> tuple[str, ...]:
    """The nodes that compute in float: those not between DequantizeLinear and QuantizeLinear."""
    producer = {output: node for node in graph.nodes for output in node.outputs}
    consumers: dict[str, list[OnnxNode]] = {}
    for node in graph.nodes:
        for name in node.inputs:
            consumers.setdefault(name, []).append(node)
    found = []
    for node in graph.nodes:
        if node.op in (_QUANTIZE, _DEQUANTIZE) or _is_integer(node.op) or _on_integers(node, producer, graph):
            continue
        sources = [producer[name].op for name in node.inputs if name in producer]
        # What a Relu or Clip follows is looked at in its own turn.
        fed = node.op in _CHAINED_OPS or (bool(sources) and all(op == _DEQUANTIZE for op in sources))
        if not (fed and all(_ends_quantized(name, consumers) for name in node.outputs)):
            found.append(f"{node.op} (node {node.name or '?'}, tensor {node.outputs[0]!r})")
    return tuple(found)


def _is_integer(op: str) -> bool:
    return op in _MOVING_OPS or op in _INTEGER_OPS or op.startswith("QLinear")


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
        if source.op not in _MOVING_OPS and source.op not in ("MaxPool", "Clip"):
            return False
        name = source.inputs[0]
    return False


def _ends_quantized(name: str, consumers: dict[str, list[OnnxNode]]) -> bool:
    after = consumers.get(name, [])
    return bool(after) and all(
        n.op == _QUANTIZE or (n.op in _CHAINED_OPS and all(_ends_quantized(o, consumers) for o in n.outputs))
        for n in after
    )


def _model(content: bytes) -> OnnxGraph:
    graph: list[Field] = []
    metadata, opset, version = {}, 0, 0
    for number, _, value in _fields(content):
        if number == 1 and isinstance(value, int):
            version = value
        elif number == 7:
            graph.extend(_fields(_bytes(value)))
        elif number == 14:
            entry = {n: _bytes(v).decode() for n, _, v in _fields(_bytes(value))}
            metadata[entry.get(1, "")] = entry.get(2, "")
        elif number == 8:
            entry_fields = {n: v for n, _, v in _fields(_bytes(value))}
            if not entry_fields.get(1) and isinstance(entry_fields.get(2), int):
                opset = int(entry_fields[2])
    if not 1 <= version <= 1000:
        raise ValueError(f"no ONNX IR version at its start (found {version})")
    initializers = dict(_initializer(_bytes(v)) for n, _, v in graph if n == 5)
    inputs = tuple(_value(_bytes(v)) for n, _, v in graph if n == 11)
    return OnnxGraph(
        inputs=tuple(v for v in inputs if v.name not in initializers),
        outputs=tuple(_value(_bytes(v)) for n, _, v in graph if n == 12),
        nodes=tuple(_node(_bytes(v)) for n, _, v in graph if n == 1),
        initializers=initializers,
        metadata=metadata,
        opset=opset,
    )


def _node(content: bytes) -> OnnxNode:
    fields = list(_fields(content))
    texts = {n: [_bytes(v).decode() for m, _, v in fields if m == n] for n in (1, 2, 3, 4)}
    return OnnxNode("".join(texts[4]), "".join(texts[3]), tuple(texts[1]), tuple(texts[2]))


def _initializer(content: bytes) -> tuple[str, str]:
    name, dtype = "", 0
    for number, _, value in _fields(content):
        if number == 8:
            name = _bytes(value).decode()
        elif number == 2 and isinstance(value, int):
            dtype = value
    return name, _DTYPES.get(dtype, str(dtype))


def _value(content: bytes) -> OnnxValue:
    fields = {n: v for n, _, v in _fields(content)}
    tensor = {n: v for n, _, v in _fields(_bytes(fields[2]))} if 2 in fields else {}
    kind = {n: v for n, _, v in _fields(_bytes(tensor[1]))} if 1 in tensor else {}
    number = kind.get(1, 0)
    shape = tuple(_dimension(_bytes(v)) for n, _, v in _fields(_bytes(kind[2])) if n == 1) if 2 in kind else ()
    return OnnxValue(_bytes(fields[1]).decode(), _DTYPES.get(int(number), str(number)), shape)


def _dimension(content: bytes) -> int | str:
    for number, _, value in _fields(content):
        if number == 1 and isinstance(value, int):
            return value
        if number == 2:
            return _bytes(value).decode()
    return "?"


def _fields(content: bytes) -> Iterator[Field]:
    # Number, wire type and value of every field of one message; a memoryview would save nothing worth having.
    position = 0
    while position < len(content):
        key, position = _varint(content, position)
        number, wire = key >> 3, key & 7
        value: int | bytes
        if wire == 0:
            value, position = _varint(content, position)
        elif wire in (1, 2, 5):
            size = 8 if wire == 1 else 4
            if wire == 2:
                size, position = _varint(content, position)
            value = content[position : position + size]
            position += size
        else:
            raise ValueError(f"wire type {wire} at byte {position}")
        if position > len(content) or number == 0:
            raise ValueError(f"a field runs past the end, at byte {position} of {len(content)}")
        yield number, wire, value


def _varint(content: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = content[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
        shift += 7
        if shift > 63:
            raise ValueError(f"an endless number at byte {position}")


def _bytes(value: int | bytes | None) -> bytes:
    if not isinstance(value, bytes):
        raise ValueError("a number where a text or message should be")
    return value
