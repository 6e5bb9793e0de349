from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tiny_student import smooth_images
from translated import optimized_ops, run_onnx, run_tflite, tflite_ops, translated

from edgekd.quiet import import_keras

# What an integer graph of these networks may hold besides its convolutions, whatever their number.
MOVING = {"Transpose", "Flatten", "Reshape", "DequantizeLinear"}
INTEGER = {"QLinearAdd", "QLinearMul", "QLinearGlobalAveragePool", "QGemm", "QLinearSoftmax"}


def lite0_slice() -> Any:
    from edgekd.models import efficientnet_lite
    from edgekd.students.build import build_student
    from edgekd.students.spec import parse_student

    model = build_student(parse_student("slice:6@96"), efficientnet_lite.build(96), 4)
    kernel, bias = model.layers[-1].get_weights()
    # A head of zeros, which it starts with, cannot be quantized.
    model.layers[-1].set_weights([np.random.default_rng(0).normal(size=kernel.shape), bias])
    return model


def mobilenet_v2() -> Any:
    return _application("MobileNetV2")


def mobilenet_v3_small() -> Any:
    return _application("MobileNetV3Small", include_preprocessing=False, minimalistic=False)


def _application(name: str, **settings: Any) -> Any:
    import_keras()
    import keras

    keras.utils.set_random_seed(3)
    image = keras.Input((224, 224, 3))
    pixels = keras.layers.Rescaling(1 / 127.5, offset=-1)(image)
    network = getattr(keras.applications, name)(weights=None, classes=10, **settings)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    model = keras.Model(image, network(pixels))
    # Statistics of real values: without them every layer's are smaller, until nothing is left of the image.
    model(smooth_images(4, 224).astype(np.float32), training=True)
    return model


@pytest.mark.slow
@pytest.mark.parametrize("make", [lite0_slice, mobilenet_v2, mobilenet_v3_small])
def test_every_convolution_of_known_networks_is_fused(make: Any, tmp_path: Path) -> None:
    model = make()
    pair = translated(model, smooth_images(2, model.input_shape[1]))
    source, ops = tflite_ops(pair.tflite), optimized_ops(pair.onnx, tmp_path)
    assert ops["QLinearConv"] == source["CONV_2D"] + source["DEPTHWISE_CONV_2D"] > 10
    assert ops["QLinearAdd"] == source["ADD"]
    assert ops["QLinearMul"] == source["MUL"]
    assert ops["QLinearGlobalAveragePool"] == source["MEAN"]
    assert ops["QGemm"] == source["FULLY_CONNECTED"]
    # Hard-swish is the one op left in float: to it and back, and the two that ONNX Runtime makes of it.
    left = {name: count for name, count in ops.items() if name not in MOVING | INTEGER | {"QLinearConv"}}
    swishes = source["HARD_SWISH"]
    assert left == (dict.fromkeys(("HardSigmoid", "Mul", "QuantizeLinear"), swishes) if swishes else {})
    assert ops["DequantizeLinear"] == swishes + 1


def test_the_tiny_student_is_fused(student: Any, images: NDArray[np.uint8], tmp_path: Path) -> None:
    pair = translated(student, images[:4])
    source, ops = tflite_ops(pair.tflite), optimized_ops(pair.onnx, tmp_path)
    assert ops["QLinearConv"] == source["CONV_2D"] + source["DEPTHWISE_CONV_2D"] == 9
    assert not set(ops) & {"Conv", "Clip", "Cast", "QuantizeLinear"}


def test_a_range_between_two_pixel_values_is_rounded_as_tflite_does(images: NDArray[np.uint8]) -> None:
    import keras

    # x / 127.5 - 1: the mean lies between two pixel values, so that the int8 sum is half a step off for each of them.
    keras.utils.set_random_seed(5)
    image = keras.Input((48, 48, 3))
    x = keras.layers.Rescaling(1 / 127.5, offset=-1)(image)
    x = keras.layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(x)
    x = keras.layers.Dense(4)(keras.layers.GlobalAveragePooling2D()(x))
    pair = translated(keras.Model(image, keras.layers.Rescaling(8.0)(x)), images)
    assert tflite_ops(pair.tflite)["ADD"] == 1
    wanted = run_tflite(pair.tflite, images)
    assert len(np.unique(wanted)) > 20
    assert (run_onnx(pair.onnx, images) == wanted).all()


def test_the_file_loads_with_exact_products_asked_for(student: Any, images: NDArray[np.uint8]) -> None:
    # ONNX Runtime then turns int8 weights to uint8 and fails on a zero point that two weights share.
    pair = translated(student, images[:4])
    exact = run_onnx(pair.onnx, images, {"session.x64quantprecision": "1"})
    assert (run_onnx(pair.onnx, images) == exact).all()
