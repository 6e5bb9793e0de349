"""The first convolution on groups of four columns: a photo's 3 channels become 12, which ONNX Runtime has a kernel for.

Its fast int8 kernel on x86 takes multiples of 4 channels, and to give a photo a fourth one costs more than it saves.
Four neighbouring columns of a photo lie side by side in memory, so that [H, W, 3] is [H, W / 4, 12] without a copy. A
filter of stride 2 becomes two filters a group of columns, side by side in the output's channels, and [H, W / 4, 2 C] is
[H, W / 2, C] again. The weights added are zeros: every sum stays as it is.

Source: ONNX Runtime, MLAS, convsym.cpp, MlasConvSymPackWSize.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.export.emit.context import Context
from edgekd.export.emit.layout import shape_constant
from edgekd.formats.tflite_file import TfliteOp
from edgekd.quantize.saturation import saturating_channels

_COLUMNS, _STRIDE, _RGB = 4, 2, 3
# Of a group of columns.
_OUTPUTS = _COLUMNS // _STRIDE


def fits(context: Context, op: TfliteOp, pads: list[int], strides: tuple[int, int], dilations: tuple[int, int]) -> bool:
    """Whether a CONV_2D reads the photo as it comes, and steps through it by two columns."""
    image, weights = context.tensor(op.inputs[0]), context.tensor(op.inputs[1])
    return (
        context.photo is not None
        and op.inputs[0] not in context.pending_pads
        and context.value(op, op.inputs[0]) == context.photo.nchw
        and (weights.type, weights.shape[3]) == ("INT8", _RGB)
        and weights.data is not None
        and not context.is_float(op.outputs[0])
        and (strides[1], dilations) == (_STRIDE, (1, 1))
        and image.shape[2] % _COLUMNS == 0
        and context.tensor(op.outputs[0]).shape[2] == image.shape[2] // _STRIDE
        and pads[1] < _COLUMNS
        and _is_as_safe(weights.data, pads[1])
    )


def emit(context: Context, op: TfliteOp, pads: list[int], row_stride: int) -> None:
    """Emit it; ``pads`` are [top, left, bottom, right]."""
    assert context.photo is not None
    image, weights = context.tensor(op.inputs[0]), context.tensor(op.inputs[1])
    assert weights.data is not None
    height, width = image.shape[1:3]
    outputs, name = weights.shape[0], context.name(op.outputs[0])
    data, first = group_weights(weights.data, pads[1])
    span = data.shape[3]
    shape = shape_constant(context, [0, height, width // _COLUMNS, _RGB * _COLUMNS])
    photo = context.onnx.node("Reshape", [context.photo.nhwc, shape], f"{name}_columns")
    photo = context.onnx.node("Transpose", [photo], f"{name}_columns_nchw", {"perm": [0, 3, 1, 2]})
    inputs = [context.real_of(op, op.inputs[0], photo), context.int8_constant(op.inputs[1], data, _OUTPUTS)]
    if len(op.inputs) > 2 and op.inputs[2] >= 0:
        inputs.append(context.bias(op.inputs[2], repeats=_OUTPUTS))
    attributes: dict[str, Any] = {
        "kernel_shape": list(data.shape[2:]),
        "strides": [row_stride, 1],
        "pads": [pads[0], -first, pads[2], span - 1 + first],
    }
    real = context.onnx.node("Conv", inputs, f"{name}_conv", attributes)
    context.quantize(op, real, context.fused_activation(op))
    value = context.onnx.node("Transpose", [context.value(op, op.outputs[0])], f"{name}_nhwc", {"perm": [0, 2, 3, 1]})
    rows = context.tensor(op.outputs[0]).shape[1]
    shape = shape_constant(context, [0, rows, width // _STRIDE, outputs])
    value = context.onnx.node("Reshape", [value, shape], f"{name}_rows")
    context.bind(op.outputs[0], context.onnx.node("Transpose", [value], f"{name}_nchw", {"perm": [0, 3, 1, 2]}))


def _is_as_safe(data: NDArray[Any], left: int) -> bool:
    """Whether the new neighbours saturate no CPU's kernels where the old ones did not."""
    grouped, _ = group_weights(data, left)
    in_order = grouped.transpose(0, 2, 3, 1).reshape(len(grouped), -1)
    old = saturating_channels(data.reshape(len(data), -1))
    return not (saturating_channels(in_order) & ~np.tile(old, _OUTPUTS)).any()


def group_weights(data: NDArray[Any], left: int) -> tuple[NDArray[Any], int]:
    """Weights [O, kh, kw, 3] as [2 O, 12, kh, groups], and the first group they read, from the output's own on.

    ``left`` columns of padding stand before the photo.
    """
    outputs, rows, columns, _ = data.shape
    first, last = -left // _COLUMNS, (_STRIDE * (_OUTPUTS - 1) - left + columns - 1) // _COLUMNS
    grouped = np.zeros((_OUTPUTS, outputs, _COLUMNS, _RGB, rows, last - first + 1), data.dtype)
    for output in range(_OUTPUTS):
        for tap in range(columns):
            group, column = divmod(_STRIDE * output - left + tap, _COLUMNS)
            grouped[output, :, column, :, :, group - first] = data[:, :, tap].transpose(0, 2, 1)
    return grouped.reshape(_OUTPUTS * outputs, _COLUMNS * _RGB, rows, last - first + 1), first
