"""The float .onnx is the same at every conversion, whatever was converted before it."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx

from edgekd.export import onnx_float
from edgekd.export.onnx_float import _name_by_place
from edgekd.quantize.float_model import load_float_model


def convert(student: Any, monkeypatch: Any) -> onnx.ModelProto:
    monkeypatch.setattr(onnx_float, "pack", lambda model, record, name: model.SerializeToString(deterministic=True))
    record = type("Record", (), {"layout": "nhwc"})()
    return onnx.load_from_string(onnx_float.from_keras(load_float_model(student), record, name="tiny"))


def test_the_same_bytes_at_every_conversion(student: Any, monkeypatch: Any) -> None:
    first, second = convert(student, monkeypatch), convert(student, monkeypatch)
    assert first.SerializeToString(deterministic=True) == second.SerializeToString(deterministic=True)
    onnx.checker.check_model(first)
    assert [value.name for value in (*first.graph.input, *first.graph.output)] == ["image", "probabilities"]


def test_names_are_unique_and_the_graph_computes_the_same() -> None:
    import onnxruntime

    def graph(a: int, b: int) -> onnx.ModelProto:
        make = onnx.helper.make_node
        nodes = [
            make("Add", ["x", f"c__{a}"], [f"y__{a}"], name=f"functional_{a}/add__{a}"),
            make("Mul", [f"y__{a}", f"c__{b}"], [f"y__{b}"], name=f"functional_{a}/add__{b}"),
            make("Relu", [f"y__{b}"], ["out"], name="relu"),
        ]
        value = onnx.helper.make_tensor_value_info
        constants = [
            onnx.numpy_helper.from_array(np.array([number], np.float32), name)
            for number, name in ((3.0, f"c__{b}"), (1.0, f"c__{a}"))
        ]
        made = onnx.helper.make_graph(nodes, "g", [value("x", 1, [1])], [value("out", 1, [1])], constants)
        return onnx.helper.make_model(made, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)

    models = [graph(5, 9), graph(31, 12)]
    for model in models:
        _name_by_place(model.graph)
    assert models[0].SerializeToString() == models[1].SerializeToString()
    names = [node.name for node in models[0].graph.node]
    assert names == ["add", "add_1", "relu"] and [one.name for one in models[0].graph.initializer] == [
        "add/constant_1",
        "add_1/constant_1",
    ]
    session = onnxruntime.InferenceSession(models[0].SerializeToString(), providers=["CPUExecutionProvider"])
    assert session.run(None, {"x": np.array([2.0], np.float32)})[0] == [9.0]
