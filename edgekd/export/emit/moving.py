"""Emitters of ops that only move values: they work on the integers."""

from __future__ import annotations

import numpy as np

from edgekd.export.emit.context import Context, of_photo
from edgekd.export.emit.layout import (
    aligned,
    bind_moved,
    check_single_image,
    from_natural,
    natural,
    photo_of,
    reshape,
    reshaped,
    shape_constant,
)
from edgekd.formats.tflite_file import TfliteOp

_TO_NCHW, _TO_NHWC = (0, 3, 1, 2), (0, 2, 3, 1)


def reshape_op(context: Context, op: TfliteOp) -> None:
    """RESHAPE (and SQUEEZE, EXPAND_DIMS) in TFLite's order of values, keeping the batch dimension."""
    source, target = photo_of(context, op.inputs[0]), photo_of(context, op.outputs[0])
    value = context.value(op, op.inputs[0])
    bind_moved(context, op, reshaped(context, value, source, target, context.name(op.outputs[0])))


def transpose(context: Context, op: TfliteOp) -> None:
    """TRANSPOSE of any axes: an axis of size 1 that is the batch moves by a change of shape."""
    order, name = context.integers(op, 1), context.name(op.outputs[0])
    shape, value = context.tensor(op.inputs[0]).shape, context.value(op, op.inputs[0])
    photo, target = of_photo(shape), photo_of(context, op.outputs[0])
    if len(photo) < len(shape):
        order = [axis - 1 for axis in order if axis]
    moved = tuple(photo[axis] for axis in order)
    if len(photo) == 3:
        # Both sides are channels first in ONNX: the order combines that to TFLite's, TFLite's own, and back.
        behind_batch = np.array([0, *(axis + 1 for axis in order)])
        order = [int(axis) - 1 for axis in np.array(_TO_NHWC)[behind_batch][list(_TO_NCHW)][1:]]
    value = context.onnx.node("Transpose", [value], name, {"perm": [0, *(axis + 1 for axis in order)]})
    bind_moved(context, op, reshaped(context, value, moved, target, name))


def tile(context: Context, op: TfliteOp) -> None:
    """TILE by constant repeats."""
    repeats, shape = context.integers(op, 1), context.tensor(op.inputs[0]).shape
    value, name = context.value(op, op.inputs[0]), context.name(op.outputs[0])
    if shape[0] == 1 and repeats[0] == 1:
        repeats = repeats[1:]
    elif shape[0] == 1:
        value = reshape(context, natural(context, op, op.inputs[0]), shape, f"{name}_whole")
        value = context.onnx.node("Tile", [value, shape_constant(context, [1, *repeats])], f"{name}_tiled")
        bind_moved(context, op, from_natural(context, value, photo_of(context, op.outputs[0]), name))
        return
    if len(repeats) == 3:
        repeats = [repeats[2], *repeats[:2]]
    bind_moved(context, op, context.onnx.node("Tile", [value, shape_constant(context, [1, *repeats])], name))


def broadcast_to(context: Context, op: TfliteOp) -> None:
    """BROADCAST_TO a constant shape."""
    photo = photo_of(context, op.outputs[0])
    value = aligned(context, op, op.inputs[0], len(photo))
    sizes = [photo[2], *photo[:2]] if len(photo) == 3 else photo
    inputs = [value, shape_constant(context, [1, *sizes])]
    bind_moved(context, op, context.onnx.node("Expand", inputs, context.name(op.outputs[0])))


def space_to_depth(context: Context, op: TfliteOp) -> None:
    """SPACE_TO_DEPTH, in TFLite's order of the new channels."""
    check_single_image(context, op, op.inputs[0])
    size = int(context.options(op, "blockSize"))
    height, width, channels = photo_of(context, op.inputs[0])
    axes = [height // size, size, width // size, size, channels]
    _regroup(context, op, axes, [0, 1, 3, 2, 4, 5])


def depth_to_space(context: Context, op: TfliteOp) -> None:
    """DEPTH_TO_SPACE, the reverse."""
    check_single_image(context, op, op.inputs[0])
    size = int(context.options(op, "blockSize"))
    height, width, channels = photo_of(context, op.inputs[0])
    axes = [height, width, size, size, channels // size**2]
    _regroup(context, op, axes, [0, 1, 3, 2, 4, 5])


def _regroup(context: Context, op: TfliteOp, axes: list[int], order: list[int]) -> None:
    name, target = context.name(op.outputs[0]), photo_of(context, op.outputs[0])
    value = reshape(context, natural(context, op, op.inputs[0]), axes, f"{name}_blocks")
    value = context.onnx.node("Transpose", [value], f"{name}_moved", {"perm": order})
    value = reshape(context, value, target, f"{name}_joined")
    bind_moved(context, op, from_natural(context, value, target, name))


def resize_bilinear(context: Context, op: TfliteOp) -> None:
    """RESIZE_BILINEAR to a constant size."""
    check_single_image(context, op, op.inputs[0])
    inputs = [context.real(op, op.inputs[0]), "", _scales(context, op)]
    attributes = {"mode": "linear", "coordinate_transformation_mode": _coordinates(context, op)}
    real = context.onnx.node("Resize", inputs, f"{context.name(op.outputs[0])}_resize", attributes)
    context.quantize(op, real)


def resize_nearest(context: Context, op: TfliteOp) -> None:
    """RESIZE_NEAREST_NEIGHBOR to a constant size, on the integers."""
    check_single_image(context, op, op.inputs[0])
    coordinates = _coordinates(context, op)
    attributes = {
        "mode": "nearest",
        "coordinate_transformation_mode": coordinates,
        "nearest_mode": "floor" if coordinates == "asymmetric" else "round_prefer_ceil",
    }
    inputs = [context.value(op, op.inputs[0]), "", _scales(context, op)]
    bind_moved(context, op, context.onnx.node("Resize", inputs, context.name(op.outputs[0]), attributes))


def _scales(context: Context, op: TfliteOp) -> str:
    # Sizes would fix the batch.
    source, target = context.tensor(op.inputs[0]).shape[1:3], context.tensor(op.outputs[0]).shape[1:3]
    scales = [1.0, 1.0, target[0] / source[0], target[1] / source[1]]
    return context.onnx.constant(np.array(scales, np.float32))


def _coordinates(context: Context, op: TfliteOp) -> str:
    if context.options(op, "alignCorners"):
        return "align_corners"
    return "half_pixel" if context.options(op, "halfPixelCenters") else "asymmetric"
