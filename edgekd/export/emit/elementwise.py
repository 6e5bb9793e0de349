"""Emitters of elementwise ops and softmax."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edgekd.export.emit.context import Context
from edgekd.formats.tflite_file import TfliteOp

# onnx.TensorProto.FLOAT
_FLOAT = 1
Emitter = Callable[[Context, TfliteOp], None]
# Relative change of a constant: above float32's error in a sum of 255 steps, below a hundredth of a step.
_HAIR = 1e-5


def binary(name: str) -> Emitter:
    """An op of two inputs that broadcast, with a fused activation."""

    def emit(context: Context, op: TfliteOp) -> None:
        rank = max(len(context.tensor(index).shape) for index in op.inputs[:2])
        inputs = [
            _nudge_ties(context, op, index, rank) if name == "Add" else context.real(op, index, rank)
            for index in op.inputs[:2]
        ]
        real = context.onnx.node(name, inputs, f"{context.name(op.outputs[0])}_{name.lower()}")
        context.quantize(op, real, context.options(op, "fusedActivationFunction"))

    return emit


def _nudge_ties(context: Context, op: TfliteOp, index: int, rank: int) -> str:
    """A float view of a summand; a constant is scaled up by ``_HAIR`` to break ties.

    XNNPACK rounds half a step up, ONNX Runtime to even. A mean that is not a whole number of pixel values, as in
    x / 127.5 - 1, makes every pixel a tie.
    """
    tensor = context.tensor(index)
    if tensor.data is None or context.is_float(index):
        return context.real(op, index, rank)
    scale, zero_point = context.scalar_quantization(op, index)
    signs = np.unique(np.sign(tensor.data.astype(np.int16) - int(tensor.zero_points[0])))
    if len(signs) == 1:
        scale = np.float32(scale * (1 + signs[0] * _HAIR))
    inputs = [context.value(op, index, rank), *context.scale_and_zero_point(scale, zero_point)]
    return context.onnx.node("DequantizeLinear", inputs, f"{context.name(index)}_real")


def unary(name: str) -> Emitter:
    """An op of one input without options."""

    def emit(context: Context, op: TfliteOp) -> None:
        real = context.onnx.node(
            name, [context.real(op, op.inputs[0])], f"{context.name(op.outputs[0])}_{name.lower()}"
        )
        context.quantize(op, real)

    return emit


def clip_activation(activation: int) -> Emitter:
    """A separate RELU, RELU6 or RELU_N1_TO_1: a change of scale, then the bounds."""

    def emit(context: Context, op: TfliteOp) -> None:
        if context.same_quantization(op, op.inputs[0], op.outputs[0]):
            context.bind(op.outputs[0], context.clamp(op, context.value(op, op.inputs[0]), activation))
        else:
            context.quantize(op, context.real(op, op.inputs[0]), activation)

    return emit


def leaky_relu(context: Context, op: TfliteOp) -> None:
    """LEAKY_RELU with its slope."""
    alpha = float(context.options(op, "alpha", 0.0))
    name = f"{context.name(op.outputs[0])}_leaky"
    context.quantize(op, context.onnx.node("LeakyRelu", [context.real(op, op.inputs[0])], name, {"alpha": alpha}))


def prelu(context: Context, op: TfliteOp) -> None:
    """PRELU with one slope per channel, or per value."""
    rank = len(context.tensor(op.inputs[0]).shape)
    inputs = [context.real(op, op.inputs[0]), context.real(op, op.inputs[1], rank)]
    context.quantize(op, context.onnx.node("PRelu", inputs, f"{context.name(op.outputs[0])}_prelu"))


def squared_difference(context: Context, op: TfliteOp) -> None:
    """SQUARED_DIFFERENCE of two inputs that broadcast."""
    rank = max(len(context.tensor(index).shape) for index in op.inputs)
    name = context.name(op.outputs[0])
    difference = context.onnx.node("Sub", [context.real(op, i, rank) for i in op.inputs], f"{name}_difference")
    context.quantize(op, context.onnx.node("Mul", [difference, difference], f"{name}_square"))


def softmax(context: Context, op: TfliteOp) -> None:
    """SOFTMAX over the last axis."""
    beta = float(context.options(op, "beta", 1.0))
    if not np.isclose(beta, 1.0) or len(context.tensor(op.inputs[0]).shape) != 2:
        raise context.unsupported(op, f"beta is {beta} on {list(context.tensor(op.inputs[0]).shape)}")
    name = f"{context.name(op.outputs[0])}_softmax"
    context.quantize(op, context.onnx.node("Softmax", [context.real(op, op.inputs[0])], name, {"axis": -1}))


def quantize(context: Context, op: TfliteOp) -> None:
    """QUANTIZE from one integer type or scale to another; emits nothing if the uint8 values are the same."""
    if context.same_quantization(op, op.inputs[0], op.outputs[0]):
        context.bind(op.outputs[0], context.value(op, op.inputs[0]))
    else:
        context.quantize(op, context.real(op, op.inputs[0]))


def dequantize(context: Context, op: TfliteOp) -> None:
    """DEQUANTIZE at the graph's end, or before a float op.

    Before a float op it is emitted as arithmetic: between DequantizeLinear and QuantizeLinear, ONNX Runtime would
    quantize the float op and its weights itself.
    """
    if op.outputs[0] in context.graph.outputs:
        context.bind(op.outputs[0], context.real(op, op.inputs[0]))
        return
    scale, zero_point = context.scalar_quantization(op, op.inputs[0])
    name, zero = context.name(op.outputs[0]), context.onnx.constant(np.array(zero_point, np.float32))
    value = context.onnx.node("Cast", [context.value(op, op.inputs[0])], f"{name}_cast", {"to": _FLOAT})
    value = context.onnx.node("Sub", [value, zero], f"{name}_centred")
    context.bind(
        op.outputs[0], context.onnx.node("Mul", [value, context.onnx.constant(np.asarray(scale, np.float32))], name)
    )
