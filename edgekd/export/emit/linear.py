"""Convolutions and dense layers."""

from __future__ import annotations

import math
from typing import Any

from edgekd.export.emit import grouped_columns
from edgekd.export.emit.context import Context
from edgekd.export.emit.layout import (
    check_single_image,
    from_natural,
    in_order,
    photo_of,
    reshape,
    reshaped,
    shape_constant,
    to_natural,
)
from edgekd.formats.tflite_file import TfliteOp

_SAME = 0


def conv(context: Context, op: TfliteOp) -> None:
    """CONV_2D: weights [O, kh, kw, I]; if I is less than the input's channels, there are groups."""
    output, height, width, inputs = context.tensor(op.inputs[1]).shape
    check_single_image(context, op, op.inputs[0])
    channels = context.tensor(op.inputs[0]).shape[3]
    if channels % inputs:
        raise context.unsupported(op, f"{channels} channels do not divide into groups of {inputs}")
    added = (context.added.get(op.outputs[0], 0), context.added.get(op.inputs[0], 0))
    weights = context.weights(op.inputs[1], (0, 3, 1, 2), (output, inputs, height, width), added=added)
    _convolve(context, op, weights, (height, width), channels // inputs)


def depthwise_conv(context: Context, op: TfliteOp) -> None:
    """DEPTHWISE_CONV_2D: weights [1, kh, kw, C * multiplier], one group per channel."""
    _, height, width, output = context.tensor(op.inputs[1]).shape
    check_single_image(context, op, op.inputs[0])
    added = context.added.get(op.inputs[0], 0)
    weights = context.weights(op.inputs[1], (3, 0, 1, 2), (output, 1, height, width), added=(added, 0))
    _convolve(context, op, weights, (height, width), context.tensor(op.inputs[0]).shape[3] + added)


def transpose_conv(context: Context, op: TfliteOp) -> None:
    """TRANSPOSE_CONV: the output's shape, weights [O, kh, kw, I], the input, and perhaps a bias."""
    weights_index, image = op.inputs[1], op.inputs[2]
    check_single_image(context, op, image)
    outputs, height, width, inputs = context.tensor(weights_index).shape
    weights = context.weights(weights_index, (3, 0, 1, 2), (inputs, outputs, height, width), axis=1)
    strides = (context.options(op, "strideH"), context.options(op, "strideW"))
    before, after, extra = [], [], []
    sizes = zip(
        context.tensor(image).shape[1:3],
        context.tensor(op.outputs[0]).shape[1:3],
        (height, width),
        strides,
        strict=True,
    )
    for size, output, window, stride in sizes:
        full = (size - 1) * stride + window
        before.append(max(full - output, 0) // 2)
        after.append(max(full - output, 0) - before[-1])
        extra.append(max(output - full, 0))
    attributes: dict[str, Any] = {
        "kernel_shape": [height, width], "strides": list(strides), "pads": [*before, *after], "output_padding": extra,
    }  # fmt: skip
    values = [context.real(op, image), weights]
    if len(op.inputs) > 3 and op.inputs[3] >= 0:
        values.append(context.bias(op.inputs[3]))
    real = context.onnx.node("ConvTranspose", values, f"{context.name(op.outputs[0])}_conv", attributes)
    context.quantize(op, real, context.fused_activation(op))


def fully_connected(context: Context, op: TfliteOp) -> None:
    """FULLY_CONNECTED: weights [O, I] on every I values of a photo."""
    weights = context.tensor(op.inputs[1])
    if weights.data is None or context.options(op, "weightsFormat"):
        raise context.unsupported(op, "its weights are computed or shuffled")
    index, name = op.inputs[0], context.name(op.outputs[0])
    source, target = photo_of(context, index), photo_of(context, op.outputs[0])
    rows, remainder = divmod(math.prod(source), weights.shape[1])
    if remainder:
        raise context.unsupported(op, f"it takes {weights.shape[1]} values at a time of {list(source)}")
    inputs = [_rows(context, op, rows), context.weights(op.inputs[1], (0, 1), weights.shape)]
    if len(op.inputs) > 2 and op.inputs[2] >= 0:
        inputs.append(context.bias(op.inputs[2]))
    context.quantize(op, context.onnx.node("Gemm", inputs, f"{name}_gemm", {"transB": 1}), context.fused_activation(op))
    product = context.value(op, op.outputs[0])
    if rows == 1:
        context.bind(op.outputs[0], reshaped(context, product, weights.shape[:1], target, name))
    else:
        shape = shape_constant(context, [-1, *target])
        product = context.onnx.node("Reshape", [product, shape], f"{name}_rows")
        context.bind(op.outputs[0], from_natural(context, product, target, name))


def batch_matmul(context: Context, op: TfliteOp) -> None:
    """BATCH_MATMUL of the last two axes, either of them transposed or not."""
    axes = max(len(photo_of(context, index)) for index in (*op.inputs[:2], op.outputs[0]))
    name, inputs = context.name(op.outputs[0]), []
    for index, option in zip(op.inputs[:2], ("adjX", "adjY"), strict=True):
        value = in_order(context, op, index, axes)
        if context.options(op, option, False):
            order = [*range(axes - 1), axes, axes - 1]
            value = context.onnx.node("Transpose", [value], f"{context.name(index)}_adjoint", {"perm": order})
        inputs.append(context.real_of(op, index, value))
    context.quantize(op, context.onnx.node("MatMul", inputs, f"{name}_matmul"))
    target = photo_of(context, op.outputs[0])
    product = context.value(op, op.outputs[0])
    if len(target) < axes:
        product = reshape(context, product, target, f"{name}_reshaped")
    context.bind(op.outputs[0], from_natural(context, product, target, name))


def pads(
    context: Context, op: TfliteOp, kernel: tuple[int, int], strides: tuple[int, int], dilations: tuple[int, int]
) -> list[int]:
    """Compute the ONNX pads [top, left, bottom, right] of a windowed op, including a PAD before it."""
    if context.options(op, "padding") != _SAME:
        _, (top, bottom, left, right) = context.pending_pads.get(op.inputs[0], (0, (0, 0, 0, 0)))
        return [top, left, bottom, right]
    before, after = [], []
    shape = context.tensor(op.inputs[0]).shape[1:3]
    for size, window, stride, dilation in zip(shape, kernel, strides, dilations, strict=True):
        extent = (window - 1) * dilation + 1
        total = max((-(-size // stride) - 1) * stride + extent - size, 0)
        before.append(total // 2)
        after.append(total - total // 2)
    return [*before, *after]


def _rows(context: Context, op: TfliteOp, rows: int) -> str:
    # A float view [N * rows, I] of the input; the converter drops a Flatten before a dense layer.
    index = op.inputs[0]
    photo, value, name = photo_of(context, index), context.value(op, index), context.name(index)
    if len(photo) == 3 and photo[:2] != (1, 1):
        value = to_natural(context, value, photo, name)
    if rows == 1 and len(photo) != 1:
        value = context.onnx.node("Flatten", [value], f"{name}_flat", {"axis": 1})
    elif rows != 1:
        shape = shape_constant(context, [-1, math.prod(photo) // rows])
        value = context.onnx.node("Reshape", [value, shape], f"{name}_flat")
    return context.real_of(op, index, value)


def _convolve(context: Context, op: TfliteOp, weights: str, kernel: tuple[int, int], groups: int) -> None:
    strides = (context.options(op, "strideH"), context.options(op, "strideW"))
    dilations = (context.options(op, "dilationHFactor", 1), context.options(op, "dilationWFactor", 1))
    attributes: dict[str, Any] = {
        "kernel_shape": list(kernel),
        "strides": list(strides),
        "dilations": list(dilations),
        "group": groups,
        "pads": pads(context, op, kernel, strides, dilations),
    }
    if op.name == "CONV_2D" and grouped_columns.fits(context, op, attributes["pads"], strides, dilations):
        grouped_columns.emit(context, op, attributes["pads"], strides[0])
        return
    # A PAD that only this op reads is not emitted: it is part of the pads above.
    source = context.pending_pads.get(op.inputs[0], (op.inputs[0], ()))[0]
    inputs = [context.real(op, source), weights]
    if len(op.inputs) > 2 and op.inputs[2] >= 0:
        inputs.append(context.bias(op.inputs[2], context.added.get(op.outputs[0], 0)))
    real = context.onnx.node("Conv", inputs, f"{context.name(op.outputs[0])}_conv", attributes)
    context.quantize(op, real, context.fused_activation(op))
