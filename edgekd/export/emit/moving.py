"""Emitters of ops that only move values: they work on the integers."""

from __future__ import annotations

import numpy as np

from edgekd.export.emit.context import Context
from edgekd.formats.tflite_file import TfliteOp

_TO_NCHW, _TO_NHWC = (0, 3, 1, 2), (0, 2, 3, 1)
_WINDOWED = ("CONV_2D", "DEPTHWISE_CONV_2D")
_VALID = 1


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
