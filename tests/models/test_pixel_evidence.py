"""Which pixel values a model takes: what its first layers make of 0..255 decides, not which layers there are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edgekd.models.pixel_evidence import find_pixel_evidence, fold_preprocessing


def model(first: Callable[[Any, Any], Any], *, nested: bool = False) -> Any:
    import keras
    from keras import layers

    image = keras.Input((16, 16, 3))
    inner = keras.Model(image, layers.Conv2D(4, 3)(first(layers, image)))
    if not nested:
        return inner
    outer = keras.Input((16, 16, 3))
    return keras.Model(outer, inner(layers.RandomFlip()(outer)))


def normalization(layers: Any, x: Any) -> Any:
    return layers.Normalization(mean=[120.0, 118.0, 110.0], variance=[3600.0] * 3)(x)


def batch_norm(layers: Any, x: Any) -> Any:
    layer = layers.BatchNormalization()
    y = layer(x)
    layer.set_weights([np.ones(3), np.zeros(3), np.full(3, 120.0), np.full(3, 3600.0)])
    return y


def caffe(layers: Any, x: Any) -> Any:
    import keras

    return keras.applications.resnet.preprocess_input(x)


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize(
    ("first", "expected"),
    [
        (lambda layers, x: layers.Rescaling(1 / 255)(x), "to 0..1"),
        (lambda layers, x: x / 127.5 - 1, "to -1..1"),
        (lambda layers, x: layers.Rescaling(1 / 255)(layers.RandomRotation(0.1)(x)), "to 0..1"),
        (normalization, "to -2..2.42"),
        (batch_norm, "to -2..2.25"),
        (caffe, "subtract a mean of pixels 0..255 (103.9, 116.8, 123.7)"),
    ],
)
def test_first_layers_that_bring_pixels_to_a_usual_range(first: Any, expected: str, nested: bool) -> None:
    assert expected in str(find_pixel_evidence(model(first, nested=nested)))


@pytest.mark.parametrize(
    "first",
    [
        lambda layers, x: x,
        # Made for 0..1.
        lambda layers, x: layers.Rescaling(2.0, -1.0)(x),
        lambda layers, x: layers.Normalization(mean=[0.45] * 3, variance=[0.05] * 3)(x),
        # Twice, which leaves next to nothing of 0..255.
        lambda layers, x: layers.Rescaling(1 / 255)(layers.Rescaling(1 / 255)(x)),
        lambda layers, x: layers.BatchNormalization()(x),
        # Behind a convolution a rescaling says nothing about pixels.
        lambda layers, x: layers.Rescaling(1 / 255)(layers.Conv2D(3, 1)(x)),
    ],
)
def test_anything_else_leaves_it_open(first: Any) -> None:
    assert find_pixel_evidence(model(first)) is None


def test_our_own_students_and_networks_show_it() -> None:
    import keras

    from edgekd.students import cnn

    assert find_pixel_evidence(cnn.build(8, 64, 3)) is not None
    assert find_pixel_evidence(keras.applications.MobileNetV3Small(weights=None, classes=3)) is not None
    assert find_pixel_evidence(keras.applications.MobileNetV2(weights=None, classes=3)) is None


def test_mixed_channels_become_one_layer_with_the_same_outputs() -> None:
    before = model(caffe)
    after = fold_preprocessing(before)
    assert [type(layer).__name__ for layer in after.layers][:2] == ["InputLayer", "Conv2D"]
    pixels = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3)).astype(np.float32)
    np.testing.assert_allclose(np.asarray(after(pixels)), np.asarray(before(pixels)), atol=1e-3)
    plain = model(lambda layers, x: layers.Rescaling(1 / 255)(x))
    assert fold_preprocessing(plain) is plain
