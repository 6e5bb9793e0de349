from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from translated import run_onnx, run_tflite, translated

from edgekd.quiet import import_keras
from tests.tiny_student import SIZE, smooth_images


def narrow_block(*, read_twice: bool) -> Any:
    """A depthwise convolution of 36 channels between two of one pixel; perhaps its input is read again behind it."""
    import_keras()
    import keras

    keras.utils.set_random_seed(1)
    image = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.Rescaling(1 / 128, offset=-127 / 128)(image)
    wide = keras.layers.Conv2D(36, 3, strides=4, padding="same", activation="relu6", bias_initializer="normal")(x)
    x = keras.layers.DepthwiseConv2D(5, padding="same", activation="relu6", bias_initializer="normal")(wide)
    x = keras.layers.add([x, wide]) if read_twice else x
    x = keras.layers.Conv2D(8, 1, bias_initializer="normal")(x)
    x = keras.layers.Dense(4)(keras.layers.GlobalAveragePooling2D()(x))
    return keras.Model(image, keras.layers.Softmax()(keras.layers.Rescaling(20.0)(x)))


def depthwise_channels(content: bytes) -> list[int]:
    model = onnx.load_from_string(content)
    shapes = {tensor.name: list(tensor.dims) for tensor in model.graph.initializer}
    sources = {node.output[0]: node.input[0] for node in model.graph.node}
    weights = [shapes[sources[node.input[1]]] for node in model.graph.node if node.op_type == "Conv"]
    return [shape[0] for shape in weights if shape[1] == 1]


def test_depthwise_channels_are_filled_up_with_zeros_that_change_nothing(images: NDArray[np.uint8]) -> None:
    pair = translated(narrow_block(read_twice=False), images[:8])
    assert depthwise_channels(pair.onnx) == [48]
    answers = run_tflite(pair.tflite, images[:8])
    assert len(np.unique(answers)) > 8
    assert (run_onnx(pair.onnx, images[:8]) == answers).all()


def test_channels_that_something_else_reads_are_left_as_they_are(images: NDArray[np.uint8]) -> None:
    pair = translated(narrow_block(read_twice=True), images[:8])
    assert depthwise_channels(pair.onnx) == [36]
    assert (run_onnx(pair.onnx, images[:8]) == run_tflite(pair.tflite, images[:8])).all()


def first_convolution(padding: str, size: int, kernel: int) -> Any:
    """One convolution of stride 2 on the photo itself, and enough behind it to tell its values apart."""
    import_keras()
    import keras

    keras.utils.set_random_seed(2)
    image = keras.Input((size, size, 3))
    x = keras.layers.Rescaling(1 / 128, offset=-127 / 128)(image)
    if padding == "left":
        x = keras.layers.ZeroPadding2D(((1, 0), (1, 0)))(x)
    x = keras.layers.Conv2D(
        16, kernel, strides=2, padding="valid" if padding == "left" else padding, activation="relu6",
        bias_initializer="normal",
    )(x)  # fmt: skip
    x = keras.layers.Dense(4)(keras.layers.Flatten()(x))
    return keras.Model(image, keras.layers.Softmax()(x))


@pytest.mark.parametrize(
    ("padding", "size", "kernel", "channels"),
    [
        ("same", 24, 3, 12),
        ("same", 20, 5, 12),
        ("same", 24, 2, 12),
        ("same", 22, 3, 3),
        ("valid", 24, 3, 3),
        ("left", 24, 3, 3),
    ],
)
def test_a_first_convolution_on_groups_of_columns_gives_the_same(
    padding: str, size: int, kernel: int, channels: int
) -> None:
    photos = smooth_images(4, size)
    pair = translated(first_convolution(padding, size, kernel), photos)
    model = onnx.load_from_string(pair.onnx)
    shapes = {tensor.name: list(tensor.dims) for tensor in model.graph.initializer}
    sources = {node.output[0]: node.input[0] for node in model.graph.node}
    (conv,) = (node for node in model.graph.node if node.op_type == "Conv")
    assert shapes[sources[conv.input[1]]][1] == channels
    answers = run_tflite(pair.tflite, photos)
    assert len(np.unique(answers)) > 4
    assert (run_onnx(pair.onnx, photos) == answers).all()
