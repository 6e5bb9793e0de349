"""The model that is exported: of a fixed size, taking pixels 0..255, or one clear error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgekd.errors import ModelError, UsageError
from edgekd.export.input_model import load_input_model, prepare_input
from edgekd.foreign.options import PixelOptions


def network(size: int | None = 16, channels: int = 3) -> Any:
    import keras
    from keras import layers

    image = keras.Input((size, size, channels))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3, activation="relu")(image))
    return keras.Model(image, layers.Dense(3)(x))


@pytest.fixture(scope="module")
def pixels() -> NDArray[np.float32]:
    return np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3)).astype(np.float32)


def test_pixels_that_nothing_shows_are_asked_for() -> None:
    with pytest.raises(ModelError, match=r"m\.keras: which pixel values does it take\?.*--pixel-range 0,1"):
        prepare_input(network(), "m.keras")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (PixelOptions((0, 1)), lambda x: x / 255),
        (PixelOptions((-1, 1)), lambda x: x / 127.5 - 1),
        (PixelOptions((0, 255)), lambda x: x),
        (
            PixelOptions((0, 1), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
            lambda x: (x / 255 - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225]),
        ),
    ],
)
def test_the_pixel_range_goes_into_the_graph(options: PixelOptions, expected: Any, pixels: Any) -> None:
    model = network()
    prepared = prepare_input(model, "m.keras", pixels=options)
    np.testing.assert_allclose(
        np.asarray(prepared(pixels)), np.asarray(model(expected(pixels).astype(np.float32))), rtol=1e-4, atol=1e-4
    )


def test_a_free_size_is_set(pixels: Any, tmp_path: Path) -> None:
    model = network(None)
    with pytest.raises(ModelError, match=r"takes images of any size. Say which: --input-size"):
        prepare_input(model, "m.keras", pixels=PixelOptions((0, 255)))
    prepared = prepare_input(model, "m.keras", input_size=16, pixels=PixelOptions((0, 255)))
    assert prepared.input_shape == (None, 16, 16, 3)
    np.testing.assert_allclose(np.asarray(prepared(pixels)), np.asarray(model(pixels)), rtol=1e-5)
    model.save(tmp_path / "m.keras")
    assert load_input_model(f"{tmp_path}/m.keras@24", pixels=PixelOptions((0, 255))).input_shape == (None, 24, 24, 3)
    with pytest.raises(UsageError, match="Give one of them"):
        load_input_model(f"{tmp_path}/m.keras@24", input_size=32)
    with pytest.raises(ModelError, match="takes 16 x 16 pixels, not 32"):
        prepare_input(network(), "m.keras", input_size=32)


def test_what_is_no_image_classifier_is_one_error(tmp_path: Path) -> None:
    import keras
    from keras import layers

    first, second = keras.Input((16, 16, 3)), keras.Input((4,))
    two = keras.Model([first, second], layers.Concatenate()([layers.Flatten()(first), second]))
    with pytest.raises(ModelError, match="has 2 inputs"):
        prepare_input(two, "two.keras")
    with pytest.raises(ModelError, match=r"takes \[None, 16, 16, 1\], not RGB images"):
        prepare_input(network(channels=1), "grey.keras")
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "saved_model.pb").write_bytes(b"")
    with pytest.raises(ModelError, match=r"is a SavedModel, .* model\.save\('model\.keras'\)"):
        load_input_model(tmp_path / "saved")


@pytest.mark.parametrize(
    "wrong",
    [
        {"mean": (0, 0, 0)},
        {"mean": (0, 0, 0), "std": (1, 1, 1)},
        {"pixel_range": (0, 1), "mean": (0, 0, 0), "std": (1, 0, 1)},
        {"pixel_range": (1, 1)},
    ],
)
def test_pixel_options_must_go_together(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        PixelOptions(**wrong)
