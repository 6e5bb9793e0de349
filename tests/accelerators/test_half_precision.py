"""The verdict on half precision: intervals hold what is measured, and an overflow is found where it happens."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgekd.accelerators import sums
from edgekd.accelerators.exact_sums import add_products
from edgekd.accelerators.graph import read_graph
from edgekd.accelerators.half_precision import inputs_of, propagate, prove_half_precision
from edgekd.accelerators.observe import observe
from edgekd.accelerators.ranges import HALF_MAX, Range, of, times
from edgekd.formats import tflite_file
from edgekd.inspection.network import Network, Op, Value
from edgekd.runtime.litert import open_interpreter

Images = NDArray[np.uint8]


def test_products_of_intervals_hold_all_products() -> None:
    first, second = of(-2.0, 3.0), of(-5.0, 4.0)
    product = times(first, second)
    assert (product.low[0], product.high[0]) == (-15.0, 12.0)
    assert (times(of(0.0, 0.0), of(-np.inf, np.inf)).low[0]) == 0.0


def dense(weights: NDArray[np.float32], bias: NDArray[np.float32]) -> tuple[Network, Op]:
    values = {
        "x": Value("x", "x", "float32", (1, weights.shape[1])), "y": Value("y", "y", "float32", (1, len(weights))),
        "w": Value("w", "w", "float32", weights.shape, constant=True, data=weights),
        "b": Value("b", "b", "float32", bias.shape, constant=True, data=bias),
    }  # fmt: skip
    op = Op(0, "FULLY_CONNECTED", "dense", "dense", ("x", "w", "b"), ("y",), "float32")
    return Network("tflite", values, (op,), ("x",), ("y",)), op


def test_a_dense_layer_by_hand() -> None:
    network, op = dense(np.array([[2.0, -3.0]], np.float32), np.array([1.0], np.float32))
    known = sums.weighted_sums(network, op, Range(np.array([0.0, -1.0]), np.array([10.0, 4.0])))
    assert known is not None
    # 2 x 0..10 - 3 x -1..4 + 1, and in absolute values 2 x 10 + 3 x 4 + 1.
    assert (known.result.low[0], known.result.high[0], known.partial[0], known.terms) == (-11.0, 24.0, 33.0, 2)
    rounded = known.rounded()
    assert 33.0 < rounded.partial[0] < 33.2
    assert rounded.result.high[0] > 24.0


@pytest.mark.parametrize("name", ["float32.tflite", "int8.tflite", "float32.onnx"])
def test_intervals_hold_every_measured_value_and_sum(exported: dict[str, Any], images: Images, name: str) -> None:
    artifact = exported[name]
    network = read_graph(artifact.path)
    ranges, limits = propagate(network, inputs_of(network, artifact))
    seen = observe(artifact, network, images[:3], network.ops)
    compared = 0
    for key in ranges.keys() & seen.ranges.keys():
        slack = 1e-4 * (1 + seen.ranges[key].largest)
        assert ranges[key].low.min() - slack <= seen.ranges[key].low.min(), network.values[key].name
        assert seen.ranges[key].high.max() <= ranges[key].high.max() + slack, network.values[key].name
        compared += 1
    assert compared >= len(network.ops)
    for op in network.ops:
        partial = seen.of(network, op).partial
        assert partial is None or limits[op.index] is None or partial <= limits[op.index] * 1.0001
    assert sum(limit is None for limit in limits) == 0


@pytest.mark.parametrize(("shape", "kept"), [((1, 2, 4), 4), ((1, 8), 4), ((1, 4, 2), 1), ((4, 2), 1)])
def test_a_reshape_keeps_the_ranges_of_channels_only_where_they_stay_channels(
    shape: tuple[int, ...], kept: int
) -> None:
    values = {"x": Value("x", "x", "float32", (1, 1, 2, 4)), "y": Value("y", "y", "float32", shape)}
    op = Op(0, "RESHAPE", "r", "other", ("x",), ("y",), "float32")
    network = Network("tflite", values, (op,), ("x",), ("y",))
    ranges, _ = propagate(network, {"x": Range(np.zeros(4), np.arange(1.0, 5.0))})
    assert len(ranges["y"]) == kept
    assert ranges["y"].high.max() >= 4


def test_sums_of_products_are_those_of_litert(exported: dict[str, Any], images: Images) -> None:
    artifact = exported["float32.tflite"]
    network = read_graph(artifact.path)
    interpreter = open_interpreter(artifact.path, xnnpack=False, preserve_all_tensors=True)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], images[:1])
    interpreter.invoke()
    compared = set()
    for op in network.ops:
        if op.kind not in ("conv", "depthwise", "dense"):
            continue
        weights, bias = (network.constant(key) for key in op.inputs[1:3])
        assert weights is not None
        assert bias is not None
        total = add_products(op, interpreter.get_tensor(int(op.inputs[0])), weights.real().astype(np.float32))
        result = total + bias.real().reshape(-1)
        if op.attributes["fusedActivationFunction"] == 3:
            result = result.clip(0, 6)
        expected = interpreter.get_tensor(int(op.outputs[0]))
        np.testing.assert_allclose(result.reshape(expected.shape), expected, atol=2e-4, err_msg=op.name)
        compared.add((op.type, op.attributes.get("strideH")))
    assert compared >= {("CONV_2D", 2), ("CONV_2D", 1), ("DEPTHWISE_CONV_2D", 2), ("DEPTHWISE_CONV_2D", 1)}


@pytest.mark.parametrize("name", ["float32.tflite", "int8.tflite", "float32.onnx"])
def test_a_student_of_bounded_activations_is_proved_for_every_photo(exported: dict[str, Any], name: str) -> None:
    half = prove_half_precision(exported[name])
    assert half.proved
    assert half.safe
    assert half.message.startswith("safe in half precision for every photo: no sum in any order passes")
    assert half.photos == 0
    assert half.to_json()["verdict"] == "proved"


def scaled(artifact: Any, folder: Path, factor: float) -> Any:
    """The file with the weights of its first 1x1 convolution multiplied, behind which ReLU6 hides an overflow."""
    network = read_graph(artifact.path)
    model = tflite_file.parse(artifact.path.read_bytes(), "a file")
    op = next(op for op in network.ops if op.type == "CONV_2D" and op.attributes.get("fusedActivationFunction") == 3)
    for key in op.inputs[1:]:
        tensor = model.subgraphs[0].tensors[int(key)]
        data = np.frombuffer(np.asarray(model.buffers[tensor.buffer].data, np.uint8).tobytes(), np.float32) * factor
        model.buffers[tensor.buffer].data = np.frombuffer(data.astype(np.float32).tobytes(), np.uint8)
    path = folder / f"scaled{factor:g}.tflite"
    path.write_bytes(tflite_file.pack(model))
    return replace(artifact, path=path, sha256=hashlib.sha256(path.read_bytes()).hexdigest()), op


def test_an_overflow_before_an_activation_is_found_where_it_is(
    exported: dict[str, Any], images: Images, tmp_path: Path
) -> None:
    artifact, op = scaled(exported["float32.tflite"], tmp_path, 1e5)
    half = prove_half_precision(artifact, images[:4])
    assert half.worst is not None
    assert (half.worst.index, half.worst.verdict) == (op.index, "overflows")
    assert half.worst.largest > HALF_MAX
    assert f"overflows in half precision: {half.worst.title} reaches" in half.message
    # The other ops are as safe as before: ReLU6 ends what went past.
    assert [row.verdict for row in half.ops if row.index != op.index] == ["proved"] * (len(half.ops) - 1)


def test_without_photos_it_may_overflow_and_says_what_to_give(exported: dict[str, Any], tmp_path: Path) -> None:
    half = prove_half_precision(scaled(exported["float32.tflite"], tmp_path, 1e5)[0])
    assert not half.safe
    assert "may overflow in half precision" in half.message
    assert half.message.endswith("Give photos to measure it on")


def test_between_the_two_photos_decide_with_a_margin(exported: dict[str, Any], images: Images, tmp_path: Path) -> None:
    # As large as interval arithmetic allows for some image, which smooth photos do not reach.
    plain = read_graph(exported["float32.tflite"].path)
    limits = propagate(plain, inputs_of(plain, exported["float32.tflite"]))[1]
    _, op = scaled(exported["float32.tflite"], tmp_path, 1.0)
    artifact, _ = scaled(exported["float32.tflite"], tmp_path, 1.2 * HALF_MAX / (limits[op.index] or 1.0))
    half = prove_half_precision(artifact, images[:4])
    row = half.ops[op.index]
    assert row.limit is not None
    assert row.limit > HALF_MAX
    assert row.measured is not None
    expected = "measured" if row.measured * 2 <= HALF_MAX else "may overflow"
    assert row.verdict == expected
    assert ("a margin of" in half.message) == (expected == "measured")
