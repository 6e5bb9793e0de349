"""Emitters of ops that only move values: they work on the integers."""

from __future__ import annotations

import numpy as np

from edgekd.export.emit.context import Context
from edgekd.formats.tflite_file import TfliteOp

_TO_NCHW, _TO_NHWC = (0, 3, 1, 2), (0, 2, 3, 1)
_WINDOWED = ("CONV_2D", "DEPTHWISE_CONV_2D")
_VALID = 1
# Of a slice that runs backwards to the first value.
_BEFORE_THE_FIRST = -(1 << 31)


def reshape(context: Context, op: TfliteOp) -> None:
    """RESHAPE (and SQUEEZE, EXPAND_DIMS) in TFLite's order of values, keeping the batch dimension."""
    source, target = context.tensor(op.inputs[0]).shape, context.tensor(op.outputs[0]).shape
    if not source or not target or source[0] != 1 or target[0] != 1:
        raise context.unsupported(op, f"it mixes the batch into {list(source)} -> {list(target)}")
    _refuse_rescaling(context, op)
    value, name = context.value(op, op.inputs[0]), context.name(op.outputs[0])
    if len(source) == 4 and source[1:3] != (1, 1):
        value = context.onnx.node("Transpose", [value], f"{name}_nhwc", {"perm": list(_TO_NHWC)})
    # 0 keeps the batch; NCHW and NHWC are one where there is one position.
    one_position = len(target) == 4 and target[1:3] == (1, 1)
    shape = [0, target[3], 1, 1] if one_position else [0, *target[1:]]
    value = context.onnx.node("Reshape", [value, context.onnx.constant(np.array(shape, np.int64))], f"{name}_reshaped")
    if len(target) == 4 and not one_position:
        value = context.onnx.node("Transpose", [value], f"{name}_nchw", {"perm": list(_TO_NCHW)})
    context.bind(op.outputs[0], value)


def transpose(context: Context, op: TfliteOp) -> None:
    """TRANSPOSE that leaves the batch where it is."""
    order = context.integers(op, 1)
    if order[0] != 0:
        raise context.unsupported(op, f"it moves the batch: {order}")
    _refuse_rescaling(context, op)
    if len(order) == 4:
        # Both sides are NCHW in ONNX: the order combines NCHW to NHWC, TFLite's order, and back.
        order = [int(axis) for axis in np.array(_TO_NHWC)[order][list(_TO_NCHW)]]
    name = context.name(op.outputs[0])
    context.bind(
        op.outputs[0], context.onnx.node("Transpose", [context.value(op, op.inputs[0])], name, {"perm": order})
    )


def pad(context: Context, op: TfliteOp) -> None:
    """PAD with zeros: into the convolution that reads it, else on the integers with the zero point."""
    amounts = np.array(context.integers(op, 1)).reshape(-1, 2)
    _refuse_rescaling(context, op)
    index = op.outputs[0]
    readers = [other for other in context.graph.ops if index in other.inputs]
    spatial = len(amounts) == 4 and not amounts[[0, 3]].any()
    foldable = spatial and context.uses(index) == 1 and readers and readers[0].name in _WINDOWED
    if foldable and context.options(readers[0], "padding") == _VALID:
        (top, bottom), (left, right) = amounts[1].tolist(), amounts[2].tolist()
        context.pending_pads[index] = (op.inputs[0], (top, bottom, left, right))
        return
    if len(amounts) == 4:
        amounts = amounts[list(_TO_NCHW)]
    pads = context.onnx.constant(amounts.T.ravel().astype(np.int64))
    inputs = [context.value(op, op.inputs[0]), pads, context.zero(op, op.inputs[0])]
    context.bind(index, context.onnx.node("Pad", inputs, context.name(index)))


def strided_slice(context: Context, op: TfliteOp) -> None:
    """STRIDED_SLICE of constant ranges that keeps every dimension."""
    if any(context.options(op, mask) for mask in ("ellipsisMask", "newAxisMask", "shrinkAxisMask")):
        raise context.unsupported(op, "it adds or removes dimensions")
    begins, ends, steps = (context.integers(op, position) for position in (1, 2, 3))
    open_begin, open_end = context.options(op, "beginMask"), context.options(op, "endMask")
    shape = context.tensor(op.inputs[0]).shape
    axes = []
    for axis, size in enumerate(shape):
        backwards = steps[axis] < 0
        if open_begin >> axis & 1:
            begins[axis] = size - 1 if backwards else 0
        if open_end >> axis & 1:
            ends[axis] = _BEFORE_THE_FIRST if backwards else size
        if (begins[axis], ends[axis], steps[axis]) != (0, size, 1):
            axes.append(axis)
    if 0 in axes and context.tensor(op.outputs[0]).shape[0] != shape[0]:
        raise context.unsupported(op, "it slices the batch")
    _slice(context, op, [axis for axis in axes if axis], begins, ends, steps)


def tile(context: Context, op: TfliteOp) -> None:
    """TILE by constant repeats, of all but the batch."""
    repeats = context.integers(op, 1)
    if repeats[0] != 1:
        raise context.unsupported(op, "it repeats the batch")
    _refuse_rescaling(context, op)
    order = _TO_NCHW if len(repeats) == 4 else range(len(repeats))
    counts = context.onnx.constant(np.array([repeats[axis] for axis in order], np.int64))
    inputs = [context.value(op, op.inputs[0]), counts]
    context.bind(op.outputs[0], context.onnx.node("Tile", inputs, context.name(op.outputs[0])))


def resize_bilinear(context: Context, op: TfliteOp) -> None:
    """RESIZE_BILINEAR to a constant size."""
    inputs = [context.real(op, op.inputs[0]), "", _scales(context, op)]
    attributes = {"mode": "linear", "coordinate_transformation_mode": _coordinates(context, op)}
    real = context.onnx.node("Resize", inputs, f"{context.name(op.outputs[0])}_resize", attributes)
    context.quantize(op, real)


def resize_nearest(context: Context, op: TfliteOp) -> None:
    """RESIZE_NEAREST_NEIGHBOR to a constant size, on the integers."""
    _refuse_rescaling(context, op)
    coordinates = _coordinates(context, op)
    attributes = {
        "mode": "nearest",
        "coordinate_transformation_mode": coordinates,
        "nearest_mode": "floor" if coordinates == "asymmetric" else "round_prefer_ceil",
    }
    inputs = [context.value(op, op.inputs[0]), "", _scales(context, op)]
    context.bind(op.outputs[0], context.onnx.node("Resize", inputs, context.name(op.outputs[0]), attributes))


def _scales(context: Context, op: TfliteOp) -> str:
    # Sizes would fix the batch.
    source, target = context.tensor(op.inputs[0]).shape[1:3], context.tensor(op.outputs[0]).shape[1:3]
    scales = [1.0, 1.0, target[0] / source[0], target[1] / source[1]]
    return context.onnx.constant(np.array(scales, np.float32))


def _coordinates(context: Context, op: TfliteOp) -> str:
    if context.options(op, "alignCorners"):
        return "align_corners"
    return "half_pixel" if context.options(op, "halfPixelCenters") else "asymmetric"


def _slice(
    context: Context, op: TfliteOp, axes: list[int], begins: list[int], ends: list[int], steps: list[int]
) -> None:
    _refuse_rescaling(context, op)
    rank = len(context.tensor(op.inputs[0]).shape)
    places = [_TO_NCHW.index(axis) if rank == 4 else axis for axis in axes]
    columns = ([begins[a] for a in axes], [ends[a] for a in axes], places, [steps[a] for a in axes])
    if not axes:
        context.bind(op.outputs[0], context.value(op, op.inputs[0]))
        return
    constants = [context.onnx.constant(np.array(column, np.int64)) for column in columns]
    inputs = [context.value(op, op.inputs[0]), *constants]
    context.bind(op.outputs[0], context.onnx.node("Slice", inputs, context.name(op.outputs[0])))


def concatenation(context: Context, op: TfliteOp) -> None:
    """CONCATENATION; inputs of other scales are requantized to the output's."""
    rank = len(context.tensor(op.outputs[0]).shape)
    axis = context.options(op, "axis") % rank
    if axis == 0:
        raise context.unsupported(op, "it joins along the batch")
    axis = _TO_NCHW.index(axis) if rank == 4 else axis
    inputs = [context.real(op, index, rank) for index in op.inputs]
    real = context.onnx.node("Concat", inputs, f"{context.name(op.outputs[0])}_concat", {"axis": axis})
    context.quantize(op, real, context.options(op, "fusedActivationFunction"))


def _refuse_rescaling(context: Context, op: TfliteOp) -> None:
    if not context.same_quantization(op, op.inputs[0], op.outputs[0]):
        raise context.unsupported(op, "its output has another scale than its input")
