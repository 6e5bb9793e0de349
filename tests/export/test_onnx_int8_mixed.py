"""An int8 .tflite some of whose ops are float, as ONNX: the same integers, and floats in between."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tiny_student import smooth_images
from translated import optimized_ops, packed, run_onnx, run_tflite

from edgekd.quantize.calibration import calibrate
from edgekd.quantize.float_model import load_float_model
from edgekd.quantize.ptq import quantize_int8


@pytest.fixture(scope="module")
def calibrated(images: NDArray[np.uint8]) -> Any:
    import keras
    from keras import layers

    keras.utils.set_random_seed(5)
    image = keras.Input((48, 48, 3))
    x = layers.Rescaling(1 / 128, offset=-127 / 128)(image)
    x = layers.Conv2D(8, 3, strides=2, activation="relu", name="first")(x)
    x = layers.ZeroPadding2D(1)(x)
    x = layers.MaxPooling2D(2)(x)
    y = layers.DepthwiseConv2D(3, padding="same", activation="relu6", name="deep")(x)
    x = layers.Add(name="sum")([x, y])
    x = layers.Activation("hard_silu", name="swish")(x)
    x = layers.Concatenate(name="join")([x, y])
    model = keras.Model(image, layers.Dense(3, name="head")(layers.GlobalAveragePooling2D(name="pool")(x)))
    return calibrate(load_float_model(model), images)


@pytest.mark.parametrize(
    ("named", "floats"),
    [
        (("first",), {"Conv": 1, "QLinearConv": 1}),
        (("deep",), {"Conv": 1, "QLinearConv": 1}),
        (("sum", "swish"), {"QLinearConv": 2, "QLinearAdd": 0}),
        (("MAX_POOL_2D", "PAD", "join", "pool"), {"QLinearConv": 2, "QLinearGlobalAveragePool": 0}),
        (("head",), {"QGemm": 0, "QLinearConv": 2}),
        (("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"), {"QLinearConv": 0, "Conv": 2}),
    ],
)
def test_the_files_agree_whatever_stays_float(calibrated: Any, tmp_path: Path, named: Any, floats: Any) -> None:
    made = quantize_int8(calibrated, float_ops=named, any_cpu=True)
    pair = packed(made.content)
    unseen = smooth_images(48, 48, seed=9)
    found, wanted = run_onnx(pair.onnx, unseen), run_tflite(pair.tflite, unseen)
    assert np.abs(found - wanted).max() <= 2.5 / 256
    ops = optimized_ops(pair.onnx, tmp_path)
    assert {op: ops[op] for op in floats} == floats
