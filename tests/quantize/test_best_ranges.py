from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgekd.errors import ExportError
from edgekd.quantize.best_ranges import candidates, choose, convert_int8
from edgekd.quantize.calibration import calibrate
from edgekd.quantize.float_model import load_float_model
from tests.tiny_student import SIZE, smooth_images


@pytest.fixture(scope="module")
def spiky() -> Any:
    """A student with a channel that is thousands for one colour, and takes no part in the answer."""
    import keras

    image = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.Rescaling(1 / 255)(image)
    x = keras.layers.Conv2D(4, 1, activation="relu", name="spike")(x)
    x = keras.layers.Conv2D(8, 3, activation="relu", name="mix")(x)
    model = keras.Model(image, keras.layers.Dense(3, activation="softmax")(keras.layers.GlobalAveragePooling2D()(x)))
    keras.utils.set_random_seed(0)
    kernel, bias = np.eye(3, 4, dtype=np.float32)[None, None], np.zeros(4, np.float32)
    # Red and blue at their fullest without green: relu(20000 * (r - g + b - 1.9)).
    kernel[0, 0, :, 3], bias[3] = (20000, -20000, 20000), -38000
    model.get_layer("spike").set_weights([kernel, bias])
    mix = np.random.default_rng(1).normal(0, 1, (3, 3, 4, 8)).astype(np.float32)
    mix[:, :, 3] = 0
    model.get_layer("mix").set_weights([mix, np.zeros(8, np.float32)])
    head = model.layers[-1]
    head.set_weights([np.random.default_rng(2).normal(0, 2, (8, 3)).astype(np.float32), np.zeros(3, np.float32)])
    return load_float_model(model)


@pytest.fixture(scope="module")
def photos() -> NDArray[np.uint8]:
    images = smooth_images(32, SIZE, seed=3)
    images[0, 5, 5] = (255, 0, 255)
    return images


def test_the_method_that_agrees_most_is_taken(spiky: Any, photos: NDArray[np.uint8]) -> None:
    found = {entry.method: entry for entry in candidates(calibrate(spiky, photos), photos)}
    best = choose(list(found.values()))
    # One pixel of 70,000 widens the range until nothing else has a step of its own.
    assert best.method == "percentile"
    assert best.divergence < found["min-max"].divergence / 10
    conversion = convert_int8(spiky, photos, validation=smooth_images(16, SIZE, seed=9))
    assert conversion.record["calibration_method"] == "percentile"
    compared = conversion.record["calibration_methods_compared"]
    assert compared.startswith("min-max ") and "of 48 photos answered like the float student" in compared


def test_a_method_by_name_is_taken_as_it_is(source: Any, images: NDArray[np.uint8]) -> None:
    record = convert_int8(source, images, ranges="mse").record
    assert record["calibration_method"] == "mse"
    assert "calibration_methods_compared" not in record


def test_where_no_method_converts_the_first_reason_is_given(images: NDArray[np.uint8]) -> None:
    import keras

    image = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.Conv2D(4, 3, activation="elu", name="smooth")(keras.layers.Rescaling(1 / 255)(image))
    model = keras.Model(image, keras.layers.Dense(3, activation="softmax")(keras.layers.GlobalAveragePooling2D()(x)))
    with pytest.raises(ExportError, match="stayed float in the int8 file: ELU"):
        convert_int8(load_float_model(model), images)
