"""A file that could crash its runtime, run for ever or take all memory is tried in a child process first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgekd.errors import ArtifactError
from edgekd.inspection import probe

FLOATS = [1, 3, 8, 8]


def save(path: Path, nodes: list[Any], constants: dict[str, Any]) -> Path:
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, FLOATS) for name in ("x", "y")]
    weights = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "net", ends[:1], ends[1:], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


def endless(path: Path) -> Path:
    kinds = {"i": TensorProto.INT64, "go": TensorProto.BOOL, "go_on": TensorProto.BOOL}
    infos = {name: helper.make_tensor_value_info(name, kind, []) for name, kind in kinds.items()}
    states = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("before", "after")]
    steps = [helper.make_node("Identity", ["go"], ["go_on"]), helper.make_node("Identity", ["before"], ["after"])]
    body = helper.make_graph(steps, "body", [infos["i"], infos["go"], states[0]], [infos["go_on"], states[1]])
    loop = helper.make_node("Loop", ["turns", "yes", "x"], ["y"], body=body)
    return save(path, [loop], {"turns": np.int64((1 << 63) - 1), "yes": np.bool_(True)})


def test_a_loop_without_end_is_stopped(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"running it in ONNX Runtime took more than 3 s and was stopped"):
        probe.check_runs(endless(tmp_path / "endless.onnx"), timeout_s=3)


def test_a_result_larger_than_the_memory_is_refused_in_the_child(tmp_path: Path) -> None:
    tile = helper.make_node("Tile", ["x", "times"], ["y"])
    path = save(tmp_path / "large.onnx", [tile], {"times": np.array([1 << 20, 1, 64, 1])})
    probe.check_runs(path)
    assert "cannot run it on zeros" in (probe.probe(path, "onnx").failed or "")


def test_plain_ops_may_crash_their_runtime_too(tmp_path: Path) -> None:
    # Nothing is left of the input, and the integer addition of nothing reads what is not there.
    steps = [helper.make_node("Slice", ["x", "start", "end"], ["empty"])]
    steps += [helper.make_node("QuantizeLinear", ["empty", "scale", "zero"], ["a"])]
    steps += [helper.make_node("DequantizeLinear", ["a", "scale", "zero"], ["b"])]
    steps += [helper.make_node("Add", ["b", "b"], ["c"])]
    steps += [helper.make_node("QuantizeLinear", ["c", "scale", "zero"], ["d"])]
    steps += [helper.make_node("DequantizeLinear", ["d", "scale", "zero"], ["y"])]
    none = np.zeros(4, np.int64)
    constants = {"start": none, "end": none, "scale": np.float32(0.1), "zero": np.uint8(3)}
    with pytest.raises(ArtifactError, match=r"running it in ONNX Runtime ended its process by SIGSEGV"):
        probe.check_runs(save(tmp_path / "plain.onnx", steps, constants))
    probe.check_runs(save(tmp_path / "sound.onnx", [helper.make_node("Relu", ["x"], ["y"])], {}))
