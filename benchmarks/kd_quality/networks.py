"""The two networks: a teacher of a quarter of a million parameters and a student of less than ten thousand."""

from __future__ import annotations

import inspect
import math
from functools import cache
from typing import Any

from fashion import CLASSES, SIZE


def _unit(x: Any, channels: int, kernel: int = 3, stride: int = 1) -> Any:
    import keras

    layers = keras.layers
    x = layers.Conv2D(channels, kernel, stride, padding="same", use_bias=False)(x)
    return layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))


def _residual(x: Any, channels: int, name: str) -> Any:
    import keras

    return keras.layers.Add(name=name)([x, _unit(_unit(x, channels), channels)])


def teacher_network() -> Any:
    """A residual network of about 16 million multiplications: pixels 0..255 [N, 28, 28, 1] to logits [N, 10].

    Its last feature maps are 7 x 7 x 96. It multiplies in bfloat16, a third faster on a CPU that can; weights,
    normalization and logits are float32.
    """
    import keras

    layers, policy = keras.layers, keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        image = keras.Input((SIZE, SIZE, 1), name="image")
        x = _unit(layers.Rescaling(1 / 128, -1.0)(image), 40, 5, 2)
        x = _residual(x, 40, "mid")
        x = _unit(x, 96, 3, 2)
        x = _residual(x, 96, "last")
        x = layers.Concatenate()([layers.GlobalAveragePooling2D()(x), layers.GlobalMaxPooling2D()(x)])
        logits = layers.Dense(CLASSES, dtype="float32", name="logits")(layers.Dropout(0.3)(x))
    finally:
        keras.config.set_dtype_policy(policy)
    return keras.Model(image, logits, name="teacher")


def student_network() -> Any:
    """9,314 parameters: pixels 0..255 [N, 28, 28, 1] to logits [N, 10]; its last feature maps are 7 x 7 x 20."""
    import keras

    layers = keras.layers
    image = keras.Input((SIZE, SIZE, 1), name="image")
    x = _unit(layers.Rescaling(1 / 128, -1.0)(image), 12, 4, 2)
    x = layers.Add(name="mid")([x, _unit(x, 12)])
    x = _unit(x, 20, 3, 2)
    x = layers.Add(name="last")([x, _unit(x, 20)])
    # Every garment lies in the middle, so that where something is seen says more than that it is seen.
    x = layers.Flatten()(layers.AveragePooling2D(2)(x))
    return keras.Model(image, layers.Dense(CLASSES, name="logits")(x), name="student")


def multiplications(model: Any) -> int:
    """Multiplications of a model's convolutions and dense layers for one image."""
    total = 0
    for layer in model.layers:
        if hasattr(layer, "kernel"):
            places = layer.output.shape[1:-1]
            total += math.prod(places) * math.prod(layer.kernel.shape)
    return total


@cache
def source_of(network: Any) -> str:
    """What a network is, as text: part of the name of every run that it takes part in."""
    return "".join(inspect.getsource(part) for part in (_unit, _residual, network))
