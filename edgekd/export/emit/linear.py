"""Convolutions and dense layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgekd.export.emit.context import Context
from edgekd.formats.tflite_file import TfliteOp

_SAME = 0


def conv(context: Context, op: TfliteOp) -> None:
    """CONV_2D: weights [O, kh, kw, I]; if I is less than the input's channels, there are groups."""
    output, height, width, inputs = context.tensor(op.inputs[1]).shape
    channels = context.tensor(op.inputs[0]).shape[3]
    if channels % inputs:
        raise context.unsupported(op, f"{channels} channels do not divide into groups of {inputs}")
    weights = context.weights(op.inputs[1], (0, 3, 1, 2), (output, inputs, height, width))
    _convolve(context, op, weights, (height, width), channels // inputs)


def depthwise_conv(context: Context, op: TfliteOp) -> None:
    """DEPTHWISE_CONV_2D: weights [1, kh, kw, C * multiplier], one group per channel."""
    _, height, width, output = context.tensor(op.inputs[1]).shape
    weights = context.weights(op.inputs[1], (3, 0, 1, 2), (output, 1, height, width))
    _convolve(context, op, weights, (height, width), context.tensor(op.inputs[0]).shape[3])


def transpose_conv(context: Context, op: TfliteOp) -> None:
    """TRANSPOSE_CONV: the output's shape, weights [O, kh, kw, I], the input, and perhaps a bias."""
    weights_index, image = op.inputs[1], op.inputs[2]
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
    context.quantize(op, real, context.options(op, "fusedActivationFunction"))


def fully_connected(context: Context, op: TfliteOp) -> None:
    """FULLY_CONNECTED: weights [O, I] on all values of a photo."""
    weights = context.tensor(op.inputs[1])
    if weights.data is None or context.options(op, "weightsFormat"):
        raise context.unsupported(op, "its weights are computed or shuffled")
    inputs = [_flat(context, op, weights.shape[1]), context.weights(op.inputs[1], (0, 1), weights.shape)]
    if len(op.inputs) > 2 and op.inputs[2] >= 0:
        inputs.append(context.bias(op.inputs[2]))
    name = context.name(op.outputs[0])
    real = context.onnx.node("Gemm", inputs, f"{name}_gemm", {"transB": 1})
    context.quantize(op, real, context.options(op, "fusedActivationFunction"))


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


def _flat(context: Context, op: TfliteOp, features: int) -> str:
    # A float view [N, features] of the input; the converter drops a Flatten before a dense layer.
    index = op.inputs[0]
    shape, value, name = context.tensor(index).shape, context.value(op, index), context.name(index)
    if shape[0] != 1 or int(np.prod(shape[1:])) != features:
        raise context.unsupported(op, f"it takes {features} values at a time of {list(shape)}; flatten them first")
    if len(shape) == 4 and shape[1:3] != (1, 1):
        value = context.onnx.node("Transpose", [value], f"{name}_nhwc", {"perm": [0, 2, 3, 1]})
    if len(shape) != 2:
        value = context.onnx.node("Flatten", [value], f"{name}_flat", {"axis": 1})
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
    # A PAD that only this op reads is not emitted: it is part of the pads above.
    source = context.pending_pads.get(op.inputs[0], (op.inputs[0], ()))[0]
    inputs = [context.real(op, source), weights]
    if len(op.inputs) > 2 and op.inputs[2] >= 0:
        inputs.append(context.bias(op.inputs[2]))
    real = context.onnx.node("Conv", inputs, f"{context.name(op.outputs[0])}_conv", attributes)
    context.quantize(op, real, context.options(op, "fusedActivationFunction"))
