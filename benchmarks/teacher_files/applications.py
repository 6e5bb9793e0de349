"""The networks that ``keras:NAME`` builds against the same ones of `keras.applications`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

NAMES = tuple(f"EfficientNetB{number}" for number in range(8))


def compare_application(name: str, photos: npt.NDArray[np.uint8], work: Path) -> dict[str, Any]:
    """The largest difference of the features of both for photos [N, S, S, 3], as a share of the largest feature.

    The weights are random, those of `Normalization` and BatchNorm too, and read from a file as downloaded ones are.
    """
    import keras

    from edgekd.models import applications

    keras.utils.set_random_seed(5)
    constructor, shape = getattr(keras.applications, name), photos.shape[1:]
    original = constructor(include_top=False, weights=None, input_shape=shape)
    spread_states(original)
    file = work / f"{name}.weights.h5"
    original.save_weights(file)
    preprocess = sys.modules[constructor.__module__].preprocess_input
    expected = np.asarray(original(preprocess(photos.astype(np.float32)), training=False))
    ours = applications.build(name, shape[0], 3, str(file))
    features = keras.Model(ours.input, ours.get_layer("head_pool").input)
    difference = np.abs(np.asarray(features(photos.astype(np.float32), training=False)) - expected).max()
    file.unlink()
    return {
        "name": name, "parameters": int(original.count_params()), "size": shape[0],
        "difference": float(difference / np.abs(expected).max()), "features_spread": float(expected.std()),
    }  # fmt: skip


def spread_states(model: Any) -> None:
    """Means, variances and scales that are not 0 and 1, so that one that is lost shows."""
    import keras

    rng = np.random.default_rng(3)
    for layer in model.layers:
        values = layer.get_weights()
        if isinstance(layer, keras.layers.Normalization):
            layer.set_weights([rng.uniform(0.3, 0.6, 3), rng.uniform(0.04, 0.08, 3), *values[2:]])
            layer.finalize_state()
        elif isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.8, 1.2, value.shape) for value in values])
