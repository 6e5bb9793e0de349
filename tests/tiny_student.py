"""A small float student with weights that mean something, and images for it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

LABELS = ("crossing", "kerb & gutter", "Straße")
SIZE = 48


def smooth_images(count: int, size: int, seed: int = 0) -> NDArray[np.uint8]:
    """Colourful smooth images uint8 [count, size, size, 3], different enough to be told apart."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[0 : 1 : size * 1j, 0 : 1 : size * 1j]
    waves = generator.uniform(-12, 12, (count, 3, 3, 1, 1))
    values = np.sin(waves[:, :, 0] * x + waves[:, :, 1] * y + waves[:, :, 2])
    values = values * generator.uniform(20, 127, (count, 1, 1, 1)) + generator.uniform(110, 145, (count, 1, 1, 1))
    return np.clip(values.transpose(0, 2, 3, 1), 0, 255).astype(np.uint8)


def spread_head(dense: Any, features: NDArray[np.float32]) -> None:
    """Give a dense layer random weights whose logits, over these features [N, F], centre on 0 and spread by 2."""
    shape = (features.shape[1], dense.units)
    kernel = np.random.default_rng(0).normal(size=shape) / features.std(axis=0)[:, np.newaxis].clip(0.01)
    kernel *= 2 / (features @ kernel).std(axis=0)
    dense.set_weights([kernel, -(features.mean(axis=0) @ kernel)])


def build_student(size: int = SIZE, classes: int = len(LABELS)) -> Any:
    """Convolutions with ReLU6, depthwise ones with and without stride, a residual sum: what students are made of."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(7)

    def block(x: Any, layer: Any, active: bool = True) -> Any:
        x = layers.BatchNormalization(momentum=0.5)(layer(x))
        return layers.ReLU(6.0)(x) if active else x

    image = keras.Input((size, size, 3))
    x = layers.Rescaling(1 / 128, offset=-127 / 128)(image)
    x = block(x, layers.Conv2D(16, 3, strides=2, padding="same", use_bias=False))
    x = block(x, layers.DepthwiseConv2D(3, padding="same", use_bias=False))
    x = shortcut = block(x, layers.Conv2D(16, 1, use_bias=False), active=False)
    x = block(x, layers.Conv2D(64, 1, use_bias=False))
    x = block(x, layers.DepthwiseConv2D(3, padding="same", use_bias=False))
    x = block(x, layers.Conv2D(16, 1, use_bias=False), active=False)
    x = layers.Add()([shortcut, x])
    x = block(x, layers.Conv2D(64, 1, use_bias=False))
    x = block(x, layers.DepthwiseConv2D(5, strides=2, padding="same", use_bias=False))
    x = block(x, layers.Conv2D(48, 1, use_bias=False))
    features = keras.Model(image, layers.GlobalAveragePooling2D()(x))
    pixels = smooth_images(32, size).astype(np.float32)
    for _ in range(12):
        features(pixels, training=True)
    head = layers.Dense(classes)
    model = keras.Model(image, head(features.output), name="tiny")
    spread_head(head, keras.ops.convert_to_numpy(features(pixels)))
    return model
