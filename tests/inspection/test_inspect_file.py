from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from subjects import FOREIGN, edited, inspected, onnx_bytes, quantized

from edgekd.errors import ArtifactError
from edgekd.formats import onnx_file
from edgekd.formats.tflite_file import read
from edgekd.inspection import inspect_file, to_json, xnnpack
from edgekd.inspection.description import Normalization, describe_onnx, describe_tflite
from edgekd.inspection.probe import check_runs, probe
from edgekd.inspection.tables import layers, op_rows, totals

TFLITES = ("float_keras", "dynamic_range", "int8_keras", "float_op", "nchw", "batch4", "softmax_twice")
# By hand: 3x3x3 to 8 at 16x16, 3x3 depthwise, 3x3x8 to 24 at 8x8, 24 to 5.
MACS = [16 * 16 * 8 * 27, 16 * 16 * 8 * 9, 8 * 8 * 24 * 72, 24 * 5]


@pytest.mark.parametrize("name", ["float_keras.tflite", "int8_keras.tflite", "static_qdq.onnx", "tf2onnx_float.onnx"])
def test_macs_are_those_of_the_definitions(name: str) -> None:
    inspection = inspect_file(FOREIGN / name)
    assert [layer.macs for layer in layers(inspection) if layer.macs] == MACS
    assert totals(inspection)["macs"] == sum(MACS) and totals(inspection)["macs_not_counted_in"] == []
    assert inspection.ran


def test_a_batch_counts_and_a_free_size_cannot_be_counted() -> None:
    assert totals(inspected("batch4.tflite"))["macs"] == 4 * (14 * 14 * 4 * 27 + 4 * 5)
    assert totals(inspected("free_size.tflite"))["macs_not_counted_in"] == ["CONV_2D"]


def test_the_size_that_a_hint_names_is_one_that_runs(tmp_path: Path) -> None:
    channels_first = tmp_path / "nchw.onnx"
    channels_first.write_bytes(onnx_bytes([("Conv", ["x", "w"], "y")], image=("N", 3, "h", "w")))
    for path in (channels_first, FOREIGN / "free_size.tflite"):
        (fix,) = [finding.fix for finding in inspect_file(path).findings if finding.rule == "dynamic-shape"]
        sizes = tuple(int(size) for size in fix.rpartition(": --shape ")[2].split(","))
        assert inspect_file(path, shapes={"": sizes}).ran
    # One that does not run is no mistake of the file.
    found = inspect_file(channels_first, shapes={"": (1, 3, 1, 1)})
    assert {finding.rule for finding in found.findings} == {"dynamic-shape", "free-sizes-not-run", "no-metadata"}
    assert "--shape" not in next(finding.fix for finding in found.findings if finding.rule == "dynamic-shape")


def test_bytes_by_layer_are_those_of_the_constants() -> None:
    found = {layer.type: layer for layer in layers(inspected("int8_keras.tflite"))}
    assert found["DEPTHWISE_CONV_2D"].constant_bytes == 9 * 8 + 4 * 8
    assert found["FULLY_CONNECTED"].constant_bytes == 24 * 5
    quantized_onnx = [layer for layer in layers(inspected("static_qdq.onnx")) if layer.type == "Conv"]
    # Weights with a scale and a zero point: what dequantizes them belongs to the layer.
    assert quantized_onnx[1].constant_bytes == 9 * 8 + 4 + 1
    total = totals(inspected("float_keras.tflite"))
    assert total["constant_bytes"] + total["other_bytes"] == (FOREIGN / "float_keras.tflite").stat().st_size


def test_precision_is_told_by_op() -> None:
    def precisions(name: str) -> dict[str, str]:
        return {row.type: row.precision for row in op_rows(inspected(name))}

    assert precisions("int8_keras.tflite")["CONV_2D"] == "int8"
    assert precisions("float_keras.tflite")["CONV_2D"] == "float32"
    assert "hybrid (int8 weights, float32)" in {row.precision for row in op_rows(inspected("dynamic_range.tflite"))}
    assert precisions("float_op.tflite")["SIN"] == "float32"
    assert precisions("static_qdq.onnx")["Conv"] == "int8" and precisions("tf2onnx_float.onnx")["Conv"] == "float32"


@pytest.mark.parametrize("name", TFLITES)
def test_the_table_of_delegated_ops_is_what_the_interpreter_does(name: str) -> None:
    inspection = inspect_file(FOREIGN / f"{name}.tflite")
    assert inspection.delegation == "measured: LiteRT's delegate here"
    assert inspection.subject.delegated == xnnpack.expect_delegated(inspection.network)


def test_our_int8_file_is_shown_with_all_that_it_carries(exported: dict[str, Any]) -> None:
    told = to_json(inspect_file(exported["int8.tflite"].path))
    json.dumps(told, allow_nan=False)
    assert told["made_by_edgekd"] and told["labels"] == ["crossing", "kerb & gutter", "Straße"]
    assert told["inputs"] == [
        {"name": "image", "dtype": "uint8", "shape": [1, 48, 48, 3], "scale": 1 / 128, "zero_point": 127}
    ]
    assert told["preprocessing"]["crop"] == "center" and told["provenance"]["run"] == "test"
    taken = told["xnnpack"]
    assert taken["macs_share"] == 1.0 and {left.split()[0] for left in taken["left"]} == {"QUANTIZE", "SOFTMAX"}
    onnx_told = to_json(inspect_file(exported["int8.onnx"].path))
    # It has channels of zeros besides, which ONNX Runtime's fast kernels ask for and compute.
    assert 1 <= onnx_told["totals"]["macs"] / told["totals"]["macs"] < 1.2
    assert onnx_told["inputs"][0]["scale"] == 1 / 128
    assert onnx_told["onnxruntime_ops"]["QLinearConv"] == sum(
        row["count"] for row in onnx_told["ops"] if row["type"] == "Conv"
    )


def test_standard_metadata_is_read_as_other_tools_write_it(exported: dict[str, Any]) -> None:
    content = exported["int8.tflite"].content()
    metadata = dict(read(content, "x").metadata)
    about = describe_tflite(content, metadata, "")
    assert about.labels == exported["int8.tflite"].labels and about.source == "TFLite metadata"
    assert about.normalization == Normalization((0.0,), (1.0,))
    block = metadata["TFLITE_METADATA"]
    one, half = np.float32(1).tobytes(), np.float32(127.5).tobytes()
    assert block.count(one) == 1
    metadata["TFLITE_METADATA"] = block.replace(one, half)
    assert describe_tflite(content, metadata, "").normalization == Normalization((0.0,), (127.5,))
    for end in range(8, len(block), 7):
        metadata["TFLITE_METADATA"] = block[:end]
        describe_tflite(content, metadata, "")


@pytest.mark.parametrize(
    ("props", "labels"),
    [
        ({"labels": "cat\ndog\n"}, ("cat", "dog")),
        ({"names": "{0: 'cat', 1: 'dog'}"}, ("cat", "dog")),
        ({"names": "{2: 'bird', 0: 'cat', 1: 'dog'}"}, ("cat", "dog", "bird")),
        ({"names": '{"10": "k", "2": "c", "0": "a"}'}, ("a", "c", "k")),
        ({"classes": '["cat", "dog"]'}, ("cat", "dog")),
        ({"author": "me"}, None),
        ({"names": "[" * 100_000}, ("[" * 100_000,)),
    ],
)
def test_labels_are_found_where_exporters_leave_them(props: dict[str, str], labels: tuple[str, ...] | None) -> None:
    assert describe_onnx(props, "").labels == labels


def test_the_reader_reads_what_the_onnx_package_reads() -> None:
    import onnx
    from onnx import numpy_helper

    for content in (*((FOREIGN / n).read_bytes() for n in ("static_qdq.onnx", "tf2onnx_float.onnx")),
                    onnx_bytes(quantized(), opset=13)):  # fmt: skip
        graph, model = onnx_file.read(content, "x"), onnx.load_from_string(content)
        for node, real in zip(graph.nodes, model.graph.node, strict=True):
            assert list(node.attributes) == [entry.name for entry in real.attribute]
            for entry in real.attribute:
                value = onnx.helper.get_attribute_value(entry)
                if isinstance(value, (int, float, list)):
                    assert node.attributes[entry.name] == (tuple(value) if isinstance(value, list) else value)
        for real in model.graph.initializer:
            found = graph.constants[real.name]
            assert found.shape == tuple(real.dims) and found.data is not None
            np.testing.assert_array_equal(found.data, numpy_helper.to_array(real))
        assert graph.opsets == {entry.domain: entry.version for entry in model.opset_import}


def test_a_convolution_without_weights_is_damage(tmp_path: Path) -> None:
    # LiteRT 2.3 dies of it, on most days, in its delegate.
    def without_weights(model: Any) -> None:
        first = model.subgraphs[0].operators[0]
        first.inputs = np.array([first.inputs[0], -1, first.inputs[2]], np.int32)

    path = tmp_path / "deadly.tflite"
    path.write_bytes(edited("int8_keras.tflite", without_weights))
    with pytest.raises(ArtifactError, match=r"deadly.tflite is damaged.*op 0 \(CONV_2D\) lacks an input"):
        inspect_file(path)


def test_a_file_that_kills_the_interpreter_gives_one_error(tmp_path: Path) -> None:
    # LiteRT's own convolution, which serves what XNNPACK declines, aborts where a scale cannot be a multiplier.
    def huge_scales(model: Any) -> None:
        (weights,) = (tensor for tensor in model.subgraphs[0].tensors if tuple(tensor.shape) == (4, 3, 3, 4))
        weights.quantization.scale = weights.quantization.scale * np.float32(1e30)
        weights.quantization.zeroPoint = np.full(len(weights.quantization.scale), 1 << 40)

    path = tmp_path / "deadly.tflite"
    path.write_bytes(edited("float_op.tflite", huge_scales))
    with pytest.raises(ArtifactError, match=r"deadly.tflite is damaged.*ended its process by SIG.*--no-run"):
        inspect_file(path)
    assert len(inspect_file(path, run=False).network.ops) == 10


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ('echo \'{"doing": "loading it"}\'; kill -SEGV $$', "loading it ended its process by SIGSEGV"),
        ("kill -ABRT $$", "starting the runtime ended its process by SIGABRT"),
        ("echo no memory >&2; exit 3", "starting the runtime failed: no memory"),
        ("exec tail -f /dev/null", "starting the runtime took more than 0.5 s"),
    ],
)
def test_a_runtime_that_dies_or_never_ends_gives_one_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, said: str
) -> None:
    runtime = tmp_path / "runtime"
    runtime.write_text(f"#!/bin/sh\n{script}\n")
    runtime.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(runtime))
    with pytest.raises(ArtifactError) as caught:
        probe(tmp_path / "some.tflite", "tflite", timeout_s=0.5 if "tail" in script else 60)
    assert said in str(caught.value) and "\n" not in str(caught.value) and "--no-run" in str(caught.value)


def test_a_file_that_the_runtime_refuses_gives_its_reason(tmp_path: Path) -> None:
    def no_stride(model: Any) -> None:
        model.subgraphs[0].operators[0].builtinOptions.strideW = 0

    path = tmp_path / "refused.tflite"
    path.write_bytes(edited("int8_keras.tflite", no_stride))
    with pytest.raises(ArtifactError, match=r"LiteRT refuses it: .*stride_width"):
        inspect_file(path)
    other = tmp_path / "refused.onnx"
    other.write_bytes(onnx_bytes([("NoSuchOp", ["x"], "y")]))
    with pytest.raises(ArtifactError, match=r"ONNX Runtime refuses it: .*NoSuchOp"):
        inspect_file(other)


def test_a_foreign_file_is_tried_in_a_child_before_it_is_opened(tmp_path: Path, copied: Callable[[str], Path]) -> None:
    def huge_scales(model: Any) -> None:
        (weights,) = (tensor for tensor in model.subgraphs[0].tensors if tuple(tensor.shape) == (4, 3, 3, 4))
        weights.quantization.scale = weights.quantization.scale * np.float32(1e30)

    path = tmp_path / "deadly.tflite"
    path.write_bytes(edited("float_op.tflite", huge_scales))
    with pytest.raises(ArtifactError, match=r"deadly\.tflite is damaged"):
        check_runs(path)
    check_runs(copied("int8.tflite"))
    check_runs(copied("int8.onnx"))


def test_an_image_of_any_size_and_channels_is_run_with_usual_ones(tmp_path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    kernel = numpy_helper.from_array(np.ones((4, 3, 3, 3), np.float32), "w")
    image = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", "c", "h", "w_"])
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph([helper.make_node("Conv", ["x", "w"], ["y"])], "g", [image], [result], [kernel])
    path = tmp_path / "free.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    assert not [finding for finding in inspect_file(path).findings if finding.severity == "error"]


def test_an_op_that_takes_what_comes_later_is_damage(tmp_path: Path) -> None:
    def backwards(model: Any) -> None:
        first, _, third = model.subgraphs[0].operators[:3]
        first.inputs = np.array([third.outputs[0], *first.inputs[1:]], np.int32)

    path = tmp_path / "circle.tflite"
    path.write_bytes(edited("int8_keras.tflite", backwards))
    with pytest.raises(ArtifactError, match="which op 2 computes later"):
        inspect_file(path, run=False)


@pytest.mark.parametrize("name", ["int8.tflite", "int8.onnx"])
def test_our_own_file_must_be_as_it_was_sealed(copied: Callable[[str], Path], name: str) -> None:
    path = copied(name)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match="damaged, cut short or edited"):
        inspect_file(path)


def test_inspecting_imports_no_runtime_here() -> None:
    heavy = ("tensorflow", "keras", "onnx", "onnxruntime", "ai_edge_litert.interpreter")
    code = (
        "import sys; from pathlib import Path; from edgekd.inspection import inspect_file, to_json\n"
        f"for name in ('int8_keras.tflite', 'static_qdq.onnx'): to_json(inspect_file(Path({str(FOREIGN)!r}) / name))\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
