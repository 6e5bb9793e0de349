"""Ops of Core ML programs against results by other ways: ONNX Runtime's kernels, and the formulas themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import helper

from edgekd.runtime.mil_ops import OPS

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(2, 6, 11, 9)).astype(np.float32)
# MIL's kinds of padding by ONNX's.
AUTO = {"same": "SAME_UPPER", "same_lower": "SAME_LOWER", "valid": "VALID"}


def by_onnx(kind: str, *inputs: np.ndarray, **attributes: Any) -> np.ndarray:
    names = [f"i{number}" for number in range(len(inputs))]
    values = [helper.make_tensor_value_info(name, 1, one.shape) for name, one in zip(names, inputs, strict=True)]
    node = helper.make_node(kind, names, ["o"], **attributes)
    graph = helper.make_graph([node], "g", values, [helper.make_tensor_value_info("o", 1, None)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    result: np.ndarray = session.run(None, dict(zip(names, inputs, strict=True)))[0]
    return result


@pytest.mark.parametrize("pad_type", ["same", "same_lower", "valid", "custom"])
@pytest.mark.parametrize("groups", [1, 2, 6])
@pytest.mark.parametrize(
    ("strides", "dilations"), [((1, 1), (1, 1)), ((2, 2), (1, 1)), ((1, 1), (2, 1)), ((2, 1), (1, 1))]
)
def test_convolutions(pad_type: str, groups: int, strides: tuple[int, int], dilations: tuple[int, int]) -> None:
    weight = RANDOM.normal(size=(12, 6 // groups, 3, 2)).astype(np.float32)
    bias = RANDOM.normal(size=12).astype(np.float32)
    pads: dict[str, Any] = {"auto_pad": AUTO[pad_type]} if pad_type in AUTO else {"pads": [1, 0, 2, 3]}
    if dilations != (1, 1) and pad_type.startswith("same"):
        # ONNX Runtime pads by itself only where nothing is dilated.
        pads = {"pads": [2, 0, 2, 1] if pad_type == "same" else [2, 1, 2, 0]}
    wanted = by_onnx("Conv", X, weight, bias, group=groups, strides=strides, dilations=dilations, **pads)
    found = OPS["conv"]({
        "x": X, "weight": weight, "bias": bias, "groups": np.int32(groups), "strides": np.array(strides),
        "dilations": np.array(dilations), "pad_type": np.array(pad_type), "pad": np.array([1, 2, 0, 3]),
    })  # fmt: skip
    assert found.shape == wanted.shape and np.allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize("pad_type", ["same", "valid", "custom"])
@pytest.mark.parametrize("exclude", [True, False])
def test_pooling(pad_type: str, exclude: bool) -> None:
    pads = {"auto_pad": AUTO[pad_type]} if pad_type in AUTO else {"pads": [1, 0, 1, 1]}
    inputs = {
        "x": X, "kernel_sizes": np.array([3, 2]), "strides": np.array([2, 2]), "pad_type": np.array(pad_type),
        "pad": np.array([1, 1, 0, 1]), "exclude_padding_from_average": np.array(exclude),
    }  # fmt: skip
    sizes = {"kernel_shape": [3, 2], "strides": [2, 2], **pads}
    average = by_onnx("AveragePool", X, count_include_pad=int(not exclude), **sizes)
    assert np.allclose(OPS["avg_pool"](inputs), average, atol=1e-6)
    assert np.array_equal(OPS["max_pool"](inputs), by_onnx("MaxPool", X, **sizes))


def test_elementwise_and_shapes() -> None:
    for name, kind in (("sigmoid", "Sigmoid"), ("tanh", "Tanh"), ("exp", "Exp"), ("relu", "Relu"), ("gelu", "Gelu")):
        assert np.allclose(OPS[name]({"x": X}), by_onnx(kind, X), atol=1e-6), name
    assert np.allclose(OPS["softmax"]({"x": X, "axis": np.int32(1)}), by_onnx("Softmax", X, axis=1), atol=1e-6)
    assert np.allclose(OPS["silu"]({"x": X}), X * by_onnx("Sigmoid", X), atol=1e-6)
    norm = {"gamma": X[0, :, 0, 0] + 3, "beta": X[0, :, 0, 1], "mean": X[0, :, 0, 2], "variance": X[0, :, 0, 3] ** 2}
    wanted = by_onnx("BatchNormalization", X, *norm.values(), epsilon=0.001)
    assert np.allclose(OPS["batch_norm"]({"x": X, "epsilon": 0.001, **norm}), wanted, atol=1e-4)
    assert OPS["reshape"]({"x": X, "shape": np.array([0, -1])}).shape == (2, 594)
    assert np.array_equal(
        OPS["pad"]({"x": X, "pad": np.array([1, 0, 2, 3]), "mode": np.array("constant"), "constant_val": 7.0}),
        np.pad(X, [(0, 0), (0, 0), (1, 0), (2, 3)], constant_values=7),
    )
    assert OPS["reduce_mean"]({"x": X, "axes": np.array([2, 3]), "keep_dims": np.array(True)}).shape == (2, 6, 1, 1)
    a, b = X[0, 0], X[0, 1]
    assert np.allclose(OPS["matmul"]({"x": a, "y": b, "transpose_y": np.array(True)}), a @ b.T)


def test_weights_of_integers() -> None:
    data = np.arange(-6, 6, dtype=np.int8).reshape(3, 4)
    scale, zero = np.array([0.5, 1.0, 2.0], np.float32), np.array([0, 1, -1], np.int8)
    dense = OPS["constexpr_affine_dequantize"]({"quantized_data": data, "scale": scale, "zero_point": zero, "axis": 0})
    assert np.array_equal(dense, (data - zero[:, None]) * scale[:, None])
