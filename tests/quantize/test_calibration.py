from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgekd.errors import ExportError
from edgekd.formats import tflite_file
from edgekd.quantize.calibration import calibrate, check_images, read_range
from edgekd.quantize.float_model import load_float_model
from tests.tiny_student import smooth_images


def test_the_record_says_what_it_was_calibrated_with(calibrated: Any) -> None:
    record = calibrated.record
    assert record["calibration_images"] == 48
    assert record["calibration_method"] == "min-max"
    assert len(record["calibration_sha256"]) == 64


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((4, 48, 48, 3), np.float32), "must be uint8"),
        (np.zeros((4, 32, 48, 3), np.uint8), r"\[N, 48, 48, 3\]"),
        (np.full((4, 48, 48, 3), 9, np.uint8), "one constant, 9"),
        (np.random.default_rng(0).integers(0, 2, (4, 48, 48, 3)).astype(np.uint8), "scaled to 0..1 already"),
    ],
)
def test_images_that_cannot_calibrate_are_refused(images: Any, message: str) -> None:
    with pytest.raises(ExportError, match=message):
        check_images(images, 48, 48)


def test_a_tensor_that_never_changes_is_named() -> None:
    import keras
    from keras import layers

    image = keras.Input((16, 16, 3))
    x = layers.Rescaling(1 / 255)(image)
    # Its weights are positive and its bias far below: nothing gets through the ReLU.
    dead = layers.Conv2D(4, 3, activation="relu", kernel_initializer="ones", name="dead_conv")
    x = dead(x)
    dead.set_weights([np.full((3, 3, 3, 4), 0.1), np.full(4, -50.0)])
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(image, layers.Dense(3)(x))
    with pytest.raises(ExportError, match=r"dead_conv.* has the one value 0 on every calibration image"):
        calibrate(load_float_model(model), smooth_images(8, 16))


def test_a_range_is_a_tensors_own_where_the_next_op_overwrites_it(images: Any) -> None:
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)
    image = keras.Input((48, 48, 3))
    x = layers.Conv2D(8, 3, strides=4, name="features")(layers.Rescaling(0.1, offset=-12.7)(image))
    gate = layers.Activation("sigmoid", name="gate")(layers.Conv2D(8, 1)(x))
    x = layers.Multiply()([gate, x])
    model = keras.Model(image, layers.Dense(3)(layers.GlobalAveragePooling2D()(x)))
    content = calibrate(load_float_model(model), images).content
    graph = tflite_file.parse(content, "m").subgraphs[0]
    ranges = {tensor.name.decode().split(";")[0]: read_range(tensor) for tensor in graph.tensors}
    low, high = next(span for name, span in ranges.items() if "gate" in name and span)
    assert 0 <= low < high <= 1
    wide = next(span for name, span in ranges.items() if "multiply" in name and span)
    assert wide[1] - wide[0] > 2
