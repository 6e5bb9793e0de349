from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekd.errors import ExportError, ModelError
from edgekd.quantize.float_model import PixelRange, load_float_model


@pytest.mark.parametrize(
    ("scale", "offset", "zero_point"),
    [(1 / 128, -127 / 128, 127), (1 / 255, 0.0, 0), (1 / 127.5, -1.0, None), (1.0, 0.0, 0), (1 / 255, 0.5, None)],
)
def test_a_range_is_the_inputs_quantization_where_a_pixel_stands_for_zero(
    scale: float, offset: float, zero_point: int | None
) -> None:
    assert PixelRange(scale, offset).zero_point == zero_point


def test_the_core_takes_what_the_range_makes(student: Any) -> None:
    import keras

    source = load_float_model(student)
    assert source.pixel_range == PixelRange(1 / 128, -127 / 128)
    assert (source.height, source.width, source.classes) == (48, 48, 3)
    assert source.parameters == student.count_params()
    pixels = np.random.default_rng(0).integers(0, 256, (4, 48, 48, 3)).astype(np.float32)
    whole = keras.ops.convert_to_numpy(source.model(pixels))
    core = keras.ops.convert_to_numpy(source.core(pixels / 128 - 127 / 128))
    wanted = keras.ops.convert_to_numpy(keras.ops.softmax(student(pixels)))
    assert np.abs(whole - wanted).max() < 1e-6
    assert np.abs(core - wanted).max() < 1e-6


def test_other_ranges_stay_layers() -> None:
    import keras
    from keras import layers

    def ended(x: Any, image: Any) -> Any:
        return keras.Model(image, layers.Dense(2)(layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3)(x))))

    image = keras.Input((16, 16, 3))
    per_channel = ended(layers.Normalization(mean=[10.0, 20.0, 30.0], variance=[4.0, 4.0, 4.0])(image), image)
    scaled = layers.Rescaling(1 / 128, offset=-127 / 128)(image)
    # The raw pixels are used elsewhere too.
    twice = ended(layers.Concatenate()([scaled, image]), image)
    for model in (per_channel, twice, ended(image, image)):
        source = load_float_model(model)
        assert source.pixel_range is None
        assert source.core is source.model


def test_a_sequential_shows_its_range() -> None:
    import keras
    from keras import layers

    model = keras.Sequential(
        [keras.Input((16, 16, 3)), layers.Rescaling(1 / 255), layers.Flatten(), layers.Dense(2, activation="softmax")]
    )
    source = load_float_model(model)
    assert source.pixel_range == PixelRange(1 / 255, 0.0)
    pixels = np.full((1, 16, 16, 3), 200, np.float32)
    assert np.allclose(source.model(pixels), model(pixels), atol=1e-6)


def test_recurrent_layers_are_written_out_step_by_step() -> None:
    import keras
    from keras import layers

    image = keras.Input((8, 6, 3))
    steps = layers.Reshape((8, 18))(layers.Rescaling(1 / 255)(image))
    both = layers.Bidirectional(layers.LSTM(4, return_sequences=True))(steps)
    frames = layers.ConvLSTM2D(2, (1, 2))(layers.Reshape((8, 1, 8, 1))(both))
    ends = layers.Concatenate()([layers.GRU(4)(both), layers.Flatten()(frames)])
    model = keras.Model(image, layers.Dense(3, activation="softmax")(ends))
    source = load_float_model(model)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 8, 6, 3)).astype(np.float32)
    assert np.allclose(source.model(pixels), model(pixels), atol=1e-6)
    loops = [layer for layer in source.model._flatten_layers() if isinstance(layer, layers.RNN)]
    assert loops and all(layer.unroll for layer in loops)


def test_models_that_cannot_be_students_are_refused(tmp_path: Path) -> None:
    import keras
    from keras import layers

    grey, free = keras.Input((16, 16, 1)), keras.Input((None, None, 3))
    image = keras.Input((16, 16, 3))
    flat = layers.Flatten()(image)
    wrong = {
        r"takes \[None, 16, 16, 1\]": keras.Model(grey, layers.Dense(2)(layers.Flatten()(grey))),
        "image of fixed size": keras.Model(free, layers.Dense(2)(layers.GlobalAveragePooling2D()(free))),
        "one output that ends in relu": keras.Model(image, layers.Dense(1, activation="relu")(flat)),
        "one input and one output": keras.Model(image, [layers.Dense(2)(flat), layers.Dense(2)(flat)]),
        "ends in relu": keras.Model(image, layers.Dense(2, activation="relu")(flat)),
        "a Keras 3 model": 3,
    }
    for said, model in wrong.items():
        with pytest.raises(ExportError, match=said):
            load_float_model(model)
    with pytest.raises(ModelError, match="does not exist"):
        load_float_model(tmp_path / "none.keras")
    broken = tmp_path / "broken.keras"
    broken.write_bytes(b"PK\x03\x04 no")
    with pytest.raises(ModelError, match=r"broken\.keras is not a Keras file"):
        load_float_model(broken)


def test_a_model_that_gives_nan_is_refused(student: Any) -> None:
    import keras

    model = keras.models.clone_model(student)
    model.set_weights([np.full_like(value, np.nan) for value in model.get_weights()])
    with pytest.raises(ExportError, match="holds NaN or infinity in kernel of the layer"):
        load_float_model(model)


def test_what_a_process_made_before_does_not_change_a_file(student: Any) -> None:
    import keras

    from edgekd.quantize.ptq import to_dynamic_range, to_float32

    makers = (to_float32, to_dynamic_range)
    first = [make(load_float_model(student)).content for make in makers]
    # Keras numbers the models of a process; one that resumes a run has made fewer.
    image = keras.Input((4, 4, 3))
    keras.Model(image, keras.layers.Conv2D(2, 1)(image))
    assert [make(load_float_model(student)).content for make in makers] == first
