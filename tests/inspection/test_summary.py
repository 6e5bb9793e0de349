"""The sentence about a file, the memory of its activations, and MACs inside branches, loops and recurrent layers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from subjects import FOREIGN, inspected

from edgekd.formats.artifact import Artifact
from edgekd.formats.decision import Decision
from edgekd.inspection import inspect_file, to_json
from edgekd.inspection.memory import plan_activations
from edgekd.inspection.network import Network, Op, Value
from edgekd.inspection.summary import describe_rule, summarize


def chain(*types: str) -> Network:
    """x [100] -> a [200] -> b [300] -> y [50], all float32."""
    sizes = {"x": 100, "a": 200, "b": 300, "y": 50}
    keys = list(sizes)
    ops = tuple(Op(i, kind, "", "other", (keys[i],), (keys[i + 1],), "float32") for i, kind in enumerate(types))
    return Network("tflite", {k: Value(k, k, "float32", (1, n)) for k, n in sizes.items()}, ops, ("x",), ("y",))


def test_activations_are_planned_as_tflite_does() -> None:
    # x stays at 0..400; b, the largest, from 448; a after b at 1664..2464, and y where a was.
    assert plan_activations(chain("RELU", "RELU", "RELU")) == 2464
    # An op that only reshapes shares bytes, for as long as either lives.
    assert plan_activations(chain("RELU", "RESHAPE", "RELU")) == 448 + 832 + 200
    network = chain("RELU", "RELU", "RELU")
    free = {**network.values, "x": replace(network.values["x"], shape=(1, "n"))}
    assert plan_activations(replace(network, values=free)) is None
    assert plan_activations(replace(network, values=free), {"x": (1, 100)}) == 2464


def test_the_sentence_says_kind_input_work_and_runtime() -> None:
    text = summarize(inspected("int8_keras.tflite"))
    for part in ("image classifier, 32×32 RGB", "5 classes", "parameters", "MACs, int8", "of activations; not run"):
        assert part in text
    ran = inspect_file(FOREIGN / "float_keras.tflite")
    assert summarize(ran).endswith("LiteRT runs it, XNNPACK takes all ops in 1 part")
    told = to_json(ran)
    assert told["parameters"] == ran.parameters and len(told["heaviest"]) <= 5
    assert json.dumps(told) and told["heaviest"][0]["macs"] >= told["heaviest"][-1]["macs"]


def test_a_float_onnx_holds_no_int8_ops() -> None:
    assert {op.precision for op in inspected("tf2onnx_float.onnx").network.ops} == {"float32"}


def test_branches_loops_and_recurrent_layers_are_counted(tmp_path: Path) -> None:
    """If: the larger branch (4 x 8 products); LSTM: 5 steps of both matrices; Einsum: all its indices."""
    branch = [
        helper.make_graph(
            [helper.make_node("MatMul", ["x", f"w{size}"], [f"m{size}"]),
             helper.make_node("ReduceSum", [f"m{size}"], [f"r{size}"], keepdims=0)],
            f"branch{size}", [], [helper.make_tensor_value_info(f"r{size}", TensorProto.FLOAT, [])],
            [numpy_helper.from_array(np.ones((4, size), np.float32), f"w{size}")],
        )
        for size in (2, 8)
    ]  # fmt: skip
    nodes = [
        helper.make_node("If", ["which"], ["chosen"], then_branch=branch[0], else_branch=branch[1]),
        helper.make_node("LSTM", ["s", "W", "R"], ["", "h"], hidden_size=3),
        helper.make_node("Einsum", ["x", "V"], ["e"], equation="ij,jk->ik"),
    ]
    constants = {"W": (1, 12, 2), "R": (1, 12, 3), "V": (4, 6)}
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4]),
         helper.make_tensor_value_info("s", TensorProto.FLOAT, [5, 1, 2]),
         helper.make_tensor_value_info("which", TensorProto.BOOL, [])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("chosen", "h", "e")],
        [numpy_helper.from_array(np.ones(shape, np.float32), name) for name, shape in constants.items()],
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), tmp_path / "m.onnx")
    inspection = inspect_file(tmp_path / "m.onnx")
    counts = {op.type: inspection.subject.macs[op.index] for op in inspection.network.ops}
    assert counts == {"If": 4 * 8, "LSTM": 5 * (12 * 2 + 12 * 3), "Einsum": 4 * 6}
    assert inspection.parameters == 4 * 2 + 4 * 8 + 12 * 2 + 12 * 3 + 4 * 6
    assert inspection.ran and not [f for f in inspection.findings if f.severity == "error"]


def test_the_sentence_says_how_the_file_decides(decided: dict[str, Artifact], exported: dict[str, Artifact]) -> None:
    said = {name: summarize(inspect_file(one.path, run=False)) for name, one in {**decided, **exported}.items()}
    assert ", 3 tags (each given from its own 0.5 to 0.85), " in said["tags.int8.tflite"]
    assert ", 3 tags (each given from its own 0.5 to 0.85), " in said["tags.float32.onnx"]
    rule = ', 3 classes ("kerb & gutter" stands for none, none is the answer below 0.6), '
    assert rule in said["reject.int8.tflite"] and ", 3 classes, " in said["int8.tflite"]
    assert describe_rule(Decision("multi-label", (0.5, 0.5))) == "each given from 0.5"
    told = to_json(inspect_file(decided["tags.int8.onnx"].path, run=False))["decision"]
    assert told == decided["tags.int8.onnx"].decision.as_json()
