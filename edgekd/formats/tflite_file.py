"""Reads a .tflite file as plain data: tensors, ops, constants and metadata, without an interpreter."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.errors import ArtifactError

IDENTIFIER = b"TFL3"
_MAX_DIMENSION = 1 << 31
_NUMPY_TYPES: dict[str, np.dtype[Any]] = {
    "FLOAT32": np.dtype("<f4"),
    "FLOAT16": np.dtype("<f2"),
    "INT8": np.dtype("i1"),
    "UINT8": np.dtype("u1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "BOOL": np.dtype("?"),
}
# Number of required inputs; interpreters read out of bounds if one is marked absent.
_NEEDED_INPUTS = {"CONV_2D": 2, "DEPTHWISE_CONV_2D": 2, "FULLY_CONNECTED": 2, "TRANSPOSE_CONV": 3, "BATCH_MATMUL": 2}
# Ops allowed at the edge of an integer graph.
_EDGE_OPS = ("QUANTIZE", "DEQUANTIZE")


@dataclass(frozen=True)
class TfliteTensor:
    """One tensor. ``scales`` and ``zero_points`` are empty if it has none, ``data`` is a constant's value.

    ``signature`` is its shape with -1 for a free dimension, and ``size_bytes`` what a constant takes in the file.
    """

    index: int
    name: str
    type: str
    shape: tuple[int, ...]
    scales: NDArray[np.float32]
    zero_points: NDArray[np.int64]
    axis: int
    data: NDArray[Any] | None
    signature: tuple[int, ...] = ()
    size_bytes: int = 0


@dataclass(frozen=True)
class TfliteOp:
    """One op: its builtin name (or custom code), tensor indices (-1 for an absent input) and the schema's options."""

    index: int
    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Any


@dataclass(frozen=True)
class TfliteGraph:
    """The first of a model's ``subgraphs``, and the model's metadata buffers by name; ``bodies`` are the others.

    A body is run by an op such as IF or WHILE, which names its number in ``options``.
    """

    tensors: tuple[TfliteTensor, ...]
    ops: tuple[TfliteOp, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    metadata: dict[str, bytes] = field(repr=False)
    version: int = 3
    description: str = ""
    signatures: tuple[str, ...] = ()
    subgraphs: int = 1
    bodies: tuple[TfliteGraph, ...] = field(default=(), repr=False)


def parse(content: bytes, where: str) -> Any:
    """The schema's ModelT of a .tflite file. Raises ArtifactError naming ``where`` if it is not one, or damaged."""
    if content[4:8] != IDENTIFIER:
        raise ArtifactError(
            f"{where} is not a .tflite file (bytes 4 to 7 are {content[4:8]!r}, not {IDENTIFIER!r}). "
            "Give the path of a .tflite model"
        )
    from ai_edge_litert import schema_py_generated as schema

    try:
        return schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    except Exception as error:  # offsets outside the file raise many kinds
        raise _damage_error(where, f"its structure cannot be read ({error})") from None


def pack(model: Any) -> bytes:
    """Serialize the schema's ModelT to a .tflite file."""
    from ai_edge_litert.tools import flatbuffer_utils

    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def read(content: bytes, where: str) -> TfliteGraph:
    """Read and check a .tflite file. Raises ArtifactError if an index, shape or size is invalid."""
    model = parse(content, where)
    try:
        if not model.subgraphs:
            raise _damage_error(where, "it holds no graph")
        graphs = tuple(_subgraph(model, number, where) for number in range(len(model.subgraphs)))
        metadata = {_text(m.name): _metadata(model, m.buffer, where) for m in model.metadata or ()}
        signatures = tuple(_text(s.signatureKey) for s in model.signatureDefs or ())
    except ArtifactError:
        raise
    except Exception as error:  # a damaged table can hold anything
        raise _damage_error(where, f"{type(error).__name__}: {error}") from None
    if not graphs[0].inputs or not graphs[0].outputs:
        raise _damage_error(where, "its graph has no input or no output")
    return replace(
        graphs[0],
        metadata=metadata,
        version=int(model.version),
        description=_text(model.description),
        signatures=signatures,
        subgraphs=len(graphs),
        bodies=graphs[1:],
    )


def _subgraph(model: Any, number: int, where: str) -> TfliteGraph:
    subgraph = model.subgraphs[number]
    tensors = tuple(_tensor(model, subgraph, i, where) for i in range(_length(subgraph.tensors)))
    ops = tuple(_op(model, subgraph, i, where) for i in range(_length(subgraph.operators)))
    _check_order(ops, where)
    inputs, outputs = _indices(subgraph.inputs), _indices(subgraph.outputs)
    _check_indices((*inputs, *outputs), len(tensors), where, "the graph's inputs and outputs")
    return TfliteGraph(tensors, ops, inputs, outputs, {})


def _length(values: Any) -> int:
    return 0 if _is_empty(values) else len(values)


def float_ops(graph: TfliteGraph) -> tuple[str, ...]:
    """Describe the ops that use float tensors, except QUANTIZE and DEQUANTIZE at the graph's edges.

    A softmax or sigmoid of the last integers is an edge too: it makes the probabilities of a file with a decision.
    """
    end = _float_end(graph)
    return tuple(
        f"{op.name} (op {op.index}, tensor {graph.tensors[_float_tensors(graph, op)[-1]].name!r})"
        for op in find_float_ops(graph)
        if op not in end
    )


def _float_end(graph: TfliteGraph) -> tuple[TfliteOp, ...]:
    """DEQUANTIZE of the last integers, a product with a constant, and SOFTMAX or LOGISTIC; empty without all of it."""
    chain, tensor = list[TfliteOp](), graph.outputs[0]
    for op in reversed(graph.ops):
        if tensor not in op.outputs:
            return ()
        chain.append(op)
        tensor = op.inputs[0]
        if op.name == "DEQUANTIZE":
            return tuple(chain) if len(chain) > 1 and graph.tensors[tensor].type == "INT8" else ()
        is_first = op.name in ("SOFTMAX", "LOGISTIC") and len(chain) == 1
        if not is_first and not (op.name == "MUL" and graph.tensors[op.inputs[1]].data is not None):
            return ()
    return ()


def find_float_ops(graph: TfliteGraph) -> tuple[TfliteOp, ...]:
    """The ops that use float tensors, except QUANTIZE and DEQUANTIZE at the graph's edges."""
    edges = {*graph.inputs, *graph.outputs}
    return tuple(
        op
        for op in graph.ops
        if (floats := _float_tensors(graph, op)) and not (op.name in _EDGE_OPS and all(i in edges for i in floats))
    )


def _float_tensors(graph: TfliteGraph, op: TfliteOp) -> list[int]:
    return [i for i in (*op.inputs, *op.outputs) if i >= 0 and graph.tensors[i].type in ("FLOAT32", "FLOAT16")]


@cache
def names_of(kind: str) -> dict[int, str]:
    """Names by number of one of the schema's enumerations, such as ``BuiltinOperator``."""
    from ai_edge_litert import schema_py_generated as schema

    return {value: name for name, value in vars(getattr(schema, kind)).items() if not name.startswith("_")}


def _tensor(model: Any, subgraph: Any, index: int, where: str) -> TfliteTensor:
    source = subgraph.tensors[index]
    type_name = names_of("TensorType").get(source.type, str(source.type))
    shape = _indices(source.shape)
    if any(size < 0 or size >= _MAX_DIMENSION for size in shape):
        raise _damage_error(where, f"tensor {index} has the shape {list(shape)}")
    quantization = source.quantization
    scales = _array(quantization.scale if quantization else None, np.float32)
    zero_points = _array(quantization.zeroPoint if quantization else None, np.int64)
    if len(zero_points) not in (len(scales), 0) or not np.isfinite(scales).all():
        raise _damage_error(where, f"tensor {index} has {len(scales)} scales and {len(zero_points)} zero points")
    axis = int(quantization.quantizedDimension) if quantization else 0
    if len(scales) > 1 and (axis not in range(len(shape)) or shape[axis] != len(scales)):
        raise _damage_error(where, f"tensor {index} of shape {list(shape)} has {len(scales)} scales along axis {axis}")
    data, size_bytes = _constant(model, source, type_name, shape, f"tensor {index}", where)
    signature = shape if _is_empty(source.shapeSignature) else _indices(source.shapeSignature)
    name = _text(source.name)
    return TfliteTensor(index, name, type_name, shape, scales, zero_points, axis, data, signature, size_bytes)


def _metadata(model: Any, buffer: int, where: str) -> bytes:
    if not 0 <= buffer < len(model.buffers):
        raise _damage_error(where, f"its metadata names buffer {buffer} of {len(model.buffers)}")
    data = model.buffers[buffer].data
    return b"" if _is_empty(data) else bytes(data)


def _constant(
    model: Any, source: Any, type_name: str, shape: tuple[int, ...], what: str, where: str
) -> tuple[NDArray[Any] | None, int]:
    if not 0 <= source.buffer < len(model.buffers):
        raise _damage_error(where, f"{what} names buffer {source.buffer} of {len(model.buffers)}")
    raw = model.buffers[source.buffer].data
    dtype = _NUMPY_TYPES.get(type_name)
    if _is_empty(raw) or len(raw) == 0:
        # A model above 2 GB stores its buffers after the tables.
        return None, int(model.buffers[source.buffer].size)
    if dtype is None or source.sparsity is not None:
        return None, len(raw)
    expected = dtype.itemsize * int(np.prod(shape, dtype=np.int64))
    if len(raw) != expected:
        raise _damage_error(where, f"{what} needs {expected} bytes and has {len(raw)}")
    return np.frombuffer(np.asarray(raw, np.uint8).tobytes(), dtype).reshape(shape), len(raw)


def _op(model: Any, subgraph: Any, index: int, where: str) -> TfliteOp:
    source = subgraph.operators[index]
    if not 0 <= source.opcodeIndex < len(model.operatorCodes):
        raise _damage_error(where, f"op {index} names op code {source.opcodeIndex} of {len(model.operatorCodes)}")
    code = model.operatorCodes[source.opcodeIndex]
    # Codes above 127 are in the newer field only.
    number = max(code.builtinCode, code.deprecatedBuiltinCode)
    name = names_of("BuiltinOperator").get(number, str(number))
    if name == "CUSTOM":
        name = f"CUSTOM {_text(code.customCode)}"
    inputs, outputs = _indices(source.inputs), _indices(source.outputs)
    _check_indices([i for i in (*inputs, *outputs) if i != -1], len(subgraph.tensors), where, f"op {index}")
    if -1 in inputs[: _NEEDED_INPUTS.get(name, 1)]:
        raise _damage_error(where, f"op {index} ({name}) lacks an input that it needs")
    # Newer ops keep theirs in the second field.
    options = source.builtinOptions if source.builtinOptions is not None else source.builtinOptions2
    return TfliteOp(index, name, inputs, outputs, options)


def _check_order(ops: tuple[TfliteOp, ...], where: str) -> None:
    # Ops run in file order; one that reads the output of a later op would read uninitialized memory.
    producers = {output: op.index for op in reversed(ops) for output in op.outputs if output >= 0}
    for op in ops:
        for tensor in op.inputs:
            if producers.get(tensor, -1) >= op.index:
                raise _damage_error(
                    where, f"op {op.index} takes tensor {tensor}, which op {producers[tensor]} computes later"
                )


def _check_indices(indices: Iterable[int], count: int, where: str, what: str) -> None:
    for index in indices:
        if not 0 <= index < count:
            raise _damage_error(where, f"{what} names tensor {index} of {count}")


def _indices(values: Any) -> tuple[int, ...]:
    return () if _is_empty(values) else tuple(int(value) for value in values)


def _array(values: Any, dtype: Any) -> NDArray[Any]:
    return np.zeros(0, dtype) if _is_empty(values) else np.asarray(values, dtype)


def _is_empty(values: Any) -> bool:
    # An empty vector comes back from the schema's reader as the integer 0.
    return values is None or np.ndim(values) == 0


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value or "")


def _damage_error(where: str, why: str) -> ArtifactError:
    return ArtifactError(f"{where} is damaged or cut short: {why}. Copy it again, or export it again")
