"""Put what a network expects of its pixels inside the network, so that every model here takes 0..255."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from edgekd.errors import ModelError

MIX_LAYER = "rescale_mix"
"""Name of the convolution that mixes the channels of pixels."""
_TOLERANCE = 1e-4


def affine_layers(preprocess: Callable[[Any], Any]) -> list[Any]:
    """Keras layers that do what ``preprocess`` (float [N, H, W, 3] of 0..255, same shape out) does.

    Any map that is affine in the three channels is found by probing it, so no table of networks is needed: a
    `Rescaling` where channels keep apart, a frozen 1x1 convolution where they mix (BGR networks).

    Raises ModelError where it is not affine.
    """
    import keras

    probes = np.array([[0, 0, 0], [255, 0, 0], [0, 255, 0], [0, 0, 255], [17, 130, 244]], np.float32)
    outputs = np.asarray(preprocess(probes.reshape(5, 1, 1, 3).copy()), np.float64).reshape(5, 3)
    offset = outputs[0]
    matrix = (outputs[1:4] - offset) / 255
    if np.abs(probes[4] @ matrix + offset - outputs[4]).max() > _TOLERANCE * max(1.0, float(np.abs(outputs).max())):
        raise ModelError(
            "the network's preprocess_input is not affine in the pixels, so it can't be put into the graph"
        )
    if np.allclose(matrix, np.eye(3)) and np.allclose(offset, 0):
        return []
    if np.allclose(matrix, np.diag(np.diag(matrix))):
        scale, shift = np.diag(matrix), offset
        same = np.ptp(scale) < 1e-9 and np.ptp(shift) < 1e-6
        by, to = (float(scale[0]), float(shift[0])) if same else (scale.tolist(), shift.tolist())
        return [keras.layers.Rescaling(by, to, name="rescale")]
    mix = keras.layers.Conv2D(3, 1, name=MIX_LAYER, trainable=False)
    mix.build((None, None, None, 3))
    mix.set_weights([matrix.reshape(1, 1, 3, 3).astype(np.float32), offset.astype(np.float32)])
    return [mix]
