"""``keras:NAME`` is the network of `keras.applications`, with what it holds outside weights."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from edgekd.models import applications


def test_an_efficientnet_keeps_its_normalization(tmp_path: Path) -> None:
    keras.utils.set_random_seed(5)
    original = keras.applications.EfficientNetB0(include_top=False, weights=None, input_shape=(32, 32, 3))
    (normalization,) = (layer for layer in original.layers if isinstance(layer, keras.layers.Normalization))
    mean, variance, *count = normalization.get_weights()
    normalization.set_weights([np.add(mean, [0.4, 0.5, 0.6]), variance * [0.04, 0.06, 0.08], *count])
    normalization.finalize_state()
    for layer in original.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            # Of random weights alone the features are nearly 0.
            layer.gamma.assign(layer.gamma * 3)
    original.save_weights(tmp_path / "own.weights.h5")
    ours = applications.build("EfficientNetB0", 32, 3, str(tmp_path / "own.weights.h5"))
    photos = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3)).astype(np.float32)
    expected = np.asarray(original(photos, training=False))
    features = keras.Model(ours.input, ours.get_layer("head_pool").input)
    assert np.asarray(features(photos, training=False)) == pytest.approx(
        expected, abs=1e-5 * float(np.abs(expected).max())
    )
    assert float(np.abs(expected).max()) > 0.1
