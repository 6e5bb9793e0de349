"""Emitters of ops that pad."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgekd.export.emit.context import Context
from edgekd.export.emit.layout import bind_moved, shape_constant
from edgekd.export.emit.slicing import take
from edgekd.formats.tflite_file import TfliteOp

_WINDOWED = ("CONV_2D", "DEPTHWISE_CONV_2D")
_VALID = 1
# What MIRROR_PAD repeats: without or with the edge itself.
_REFLECT = 0


def pad(context: Context, op: TfliteOp) -> None:
    """PAD with zeros (into the convolution that reads it, where there is one) and PADV2 with a constant."""
    amounts = np.array(context.integers(op, 1)).reshape(-1, 2)
    index = op.outputs[0]
    readers = [other for other in context.graph.ops if index in other.inputs]
    spatial = len(amounts) == 4 and not amounts[[0, 3]].any() and context.tensor(op.inputs[0]).shape[0] == 1
    foldable = spatial and op.name == "PAD" and context.uses(index) == 1 and readers and readers[0].name in _WINDOWED
    same = context.same_quantization(op, op.inputs[0], index)
    if foldable and same and context.options(readers[0], "padding") == _VALID:
        (top, bottom), (left, right) = amounts[1].tolist(), amounts[2].tolist()
        context.pending_pads[index] = (op.inputs[0], (top, bottom, left, right))
        return
    rows = _rows_of_photo(context, op, amounts)
    if len(rows) == 3:
        rows = rows[[2, 0, 1]]
    pads = shape_constant(context, [0, *rows[:, 0].tolist(), 0, *rows[:, 1].tolist()])
    filling = context.zero(op, op.inputs[0]) if op.name == "PAD" else _scalar(context, op, op.inputs[2])
    inputs = [context.value(op, op.inputs[0]), pads, filling]
    bind_moved(context, op, context.onnx.node("Pad", inputs, context.name(index)))


def mirror_pad(context: Context, op: TfliteOp) -> None:
    """MIRROR_PAD, by the places that each axis is read from."""
    rows = _rows_of_photo(context, op, np.array(context.integers(op, 1)).reshape(-1, 2))
    shape, value = context.tensor(op.inputs[0]).shape, context.value(op, op.inputs[0])
    first = len(shape) - len(rows)
    mode: Literal["reflect", "symmetric"] = "reflect" if context.options(op, "mode") == _REFLECT else "symmetric"
    for number, (before, after) in enumerate(rows.tolist()):
        if before or after:
            places = np.pad(np.arange(shape[first + number]), (before, after), mode)
            value = take(context, op, value, first + number, places.tolist())
    bind_moved(context, op, value)


def _rows_of_photo(context: Context, op: TfliteOp, amounts: NDArray[Any]) -> NDArray[Any]:
    """The amounts of padding of the axes behind the batch."""
    if context.tensor(op.inputs[0]).shape[0] != 1:
        return amounts
    if amounts[0].any():
        raise context.unsupported(op, "it pads the batch")
    return amounts[1:]


def _scalar(context: Context, op: TfliteOp, index: int) -> str:
    return context.onnx.constant(context.constant_array(op, index, 0).reshape(()))
