"""Other tools' files beside ours: prepared photos and made inputs, and answers that differ."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edgekd.bench.harness import measure
from edgekd.bench.on_device import device_score, host_answers_to_prepared
from edgekd.bench.plan import BenchPlan
from edgekd.bench.prepared import PreparedInputs
from edgekd.bench.targets import BenchTarget, CheckPhotos
from edgekd.devices.host import HostDevice
from edgekd.errors import UsageError
from edgekd.report.devices_report import device_cells, join

PLAN = BenchPlan(launches=2, seconds_per_launch=0.02, min_iterations=1, warmup_min_iterations=1, warmup_max_s=0.05)


def two_inputs(path: Path) -> Path:
    """Sum and difference of two inputs."""
    names = ("a", "b")
    graph = helper.make_graph(
        [helper.make_node("Add", list(names), ["sum"]), helper.make_node("Sub", list(names), ["difference"])],
        "g",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in names],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in ("sum", "difference")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


def test_a_file_of_two_inputs_stands_beside_ours(tmp_path: Path, means_tflite: Path) -> None:
    path, rng = two_inputs(tmp_path / "two.onnx"), np.random.default_rng(0)
    made = PreparedInputs(tuple(rng.random((3, 1, 4), np.float32) for _ in range(2)), "made", outputs_n=2)
    host = host_answers_to_prepared(path, "onnx", made)
    assert len(host.answers) == 6 and not host.near_ties
    images = rng.integers(0, 256, (4, 12, 8, 3), np.uint8)
    targets = [
        BenchTarget("ours", means_tflite, "tflite", images),
        BenchTarget("theirs", path, "onnx", made, check=CheckPhotos(made, host)),
    ]
    result = measure(targets, "ours", PLAN, HostDevice(), save_to=tmp_path / "r.json")
    theirs = result.measurement("theirs")
    assert theirs.inputs == "made" and theirs.input_size == (0, 0) and theirs.inputs_n == 3
    assert theirs.launches[0].check_answers == host.answers
    score = device_score(theirs)
    assert score is not None and score.passed and "6 outputs for made inputs" in score.message("host")
    rows = device_cells(join([result]).parts[0]).rows
    assert [row[0] for row in rows] == ["ours", "theirs (made inputs)"]
    wrong = replace(host, answers=((host.answers[0] + 1) % 4, *host.answers[1:]))
    other = device_score(replace(theirs, host=wrong))
    assert other is not None and not other.passed


def test_prepared_inputs_are_of_one_length() -> None:
    with pytest.raises(UsageError, match="same length"):
        PreparedInputs((np.zeros((2, 1)), np.zeros((3, 1))))
