"""Emitters of ops that take parts of a tensor."""

from __future__ import annotations

from collections.abc import Sequence

from edgekd.export.emit.context import Context, of_photo
from edgekd.export.emit.layout import bind_moved, onnx_axis, photo_of, reshaped, shape_constant
from edgekd.formats.tflite_file import TfliteOp

# Where a slice ends that runs backwards to the first value.
_BEFORE_THE_FIRST = -(1 << 31)


def strided_slice(context: Context, op: TfliteOp) -> None:
    """STRIDED_SLICE of constant ranges; axes may be dropped."""
    if context.options(op, "ellipsisMask") or context.options(op, "newAxisMask"):
        raise context.unsupported(op, "it adds dimensions")
    begins, ends, steps = (context.integers(op, position) for position in (1, 2, 3))
    masks = [context.options(op, mask) for mask in ("beginMask", "endMask", "shrinkAxisMask")]
    ranges = []
    for axis, size in enumerate(context.tensor(op.inputs[0]).shape):
        no_begin, no_end, shrinks = (bool(mask >> axis & 1) for mask in masks)
        begin, end, step = (None if no_begin else begins[axis]), (None if no_end else ends[axis]), steps[axis]
        if shrinks:
            place = begins[axis] % size
            begin, end, step = place, place + 1, 1
        ranges.append(range(size)[slice(begin, end, step)])
    _slice(context, op, ranges, 0)


def slice_op(context: Context, op: TfliteOp) -> None:
    """SLICE from constant places, of constant sizes."""
    columns = zip(context.tensor(op.inputs[0]).shape, context.integers(op, 1), context.integers(op, 2), strict=True)
    # A size of -1 is all that is left.
    ranges = [range(begin, whole if size < 0 else begin + size) for whole, begin, size in columns]
    _slice(context, op, ranges, 0)


def split(context: Context, op: TfliteOp) -> None:
    """SPLIT into equal parts, and SPLIT_V into parts of constant sizes."""
    source, place = (op.inputs[0], 2) if op.name == "SPLIT_V" else (op.inputs[1], 0)
    shape = context.tensor(source).shape
    (axis,) = context.integers(op, place)
    start = 0
    for position, output in enumerate(op.outputs):
        size = context.tensor(output).shape[axis]
        ranges = [range(length) for length in shape]
        ranges[axis] = range(start, start + size)
        _slice(context, op, ranges, position, source)
        start += size


def unpack(context: Context, op: TfliteOp) -> None:
    """UNPACK: one output for each place of an axis."""
    shape = context.tensor(op.inputs[0]).shape
    axis = context.options(op, "axis") % len(shape)
    for position in range(len(op.outputs)):
        ranges = [range(length) for length in shape]
        ranges[axis] = range(position, position + 1)
        _slice(context, op, ranges, position)


def gather(context: Context, op: TfliteOp) -> None:
    """GATHER of constant places along an axis."""
    shape = context.tensor(op.inputs[0]).shape
    axis, places = context.options(op, "axis") % len(shape), context.integers(op, 1)
    if context.options(op, "batchDims", 0):
        raise context.unsupported(op, "its places differ from photo to photo")
    value = take(context, op, context.value(op, op.inputs[0]), axis, places)
    taken = [len(places) if place == axis else size for place, size in enumerate(shape)]
    photo = of_photo(taken) if shape[0] == 1 else tuple(taken)
    bind_moved(
        context, op, reshaped(context, value, photo, photo_of(context, op.outputs[0]), context.name(op.outputs[0]))
    )


def _slice(context: Context, op: TfliteOp, ranges: Sequence[range], position: int, source: int | None = None) -> None:
    """Bind an output to the places of every axis in ``ranges``; axes of one place may be missing in its shape."""
    index = op.inputs[0] if source is None else source
    shape, output = context.tensor(index).shape, op.outputs[position]
    value, name = context.value(op, index), context.name(output)
    columns = []
    for axis, places in enumerate(ranges):
        place = onnx_axis(shape, axis)
        if place is not None and places != range(shape[axis]):
            # ONNX reads a negative end from behind: a range that runs to the first place ends before all of them.
            end = places.stop if places.stop >= 0 else _BEFORE_THE_FIRST
            columns.append((places.start, end, place, places.step))
    if columns:
        constants = [shape_constant(context, column) for column in zip(*columns, strict=True)]
        value = context.onnx.node("Slice", [value, *constants], name)
    sizes = [len(places) for places in ranges]
    photo = of_photo(sizes) if shape[0] == 1 else tuple(sizes)
    value = reshaped(context, value, photo, photo_of(context, output), name)
    bind_moved(context, op, value, position)


def take(context: Context, op: TfliteOp, value: str, axis: int, places: Sequence[int]) -> str:
    """The places of a TFLite axis of an op's input, whose ONNX value is ``value``."""
    place = onnx_axis(context.tensor(op.inputs[0]).shape, axis)
    if place is None:
        raise context.unsupported(op, "it repeats the batch")
    inputs = [value, shape_constant(context, places)]
    return context.onnx.node("Gather", inputs, f"{context.name(op.outputs[0])}_taken", {"axis": place})
