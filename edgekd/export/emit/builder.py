"""Collects the nodes and constants of an ONNX graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Opset 17 has every op needed, and runtimes since 2022 (IR version 8) read it.
OPSET = 17
IR_VERSION = 8
BATCH = "N"

_CONVERSIONS = ("QuantizeLinear", "DequantizeLinear")
# What the specification of Conv says of an attribute that is left out.
_CONV_DEFAULTS = {"strides": [1, 1], "dilations": [1, 1], "pads": [0, 0, 0, 0], "group": 1}

# Name, dtype and shape of a graph's input or output.
Value = tuple[str, str, list[int | str]]


class OnnxBuilder:
    """Nodes in order of computation, and constants that are stored once however often they are used."""

    def __init__(self) -> None:
        self._nodes: list[tuple[str, list[str], str, dict[str, Any]]] = []
        self._constants: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._values: list[tuple[str, NDArray[Any]]] = []
        self._used: set[str] = set()

    def constant(self, value: NDArray[Any], *, shared: bool = True) -> str:
        """Add an initializer of this value and return its name; an equal one is reused if ``shared``."""
        key = (value.dtype.str, value.shape, value.tobytes())
        if shared and key in self._constants:
            return self._constants[key]
        name = f"${len(self._values)}"
        self._values.append((name, np.ascontiguousarray(value).reshape(value.shape)))
        return self._constants.setdefault(key, name) if shared else name

    def node(self, op: str, inputs: Sequence[str], name: str, attributes: Mapping[str, Any] | None = None) -> str:
        """Add a node with one output; returns the output's name, made of ``name`` and unique."""
        output = name
        while output in self._used:
            output += "_"
        self._used.add(output)
        self._nodes.append((op, list(inputs), output, dict(attributes or {})))
        return output

    def _drop_unused(self, final: str) -> set[str]:
        # What an emitter wrote before another found a shorter way.
        used, kept = {final}, []
        for node in reversed(self._nodes):
            if node[2] in used:
                kept.append(node)
                used.update(node[1])
        self._nodes = kept[::-1]
        return used

    def _short_names(self) -> dict[str, str]:
        # In small files names take more bytes than biases. What a person looks for keeps its name: the quantized result
        # of each layer, and each node that computes.
        names = [out for op, _, out, _ in self._nodes if op != "QuantizeLinear"]
        return {name: f"%{np.base_repr(number, 36)}" for number, name in enumerate(names)}

    def model(self, image: Value, output: Value, final: str, name: str) -> Any:
        """The onnx.ModelProto from the input ``image`` to the ``output``, which is the value named ``final``."""
        import onnx
        from onnx import helper, numpy_helper

        used = self._drop_unused(final)
        renamed = {**self._short_names(), final: output[0]}
        nodes = []
        for op, inputs, out, attributes in self._nodes:
            names = [renamed.get(value, value) for value in (*inputs, out)]
            # Only what computes is looked for by its node's name.
            node_name = None if op in _CONVERSIONS else out
            nodes.append(helper.make_node(op, names[:-1], names[-1:], node_name, **_without_defaults(op, attributes)))
        kinds = {"float32": onnx.TensorProto.FLOAT, "uint8": onnx.TensorProto.UINT8}
        graph = helper.make_graph(
            nodes,
            name,
            [helper.make_tensor_value_info(image[0], kinds[image[1]], image[2])],
            [helper.make_tensor_value_info(output[0], kinds[output[1]], output[2])],
            [numpy_helper.from_array(value, constant) for constant, value in self._values if constant in used],
        )
        return helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="edgekd",
        )


def _without_defaults(op: str, attributes: Mapping[str, Any]) -> dict[str, Any]:
    defaults = _CONV_DEFAULTS if op in ("Conv", "ConvTranspose") else {}
    return {name: value for name, value in attributes.items() if defaults.get(name) != value}
