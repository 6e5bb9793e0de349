"""A folder of cases for the short form: photos and three small models, trained until they know them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from small_inputs import COLOURS, labelled_folder

from edgekd.preprocess import Preprocessing, decode, resize

_SIDE = 32
_PHOTOS_PER_CLASS = 20
_EPOCHS = 15


def make_small_cases(folder: Path) -> Path:
    """``photos``, and ``models`` with a Normalization, with pixels 0..1, and with the classes in another order."""
    from edgekd.quiet import import_keras, quiet

    import_keras()
    import keras

    photos = labelled_folder(folder / "photos", _PHOTOS_PER_CLASS)
    paths = [path for colour in COLOURS for path in sorted((photos / colour).iterdir())]
    square = Preprocessing(height=_SIDE, width=_SIDE)
    pixels = np.stack([resize(decode(path.read_bytes(), str(path)).pixels, square) for path in paths])
    labels = np.repeat(np.arange(len(COLOURS)), _PHOTOS_PER_CLASS)
    (folder / "models").mkdir()
    x = pixels.astype(np.float32)
    with quiet():
        normalization = keras.layers.Normalization()
        normalization.adapt(x)
        _train([normalization], x, labels).save(folder / "models" / "m28_norm.keras")
        _train([], x / 255, labels).save(folder / "models" / "m01_unit.keras")
        # Green, red, yellow are the outputs 2, 0, 1: red, yellow, green.
        scaled = keras.layers.Rescaling(1 / 255)
        _train([scaled], x, np.array([2, 0, 1])[labels]).save(folder / "models" / "m35_order.keras")
    return folder


def _train(first: list[Any], x: Any, labels: Any) -> Any:
    import keras
    from keras import layers

    keras.utils.set_random_seed(1)
    model = keras.Sequential([
        keras.Input((_SIDE, _SIDE, 3)), *first, layers.Conv2D(8, 3, strides=2, activation="relu"),
        layers.Conv2D(16, 3, strides=2, activation="relu"), layers.Flatten(), layers.Dense(len(COLOURS), "softmax"),
    ])  # fmt: skip
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    model.fit(x, labels, batch_size=20, epochs=_EPOCHS, verbose=0)
    return model
