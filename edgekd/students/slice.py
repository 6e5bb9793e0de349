"""A slice: the teacher's first blocks with their weights and a new head, the best start there is on little data."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekd.errors import ModelError
from edgekd.models.blocks import Block, blocks_of, freeze_through
from edgekd.models.logits import onto
from edgekd.models.rebuild import check_rebuilt, probe_images
from edgekd.students.narrow import leave_out, narrow

_CHECKED = 16


@dataclass(frozen=True, eq=False)
class Narrowing:
    """The shares of the blocks' hidden channels to ``keep`` (as in a `StudentSpec`), and the photos that choose them.

    ``images`` are uint8 [N, H, W, 3]; with None the slice only has the right shapes.
    """

    keep: tuple[float, ...]
    images: npt.NDArray[np.uint8] | None


def build(
    teacher: Any,
    cut: str,
    input_size: int,
    classes: int,
    *,
    freeze_blocks: int = 0,
    without: tuple[int, ...] = (),
    narrowing: Narrowing | None = None,
    photos: npt.NDArray[np.uint8] | None = None,
) -> Any:
    """``teacher`` up to ``cut``, pooled, and a dense head: pixels 0..255 [N, S, S, 3] to logits [N, classes].

    ``cut`` is a number of blocks, or the name of the last layer to keep; ``without`` are blocks to leave out of them,
    counted from 1. Its outputs for ``photos`` (seeded images where there are none) are the teacher's there. The head
    starts at zero; the first ``freeze_blocks`` blocks keep the teacher's weights, which halves the time of a training
    step at 3 of 8, and BatchNorm keeps its moments. Raises ModelError where the teacher shows no blocks, fewer, or no
    such layer.
    """
    import keras

    blocks = blocks_of(teacher)
    last = _last_layer(teacher, blocks, cut)
    image = keras.Input((input_size, input_size, 3), name="image")
    trunk = keras.Model(teacher.inputs, teacher.get_layer(last).output)
    whole = keras.Model(image, onto(trunk, image))
    images = probe_images(image.shape) if photos is None else photos[:_CHECKED]
    check_rebuilt(trunk, whole, images, f"slice:{cut} of {teacher.name}")
    body = leave_out(whole, [_block_name(blocks, number, cut) for number in without])
    if narrowing:
        body = narrow(body, whole, narrowing.keep, narrowing.images)
    x = keras.layers.GlobalAveragePooling2D(name="head_pool")(body.output)
    logits = keras.layers.Dense(classes, kernel_initializer="zeros", name="logits")(x)
    model = keras.Model(body.inputs, logits, name=f"slice_{cut}")
    student_blocks = blocks_of(model)
    if freeze_blocks and freeze_blocks >= len(student_blocks):
        raise ModelError(f"freeze_blocks = {freeze_blocks} would leave nothing of slice:{cut} to train but its head")
    # By its own blocks: those of the teacher's that were left out end in no layer of it.
    freeze_through(model, student_blocks[freeze_blocks - 1].last_layer if freeze_blocks else None)
    return model


def _block_name(blocks: list[Block], number: int, cut: str) -> str:
    """The name of the block of that number."""
    if not 0 < number <= len(blocks):
        raise ModelError(f"slice:{cut} has no block {number} that could be left out; blocks are counted from 1")
    return blocks[number - 1].name


def _last_layer(teacher: Any, blocks: list[Block], cut: str) -> str:
    names = [layer.name for layer in teacher.layers]
    if not cut.isdigit():
        if cut not in names or len(teacher.get_layer(cut).output.shape) != 4:
            near = difflib.get_close_matches(cut, names, 1)
            hint = f"did you mean {near[0]!r}?" if near else "name a layer that gives feature maps"
            raise ModelError(f"slice:{cut}: {teacher.name} has no such layer of feature maps; {hint}")
        return cut
    if not blocks:
        raise ModelError(
            f"the layers of {teacher.name} are not named by blocks, so it can't be sliced by their number. "
            "Use slice:LAYER, cnn:16 or your own .keras file"
        )
    if int(cut) > len(blocks):
        raise ModelError(f"slice:{cut}: {teacher.name} has {len(blocks)} blocks. Take slice:1 to slice:{len(blocks)}")
    return blocks[int(cut) - 1].last_layer
