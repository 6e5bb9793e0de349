from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.schema_py_generated import TensorType
from click.testing import CliRunner

from edgekd.bench.by_op.cuts import cut_tflite
from edgekd.bench.by_op.profile import FileProfile, OpTime, profile
from edgekd.bench.by_op.side_by_side import by_kind, by_layer
from edgekd.bench.targets import BenchTarget
from edgekd.errors import DeviceError
from edgekd.formats import tflite_file
from tests.tflite_graph import TfliteBuilder
from tests.tiny_student import SIZE, smooth_images


def target(exported: dict[str, Any], name: str) -> BenchTarget:
    artifact = exported[name]
    return BenchTarget(name, artifact.path, artifact.format, smooth_images(1, SIZE))


@pytest.mark.parametrize("name", ["int8.tflite", "int8.onnx"])
def test_every_op_has_its_share(name: str, exported: dict[str, Any]) -> None:
    found = profile(target(exported, name), seconds=0.02)
    assert sum(op.share for op in found.ops) == pytest.approx(1)
    assert min(op.share for op in found.ops) >= 0 and found.total > 0
    if name == "int8.tflite":
        graph = tflite_file.read(exported[name].content(), name)
        assert [op.kind for op in found.ops] == [op.name for op in graph.ops]
    else:
        assert {"QLinearConv", "Transpose"} <= {op.kind for op in found.ops}
    assert found.heaviest(1)[0].share == max(op.share for op in found.ops)


def test_a_cut_file_computes_what_the_whole_one_does_there(exported: dict[str, Any]) -> None:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    content = exported["int8.tflite"].content()
    model, ops = tflite_file.parse(content, "m"), len(tflite_file.read(content, "m").ops)
    image = smooth_images(1, SIZE)
    # XNNPACK keeps no values between.
    plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    for count in (1, ops // 2, ops - 1):
        values = []
        part = cut_tflite(model, count)
        for each, kept in ((part, False), (content, True)):
            interpreter = Interpreter(
                model_content=each, experimental_preserve_all_tensors=kept, experimental_op_resolver_type=plain
            )
            interpreter.allocate_tensors()
            interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
            interpreter.invoke()
            outputs = tflite_file.read(part, "part").outputs
            values.append([interpreter.get_tensor(index) for index in outputs])
        assert len(values[0]) >= 1
        assert all(np.array_equal(a, b) for a, b in zip(*values, strict=True))
    # The file itself is as it was.
    assert len(model.subgraphs[0].operators) == ops and model.signatureDefs


def test_a_file_with_variables_is_cut_too(tmp_path: Path) -> None:
    build = TfliteBuilder(8, 8)
    shape = (1, 8, 8, 3)
    floats = build.op("DEQUANTIZE", [build.pixels], shape, None)
    handle = build.op("VAR_HANDLE", [], (1,), None, table="VarHandleOptions", container="", sharedName="v")
    build.op("ASSIGN_VARIABLE", [handle, floats], (1,))
    read = build.op("READ_VARIABLE", [handle], shape, None)
    model = tflite_file.parse(build.finish(read, 192, None), "m")
    graph = model.subgraphs[0]
    graph.tensors[handle].type = TensorType.RESOURCE
    # It gives no result.
    graph.operators[3].outputs = np.array([], np.int32)
    path = tmp_path / "variables.tflite"
    path.write_bytes(tflite_file.pack(model))
    found = profile(BenchTarget("v", path, "tflite", smooth_images(1, 8)), seconds=0.01)
    assert [op.kind for op in found.ops][1:5] == ["DEQUANTIZE", "VAR_HANDLE", "ASSIGN_VARIABLE", "READ_VARIABLE"]
    assert [op.name for op in found.ops][2:4] == ["VAR_HANDLE_2_0", "VAR_HANDLE_2_0"]


def test_a_file_that_does_not_run_is_named_with_the_reason(exported: dict[str, Any]) -> None:
    wrong = BenchTarget("x", exported["int8.tflite"].path, "tflite", smooth_images(1, SIZE // 2))
    with pytest.raises(DeviceError, match=rf"x: its ops cannot be timed: .*the model takes \[1, {SIZE}, {SIZE}, 3\]"):
        profile(wrong, seconds=0.01)


def made(name: str, *ops: tuple[str, str, float]) -> FileProfile:
    return FileProfile(name, "r", "ONNX Runtime's profile", 100.0, tuple(OpTime(*op) for op in ops))


def test_files_stand_side_by_side() -> None:
    tflite = made("t", ("stem", "CONV_2D", 0.75), ("p", "SOFTMAX", 0.25))
    onnx = made("o", ("stem_conv_quant", "QLinearConv", 0.5), ("x", "Transpose", 0.5))
    assert [(row.label, row.values) for row in by_kind([tflite, onnx])] == [
        ("convolution", (75.0, 50.0)),
        ("moving data", (None, 50.0)),
        ("SOFTMAX", (25.0, None)),
    ]
    assert [(row.label, row.values) for row in by_layer([tflite, onnx])] == [("1. stem", (75.0, 50.0))]
    # Other networks are not matched layer by layer.
    assert by_layer([tflite, made("u", ("a", "Conv", 0.5), ("b", "Conv", 0.5))]) == []


def test_the_command_refuses_what_it_does_not_do(exported: dict[str, Any]) -> None:
    from edgekd.cli.bench_command import command

    path = str(exported["int8.tflite"].path)
    done = CliRunner().invoke(command, [path, "--profile", "--device", "ssh:pi"])
    assert "not on ssh:pi: leave out --device, take --device emulated:cortex-a76" in str(done.exception)
    done = CliRunner().invoke(command, [path, "--profile", "--paced", "33", "--sustained"])
    assert "not with --paced, --sustained" in str(done.exception)
