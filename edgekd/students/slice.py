"""A slice: the teacher's first blocks with their weights and a new head, the best start there is on little data."""

from __future__ import annotations

from typing import Any

from edgekd.errors import ModelError
from edgekd.teach.blocks import blocks_of, freeze_through
from edgekd.teach.logits import onto


def build(teacher: Any, blocks: int, input_size: int, classes: int, freeze_blocks: int = 0) -> Any:
    """The first ``blocks`` blocks of ``teacher``, pooled, and a dense head: pixels 0..255 [N, S, S, 3] to [N, classes].

    The head starts at zero; the first ``freeze_blocks`` blocks keep the teacher's weights, which halves the time of a
    training step at 3 of 8, and BatchNorm keeps its moments. Raises ModelError where the teacher shows no blocks, or fewer.
    """
    import keras

    found = blocks_of(teacher)
    if not found:
        raise ModelError(
            f"the layers of {teacher.name} are not named by blocks, so it can't be sliced. "
            "Use cnn:16 or your own .keras file"
        )
    if blocks > len(found):
        raise ModelError(f"slice:{blocks}: {teacher.name} has {len(found)} blocks. Take slice:1 to slice:{len(found)}")
    if freeze_blocks >= blocks:
        raise ModelError(f"freeze_blocks = {freeze_blocks} would leave nothing of slice:{blocks} to train but its head")
    cut = teacher.get_layer(found[blocks - 1].last_layer).output
    image = keras.Input((input_size, input_size, 3), name="image")
    trunk = keras.Model(teacher.inputs, cut)
    x = keras.layers.GlobalAveragePooling2D(name="head_pool")(onto(trunk, image))
    logits = keras.layers.Dense(classes, kernel_initializer="zeros", name="logits")(x)
    model = keras.Model(image, logits, name=f"slice_{blocks}")
    freeze_through(model, found[freeze_blocks - 1].last_layer if freeze_blocks else None)
    return model
