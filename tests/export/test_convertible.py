"""A student that can't be exported is refused before it is trained."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgekd.errors import ModelError
from edgekd.export.convertible import check_convertible
from edgekd.quantize.settings import QuantizeSection


def student(middle: Any = None) -> Any:
    import keras
    from keras import layers

    image = keras.Input((32, 32, 3))
    x = layers.Conv2D(8, 3, strides=2, activation="relu")(layers.Rescaling(1 / 255)(image))
    x = x if middle is None else middle(layers, x)
    head = layers.Dense(3, kernel_initializer="zeros", name="head")
    return keras.Model(image, head(layers.GlobalAveragePooling2D()(x)))


def test_an_untrained_student_passes_and_keeps_its_weights() -> None:
    model = student()
    before = [weight.copy() for weight in model.get_weights()]
    check_convertible(model)
    assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))


def test_what_has_no_form_in_a_format_is_named() -> None:
    import keras

    sine = student(lambda layers, x: keras.ops.sin(x))
    with pytest.raises(ModelError, match=r"tried before it is trained: .*SIN.*--float-op SIN"):
        check_convertible(sine)
    check_convertible(sine, ("tflite",), quantize=QuantizeSection(float_ops=("SIN",)))
    with pytest.raises(ModelError, match="SIN"):
        check_convertible(sine, quantize=QuantizeSection(float_ops=("SIN",)))
    # The ladder keeps it in float by itself.
    check_convertible(sine, ("tflite",), quantize=QuantizeSection(max_drop=1))
    check_convertible(sine, ("tflite", "onnx"), ("float32",))
    assert not np.any(sine.get_layer("head").get_weights()[0])
