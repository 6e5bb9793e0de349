"""A family of small networks that survive int8: depthwise-separable, ReLU6, no squeeze-excite.

Source: the depthwise-separable block of MobileNet, arXiv:1704.04861; ReLU6 bounds the activations' range.
"""

from __future__ import annotations

from typing import Any

from edgekd.models.efficientnet_lite import EPSILON, MOMENTUM, PIXEL_OFFSET, PIXEL_SCALE

_BLOCKS = ((2, 2), (2, 1), (4, 2), (4, 1), (8, 2), (8, 1))  # (width factor, stride)


def build(width: int, input_size: int, classes: int) -> Any:
    """Pixels 0..255 [N, S, S, 3] to logits [N, classes]: a plain stem of ``width`` channels and six separable blocks.

    About 6k parameters at width 8, 36k at 16, 140k at 32 (3 classes).
    """
    import keras

    layers = keras.layers
    image = keras.Input((input_size, input_size, 3), name="image")
    x = layers.Rescaling(PIXEL_SCALE, PIXEL_OFFSET, name="rescale")(image)
    x = _activate(layers.Conv2D(width, 3, 2, padding="same", use_bias=False, name="stem_conv")(x), "stem")
    for number, (factor, stride) in enumerate(_BLOCKS):
        name = f"block{number:02d}"
        depthwise = layers.DepthwiseConv2D(3, stride, padding="same", use_bias=False, name=f"{name}_depthwise")
        x = _activate(depthwise(x), f"{name}_depthwise")
        pointwise = layers.Conv2D(width * factor, 1, use_bias=False, name=f"{name}_pointwise")
        x = _activate(pointwise(x), f"{name}_pointwise")
    x = layers.GlobalAveragePooling2D(name="head_pool")(x)
    return keras.Model(image, layers.Dense(classes, name="logits")(x), name=f"cnn_{width}")


def _activate(x: Any, name: str) -> Any:
    import keras

    x = keras.layers.BatchNormalization(momentum=MOMENTUM, epsilon=EPSILON, name=f"{name}_bn")(x)
    return keras.layers.ReLU(6.0, name=f"{name}_relu")(x)
