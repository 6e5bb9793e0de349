"""What the lint's tests look at: the foreign files, and small graphs with a mistake made on purpose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edgekd.formats import onnx_file, tflite_file
from edgekd.inspection import description, from_onnx, from_tflite, xnnpack
from edgekd.inspection.inspect_file import Inspection, inspect_file
from edgekd.inspection.lint import Subject
from edgekd.inspection.macs import macs

FOREIGN = Path(__file__).parents[1] / "golden" / "foreign"


def inspected(name: str) -> Inspection:
    """A foreign file, read and not run."""
    return inspect_file(FOREIGN / name, run=False)


def subject(name: str, **changes: Any) -> Subject:
    """A foreign file as the rules see it, with fields replaced."""
    return replace(inspected(name).subject, **changes)


def describing(name: str, **changes: Any) -> Subject:
    """A foreign file that says something else of itself."""
    found = inspected(name).subject
    return replace(found, description=replace(found.description, **changes))


def with_value(name: str, change: Callable[[Any], Any], tensor: str | None = None) -> Subject:
    """A foreign file with its first convolution's weights (or a tensor by name) changed."""
    found = inspected(name).subject
    weights = found.network.weights(found.accumulating[0])
    assert weights is not None
    old = next(v for v in found.network.values.values() if v.name == tensor) if tensor else weights
    values = {**found.network.values, old.key: change(old)}
    return replace(found, network=replace(found.network, values=values))


def edited(name: str, edit: Callable[[Any], None]) -> bytes:
    """A foreign .tflite after an edit of its schema's ModelT."""
    model = tflite_file.parse((FOREIGN / name).read_bytes(), name)
    edit(model)
    return tflite_file.pack(model)


def tflite_subject(content: bytes) -> Subject:
    """A .tflite's bytes as the rules see them, with the delegation that the table expects."""
    graph = tflite_file.read(content, "edited.tflite")
    network = from_tflite.network(graph)
    about = description.describe_tflite(content, graph.metadata, graph.description)
    counted = {op.index: macs(network, op) for op in network.ops}
    return Subject(network, about, graph.version, counted, xnnpack.expect_delegated(network))


Spec = tuple[str, list[str], str]


def onnx_bytes(
    nodes: list[Spec], *, image: tuple[Any, ...] = ("N", 3, 8, 8), opset: int = 17, dtype: int = TensorProto.FLOAT
) -> bytes:
    """A graph of (op, inputs, output), from "x" to "y". Ops of another domain are written "domain:Op".

    Constants by name: w and q (float and int8 kernels), s (scale), z and u (zero points), c (1/255), h (0.5).
    """
    constants = {
        "w": np.random.default_rng(0).normal(size=(4, 3, 3, 3)).astype(np.float32),
        "q": np.random.default_rng(0).integers(-127, 127, (4, 3, 3, 3)).astype(np.int8),
        "s": np.float32(0.02), "z": np.int8(0), "u": np.uint8(128), "c": np.float32(1 / 255), "h": np.float32(0.5),
        "axis_s": np.full(4, 0.02, np.float32), "axis_z": np.zeros(4, np.int8),
        "lo": np.float32(0), "hi": np.float32(6),
    }  # fmt: skip
    used = {name for _, inputs, _ in nodes for name in inputs} & set(constants)
    made = []
    for op, inputs, output in nodes:
        domain, _, kind = op.rpartition(":")
        extra = {"axis": 0} if "axis_s" in inputs else {}
        made.append(helper.make_node(kind, inputs, [output], name=output, domain=domain, **extra))
    graph = helper.make_graph(
        made,
        "g",
        [helper.make_tensor_value_info("x", dtype, image)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(constants[name]), name) for name in sorted(used)],
    )
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets)
    return bytes(model.SerializeToString())


def onnx_subject(nodes: list[Spec], **options: Any) -> Subject:
    """The same as the rules see it, with the shapes that onnx infers."""
    content = onnx_bytes(nodes, **options)
    graph = onnx_file.read(content, "made.onnx")
    inferred = onnx.shape_inference.infer_shapes(onnx.load_from_string(content)).graph.value_info
    types = {
        value.name: (
            {1: "float32", 2: "uint8", 3: "int8"}[value.type.tensor_type.elem_type],
            tuple(d.dim_value or d.dim_param for d in value.type.tensor_type.shape.dim),
        )
        for value in inferred
    }
    network = from_onnx.network(graph, types)
    counted = {op.index: macs(network, op) for op in network.ops}
    return Subject(network, description.describe_onnx(graph.metadata, ""), graph.opset, counted)


def quantized(*between: Spec, activations: str = "u", per_channel: bool = True) -> list[Spec]:
    """A convolution in QDQ form, with ops between it and its QuantizeLinear; the last of them gives "b"."""
    kernel = ["q", "axis_s", "axis_z"] if per_channel else ["q", "s", "z"]
    last = between[-1][2] if between else "b0"
    return [
        ("QuantizeLinear", ["x", "s", activations], "xq"),
        ("DequantizeLinear", ["xq", "s", activations], "xd"),
        ("DequantizeLinear", kernel, "wd"),
        ("Conv", ["xd", "wd"], "b0"),
        *between,
        ("QuantizeLinear", [last, "s", activations], "bq"),
        ("DequantizeLinear", ["bq", "s", activations], "y"),
    ]
