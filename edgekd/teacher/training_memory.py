"""How much memory a fine-tune needs, from the shapes of its layers alone."""

from __future__ import annotations

import math
from typing import Any

from edgekd.models.blocks import blocks_of

_FLOAT_BYTES = 4
# A weight that is trained has a gradient and AdamW's two moments beside it.
_COPIES = 4


def training_bytes(model: Any, last_blocks: int, batch_size: int) -> int:
    """Bytes that training the last blocks of a flat Keras model takes.

    They are what the trained layers are given for a batch, which their gradients need, and beside each weight its
    gradient and moments. BatchNorm is frozen and needs neither; of the layers before these blocks nothing is kept.
    """
    import keras

    blocks = blocks_of(model)
    first = blocks[-last_blocks - 1].last_layer if last_blocks < len(blocks) else None
    trains, inputs, weights = first is None, 0, 0
    for layer in model.layers:
        if trains and layer.weights and not isinstance(layer, keras.layers.BatchNormalization):
            inputs += sum(
                math.prod(size or 1 for size in tensor.shape[1:]) for tensor in keras.tree.flatten(layer.input)
            )
            weights += layer.count_params()
        trains = trains or layer.name == first
    return _FLOAT_BYTES * (inputs * batch_size + _COPIES * weights)
