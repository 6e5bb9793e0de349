from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgekd.errors import ArtifactError
from edgekd.formats import onnx_file


def test_reads_what_the_onnx_package_reads(exported: dict[str, Any]) -> None:
    import onnx

    for name in ("int8.onnx", "float32.onnx"):
        content = exported[name].content()
        graph, model = onnx_file.read(content, name), onnx.load_from_string(content)
        assert [node.op for node in graph.nodes] == [node.op_type for node in model.graph.node]
        assert [node.inputs for node in graph.nodes] == [tuple(node.input) for node in model.graph.node]
        assert [node.outputs for node in graph.nodes] == [tuple(node.output) for node in model.graph.node]
        assert list(graph.initializers) == [value.name for value in model.graph.initializer]
        assert graph.metadata == {entry.key: entry.value for entry in model.metadata_props}
        assert (graph.opset, graph.inputs[0].shape) == (17, ("N", 48, 48, 3))


def test_float_nodes_are_those_outside_quantize_and_dequantize() -> None:
    def node(op: str, inputs: str, output: str) -> onnx_file.OnnxNode:
        return onnx_file.OnnxNode(op, output, tuple(inputs.split()), (output,))

    head = [node("QuantizeLinear", "x s z", "q"), node("DequantizeLinear", "q s z", "d")]
    tail = [node("QuantizeLinear", "r s z", "o")]
    image = (onnx_file.OnnxValue("x", "float32", (1,)),)

    def left(*nodes: onnx_file.OnnxNode) -> list[str]:
        graph = onnx_file.OnnxGraph(image, (), (*head, *nodes, *tail), {}, {})
        return [text.split(" ")[0] for text in onnx_file.float_ops(graph)]

    assert left(node("Conv", "d w", "c"), node("Relu", "c", "r")) == []
    assert left(node("MaxPool", "q", "p"), node("DequantizeLinear", "p s z", "r")) == []
    # A float op in the middle shows, with the neighbour that has to serve it.
    assert left(node("Conv", "d w", "c"), node("Erf", "c", "r")) == ["Conv", "Erf"]
    assert left(node("Sigmoid", "x", "r")) == ["Sigmoid"]
    # Integer weights alone do not make a multiplication one of integers.
    dynamic = onnx_file.OnnxGraph(
        image, (), (node("DequantizeLinear", "w s z", "wd"), node("MatMul", "x wd", "o")), {}, {}
    )
    assert [text.split(" ")[0] for text in onnx_file.float_ops(dynamic)] == ["MatMul"]


def test_spoiled_files_give_an_error_not_a_crash(exported: dict[str, Any]) -> None:
    whole = exported["int8.onnx"].content()
    generator = np.random.default_rng(5)
    for _ in range(100):
        spoiled = bytearray(whole)
        for place in generator.integers(0, len(whole), 40):
            spoiled[place] = int(generator.integers(256))
        try:
            onnx_file.float_ops(onnx_file.read(bytes(spoiled), "spoiled.onnx"))
        except ArtifactError as error:
            assert "spoiled.onnx" in str(error)
    for size in range(0, len(whole), 997):
        with pytest.raises(ArtifactError):
            onnx_file.read(whole[:size], "cut.onnx")
