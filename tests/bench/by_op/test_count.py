"""Instructions by op on an emulated core, and the cuts that they are counted by."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from click.testing import CliRunner

from edgekd.bench.by_op.count import CALL, count_ops
from edgekd.bench.by_op.cuts import cut_onnx
from edgekd.bench.targets import BenchTarget
from edgekd.devices import Device, emulated, open_device
from edgekd.errors import UsageError
from edgekd.formats import tflite_file
from tests.tiny_student import SIZE, smooth_images

CORE = "emulated:cortex-a76"


@pytest.fixture(scope="module")
def core(arm_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Device:
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed: apt-get install gcc libc6-dev")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGEKD_ARM_ROOT", str(arm_root))
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        emulated.setup(CORE)
        return open_device(CORE)


def target(exported: dict[str, Any], name: str) -> BenchTarget:
    artifact = exported[name]
    return BenchTarget(name, artifact.path, artifact.format, smooth_images(1, SIZE))


def test_every_op_has_its_instructions(exported: dict[str, Any], core: Device) -> None:
    found = count_ops(target(exported, "int8.tflite"), core)
    graph = tflite_file.read(exported["int8.tflite"].content(), "int8.tflite")
    assert [op.kind for op in found.ops] == [CALL, *(op.name for op in graph.ops)]
    assert (found.unit, found.device) == ("instructions", CORE)
    assert sum(op.share for op in found.ops) == pytest.approx(1)
    by_kind = {op.kind: op.share * found.total for op in found.ops}
    # A multiplication and an addition of so many bytes are less than an instruction each, and what is around is more.
    assert by_kind["CONV_2D"] > 1000 and 0 < by_kind[CALL] < found.total / 2


def test_a_cut_onnx_file_computes_what_the_whole_one_does_there(exported: dict[str, Any]) -> None:
    model = onnx.load(str(exported["int8.onnx"].path))
    (image,) = model.graph.input
    feeds = {image.name: smooth_images(1, SIZE)}
    everything = onnx.ModelProto()
    everything.CopyFrom(model)
    values = [name for node in model.graph.node for name in node.output]
    known = {value.name for value in model.graph.output}
    everything.graph.output.extend(onnx.ValueInfoProto(name=name) for name in values if name not in known)
    expected = run(everything.SerializeToString(), feeds)
    count = len(model.graph.node)
    for kept in (0, 1, count // 2, count):
        found = run(cut_onnx(model, kept), feeds)
        assert found and all(np.array_equal(value, {**expected, **feeds}[name]) for name, value in found.items())
    assert list(found) == [value.name for value in model.graph.output]


def run(content: bytes, feeds: dict[str, Any]) -> dict[str, Any]:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, feeds), strict=True))


def test_what_cannot_be_counted_is_refused(exported: dict[str, Any], tmp_path: Path) -> None:
    from edgekd.cli.bench_command import command

    ort = tmp_path / "x.ort"
    ort.write_bytes(b"x")
    with pytest.raises(UsageError, match=r"x: an \.ort file cannot be cut behind its ops\. Profile the \.onnx"):
        count_ops(BenchTarget("x", ort, "ort", smooth_images(1, SIZE)), open_device("host"))
    path = str(exported["int8.tflite"].path)
    done = CliRunner().invoke(command, [path, "--profile", "--out", str(tmp_path / "x.json")])
    assert "not with --out" in str(done.exception) and "--profile --json > FILE" in str(done.exception)
