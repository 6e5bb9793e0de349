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

    def model(self, image: Value, output: Value, final: str, name: str) -> Any:
        """The onnx.ModelProto from the input ``image`` to the ``output``, which is the value named ``final``."""
        import onnx
        from onnx import helper, numpy_helper

        renamed = {final: output[0]}
        nodes = [
            helper.make_node(op, [renamed.get(i, i) for i in inputs], [renamed.get(out, out)], name=out, **attributes)
            for op, inputs, out, attributes in self._nodes
        ]
        kinds = {"float32": onnx.TensorProto.FLOAT, "uint8": onnx.TensorProto.UINT8}
        graph = helper.make_graph(
            nodes,
            name,
            [helper.make_tensor_value_info(image[0], kinds[image[1]], image[2])],
            [helper.make_tensor_value_info(output[0], kinds[output[1]], output[2])],
            [numpy_helper.from_array(value, constant) for constant, value in self._values],
        )
        return helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="edgekd",
        )
