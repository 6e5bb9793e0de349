"""How a TFLite tensor lies in ONNX: a free batch, then what TFLite holds of one photo.

TFLite's graph is of one photo: an axis 0 of size 1 is the batch. Where a tensor has none, such as the [C] that the
converter makes of [1, 1, 1, C], ONNX's has one all the same. A photo's three axes are channels first in ONNX, any other
number of axes is in TFLite's order.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgekd.export.emit.context import Context, of_photo
from edgekd.formats.tflite_file import TfliteOp

_TO_NHWC, _TO_NCHW = [0, 2, 3, 1], [0, 3, 1, 2]
# Of a photo's axes in TFLite's order, where channels are first.
_CHANNELS_FIRST = (2, 3, 1)


def photo_of(context: Context, index: int) -> tuple[int, ...]:
    """What a TFLite tensor holds of one photo: its shape without the batch."""
    return of_photo(context.tensor(index).shape)


def onnx_axis(shape: Sequence[int], axis: int) -> int | None:
    """Where an axis of a TFLite tensor of this shape is in ONNX; None for a batch of 1."""
    place = axis % len(shape)
    if shape[0] == 1:
        if place == 0:
            return None
        place -= 1
    return _CHANNELS_FIRST[place] if len(of_photo(shape)) == 3 else place + 1


def reshape(context: Context, value: str, photo: Sequence[int], name: str) -> str:
    """A value with the axes ``photo`` behind its batch."""
    return context.onnx.node("Reshape", [value, shape_constant(context, [0, *photo])], name)


def shape_constant(context: Context, sizes: Sequence[int]) -> str:
    """Name of a constant of sizes or axes."""
    return context.onnx.constant(np.array(sizes, np.int64))


def natural(context: Context, op: TfliteOp, index: int) -> str:
    """The value of a tensor in TFLite's order of axes."""
    return to_natural(context, context.value(op, index), photo_of(context, index), context.name(index))


def to_natural(context: Context, value: str, photo: Sequence[int], name: str) -> str:
    """A value of the axes ``photo``, which are channels first if there are three, in TFLite's order."""
    if len(photo) != 3:
        return value
    if tuple(photo[:2]) == (1, 1) or photo[2] == 1:
        return reshape(context, value, photo, f"{name}_nhwc")
    return context.onnx.node("Transpose", [value], f"{name}_nhwc", {"perm": _TO_NHWC})


def from_natural(context: Context, value: str, photo: Sequence[int], name: str) -> str:
    """The reverse of ``to_natural``."""
    if len(photo) != 3:
        return value
    if tuple(photo[:2]) == (1, 1) or photo[2] == 1:
        return reshape(context, value, [photo[2], *photo[:2]], f"{name}_nchw")
    return context.onnx.node("Transpose", [value], f"{name}_nchw", {"perm": _TO_NCHW})


def reshaped(context: Context, value: str, source: Sequence[int], target: Sequence[int], name: str) -> str:
    """A value of the axes ``source`` with the axes ``target``: the same values in TFLite's order."""
    source, target = tuple(source), tuple(target)
    if source == target:
        return value
    # Channels first and last are one order where there is one position.
    if len(source) == 3 and source[:2] != (1, 1):
        value = to_natural(context, value, source, name)
    if len(target) == 3 and target[:2] == (1, 1):
        return reshape(context, value, [target[2], 1, 1], f"{name}_reshaped")
    return from_natural(context, reshape(context, value, target, f"{name}_reshaped"), target, name)


def aligned(context: Context, op: TfliteOp, index: int, axes: int) -> str:
    """The value of a tensor so that it broadcasts to a photo of so many axes, as TFLite does: from the last one."""
    tensor = context.tensor(index)
    if tensor.data is not None and not context.is_bound(index):
        return context.constant_value(op, index, axes)
    value, photo = context.value(op, index), photo_of(context, index)
    if len(photo) > axes:
        raise context.unsupported(op, f"its input {tensor.name!r} has more axes than its output")
    return reshaped(context, value, photo, (1,) * (axes - len(photo)) + photo, tensor.name or f"t{index}")


def in_order(context: Context, op: TfliteOp, index: int, axes: int) -> str:
    """The value of a tensor in TFLite's order, with so many axes behind the batch."""
    photo, name = photo_of(context, index), context.name(index)
    longer = (1,) * (axes - len(photo)) + photo
    if not context.is_bound(index):
        value = context.constant_value(op, index, axes)
        return to_natural(context, value, longer, name)
    value = natural(context, op, index)
    return value if longer == photo else reshape(context, value, longer, f"{name}_reshaped")


def check_single_image(context: Context, op: TfliteOp, index: int) -> None:
    """Raise UnsupportedOpError where a tensor holds several images for each photo, such as windows of it."""
    shape = context.tensor(index).shape
    if len(shape) != 4 or shape[0] != 1:
        raise context.unsupported(op, f"it works on {list(shape)}, several images for each photo")


def aligned_real(context: Context, op: TfliteOp, index: int, axes: int) -> str:
    """A float view of ``aligned``."""
    return context.real_of(op, index, aligned(context, op, index, axes))


def bind_moved(context: Context, op: TfliteOp, value: str, position: int = 0) -> None:
    """Finish an op that only moves values: its output is ``value``, requantized if the scales differ."""
    if context.same_quantization(op, _moved_input(context, op), op.outputs[position]):
        context.bind(op.outputs[position], value)
    else:
        context.quantize(op, context.real_of(op, _moved_input(context, op), value), position=position)


def _moved_input(context: Context, op: TfliteOp) -> int:
    # SPLIT takes its axis first.
    return next(index for index in op.inputs if context.tensor(index).type in ("INT8", "UINT8", "FLOAT32"))
