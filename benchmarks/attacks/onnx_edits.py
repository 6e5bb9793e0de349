"""Changes to an .onnx graph that ONNX Runtime's own checks let pass: odd constants, and ops put in between."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Generator = np.random.Generator
_SIZES = (0, 1, -1, 2, 3, 7, 255, 1 << 16, 1 << 31, -(1 << 31), 1 << 40, -(1 << 62))
_FLOATS = (0.0, -1.0, float("nan"), float("inf"), 1e38, 1e-38)


def edited_onnx(content: bytes, generator: Generator) -> bytes:
    """One or two constants, attributes or edges changed, or an op put in between."""
    proto = onnx.load_from_string(content)
    for _ in range(int(generator.integers(1, 3))):
        _EDITS[int(generator.integers(len(_EDITS)))](proto.graph, generator)
    return bytes(proto.SerializeToString())


def _change_constant(graph: Any, generator: Generator) -> None:
    constant = graph.initializer[int(generator.integers(len(graph.initializer)))]
    values = numpy_helper.to_array(constant).copy()
    odd = _FLOATS if values.dtype.kind == "f" else _SIZES
    value = odd[int(generator.integers(len(odd)))]
    flat = values.reshape(-1)
    if flat.size:
        with np.errstate(all="ignore"):
            flat[int(generator.integers(flat.size))] = np.array(value).astype(values.dtype)
    constant.CopyFrom(numpy_helper.from_array(values, constant.name))


def _change_attribute(graph: Any, generator: Generator) -> None:
    entries = [entry for node in graph.node for entry in node.attribute if entry.type in (2, 7)]
    if entries:
        entry = entries[int(generator.integers(len(entries)))]
        value = _SIZES[int(generator.integers(len(_SIZES)))]
        if entry.ints:
            entry.ints[int(generator.integers(len(entry.ints)))] = value
        else:
            entry.i = value


def _change_shape(graph: Any, generator: Generator) -> None:
    sizes = [size for value in (*graph.input, *graph.output) for size in value.type.tensor_type.shape.dim]
    if sizes:
        sizes[int(generator.integers(len(sizes)))].dim_value = int(generator.choice([0, 1, 2, 1000, 1 << 20]))


def _put_between(graph: Any, generator: Generator) -> None:
    """An op that takes a float value and gives one, with odd constants."""
    floats = [node for node in graph.node if node.op_type in ("Conv", "Clip", "Mul", "Add", "DequantizeLinear")]
    node = floats[int(generator.integers(len(floats)))]
    value, inner = node.output[0], f"{node.output[0]}/inner{generator.integers(1 << 30)}"
    node.output[0] = inner
    size = int(_SIZES[int(generator.integers(len(_SIZES)))])
    kind, constants, attributes = _ops(size, generator)
    names = []
    for number, array in enumerate(constants):
        names.append(f"{inner}/{number}")
        graph.initializer.append(numpy_helper.from_array(array, names[-1]))
    place = list(graph.node).index(node) + 1
    graph.node.insert(place, helper.make_node(kind, [inner, *names], [value], **attributes))


def _ops(size: int, generator: Generator) -> tuple[str, list[Any], dict[str, Any]]:
    axis = int(generator.integers(-5, 5))
    four = np.array([1, 1, 1, 1], np.int64)
    four[int(generator.integers(4))] = size
    return (
        ("Reshape", [four], {"allowzero": int(generator.integers(2))}),
        ("Gather", [np.array([size, 0], np.int64)], {"axis": axis}),
        ("Tile", [four], {}),
        ("Expand", [four], {}),
        ("Pad", [np.array([0, 0, size % 64, 0, 0, 0, 0, -(size % 64)], np.int64)], {"mode": "reflect"}),
        ("Resize", [np.zeros(0, np.float32), np.array([1, 1, 1e-6, float(size % 1000)], np.float32)], {}),
        ("Slice", [four, four * 0 + size, np.arange(4), np.array([1, 1, -size or 1, 1], np.int64)], {}),
        ("ReduceSum", [np.array([axis], np.int64)], {"keepdims": 1}),
        ("MaxPool", [], {"kernel_shape": [max(1, size % 97), 1], "pads": [0, size % 11, 0, 0]}),
        ("Flatten", [], {"axis": axis}),
        ("CumSum", [np.array(axis, np.int64)], {}),
        ("GatherND", [np.array([[size, axis]], np.int64)], {"batch_dims": int(generator.integers(3))}),
        ("ScatterND", [np.array([[size]], np.int64), np.zeros((1, 8, 16, 16), np.float32)], {}),
        ("DepthToSpace", [], {"blocksize": size % 9}),
    )[int(generator.integers(14))]


def _loop_for_ever(graph: Any, generator: Generator) -> None:
    """A loop of as many turns as an int64 can say, with a body that does nothing."""
    node = next(node for node in graph.node if node.op_type in ("Conv", "Mul"))
    value, inner = node.output[0], f"{node.output[0]}/looped"
    node.output[0] = inner
    names = {"i": TensorProto.INT64, "go": TensorProto.BOOL, "go_on": TensorProto.BOOL}
    infos = {name: helper.make_tensor_value_info(name, kind, []) for name, kind in names.items()}
    states = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("before", "after")]
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["go_on"]), helper.make_node("Identity", ["before"], ["after"])], "body",
        [infos["i"], infos["go"], states[0]], [infos["go_on"], states[1]],
    )  # fmt: skip
    graph.initializer.append(numpy_helper.from_array(np.array((1 << 63) - 1, np.int64), "turns"))
    graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
    place = list(graph.node).index(node) + 1
    graph.node.insert(place, helper.make_node("Loop", ["turns", "yes", inner], [value], body=body))


_EDITS = (_change_constant, _change_constant, _change_attribute, _change_shape, _put_between, _put_between)


def endless_onnx(content: bytes) -> bytes:
    """The same network with a loop in it that never ends."""
    proto = onnx.load_from_string(content)
    _loop_for_ever(proto.graph, np.random.default_rng(0))
    return bytes(proto.SerializeToString())
