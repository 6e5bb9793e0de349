"""Emitters of elementwise ops and softmax."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edgekd.export.emit.context import Context
from edgekd.export.emit.layout import aligned, aligned_real, onnx_axis, photo_of
from edgekd.formats.tflite_file import TfliteOp

# onnx.TensorProto.FLOAT
_FLOAT = 1
Emitter = Callable[[Context, TfliteOp], None]
# Relative change of a constant: above float32's error in a sum of 255 steps, below a hundredth of a step.
_HAIR = 1e-5
# The ops that follow a file's last integers, where it computes its probabilities in float.
_MAKE_PROBABILITIES = ("MUL", "SOFTMAX", "LOGISTIC")


def binary(name: str) -> Emitter:
    """An op of two inputs that broadcast, with a fused activation."""

    def emit(context: Context, op: TfliteOp) -> None:
        inputs = [aligned_real(context, op, index, _axes(context, op)) for index in op.inputs[:2]]
        real = context.onnx.node(name, inputs, f"{context.name(op.outputs[0])}_{name.lower()}")
        context.quantize(op, real, context.fused_activation(op))

    return emit


def compare(name: str) -> Emitter:
    """An op that compares two inputs, which broadcast: true or false."""

    def emit(context: Context, op: TfliteOp) -> None:
        inputs = [aligned_real(context, op, index, _axes(context, op)) for index in op.inputs[:2]]
        context.bind(op.outputs[0], context.onnx.node(name, inputs, context.name(op.outputs[0])))

    return emit


def select(context: Context, op: TfliteOp) -> None:
    """SELECT and SELECT_V2: where the first input is true the second, else the third; as in SELU."""
    axes, name = _axes(context, op), context.name(op.outputs[0])
    inputs = [
        aligned(context, op, op.inputs[0], axes),
        *(aligned_real(context, op, index, axes) for index in op.inputs[1:3]),
    ]
    context.quantize(op, context.onnx.node("Where", inputs, f"{name}_where"))


def add(context: Context, op: TfliteOp) -> None:
    """ADD of two inputs that broadcast, with a fused activation."""
    inputs = [_nudge_ties(context, op, index, _axes(context, op)) for index in op.inputs[:2]]
    _finish_sum(context, op, "Add", inputs)


def sub(context: Context, op: TfliteOp) -> None:
    """SUB of two inputs that broadcast; a constant is added instead, for which ONNX Runtime has an integer kernel."""
    (first, second), axes = op.inputs[:2], _axes(context, op)
    left = _nudge_ties(context, op, first, axes)
    if _is_integer_constant(context, second):
        _finish_sum(context, op, "Add", [left, _nudge_ties(context, op, second, axes, negative=True)])
    else:
        _finish_sum(context, op, "Sub", [left, aligned_real(context, op, second, axes)])


def _finish_sum(context: Context, op: TfliteOp, name: str, inputs: list[str]) -> None:
    real = context.onnx.node(name, inputs, f"{context.name(op.outputs[0])}_{name.lower()}")
    context.quantize(op, real, context.fused_activation(op))


def _is_integer_constant(context: Context, index: int) -> bool:
    return not context.is_bound(index) and not context.is_float(index)


def _nudge_ties(context: Context, op: TfliteOp, index: int, axes: int, *, negative: bool = False) -> str:
    """A float view of a summand, or of its ``negative``; a constant is scaled up by ``_HAIR`` to break ties.

    XNNPACK rounds half a step up, ONNX Runtime to even. A mean that is not a whole number of pixel values, as in
    x / 127.5 - 1, makes every pixel a tie.
    """
    if not _is_integer_constant(context, index):
        return aligned_real(context, op, index, axes)
    scale, zero_point = context.scalar_quantization(op, index)
    values = context.constant_array(op, index, axes)
    if negative:
        values, zero_point = 255 - values, 255 - zero_point
    signs = np.unique(np.sign(values.astype(np.int16) - zero_point))
    if len(signs) == 1:
        scale = np.float32(scale * (1 + signs[0] * _HAIR))
    inputs = [context.onnx.constant(values), *context.scale_and_zero_point(scale, zero_point)]
    return context.onnx.node("DequantizeLinear", inputs, f"{context.name(index)}_real")


def unary(name: str) -> Emitter:
    """An op of one input without options."""

    def emit(context: Context, op: TfliteOp) -> None:
        real = context.onnx.node(
            name, [context.real(op, op.inputs[0])], f"{context.name(op.outputs[0])}_{name.lower()}"
        )
        context.quantize(op, real)

    return emit


def clip_activation(activation: str) -> Emitter:
    """A separate RELU, RELU6 and so on: a change of scale, then the bounds."""

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
    inputs = [context.real(op, op.inputs[0]), aligned_real(context, op, op.inputs[1], _axes(context, op))]
    context.quantize(op, context.onnx.node("PRelu", inputs, f"{context.name(op.outputs[0])}_prelu"))


def squared_difference(context: Context, op: TfliteOp) -> None:
    """SQUARED_DIFFERENCE of two inputs that broadcast."""
    name = context.name(op.outputs[0])
    inputs = [aligned_real(context, op, index, _axes(context, op)) for index in op.inputs[:2]]
    difference = context.onnx.node("Sub", inputs, f"{name}_difference")
    context.quantize(op, context.onnx.node("Mul", [difference, difference], f"{name}_square"))


def softmax(context: Context, op: TfliteOp) -> None:
    """SOFTMAX over the last axis, of logits times beta."""
    shape = context.tensor(op.inputs[0]).shape
    name, beta = context.name(op.outputs[0]), float(context.options(op, "beta", 1.0))
    real = _times(context, op, beta)
    if beta != 1.0 and context.is_float(op.inputs[0]):
        factor = context.onnx.constant(np.array(beta, np.float32))
        real = context.onnx.node("Mul", [real, factor], f"{name}_times_beta")
    axis = onnx_axis(shape, -1)
    if axis is None:
        raise context.unsupported(op, f"it has one class: {list(shape)}")
    axis = -1 if axis == len(photo_of(context, op.inputs[0])) else axis
    context.quantize(op, context.onnx.node("Softmax", [real], f"{name}_softmax", {"axis": axis}))


def _times(context: Context, op: TfliteOp, factor: float) -> str:
    """A float view of an op's integers times ``factor``, which needs no op; of floats, as they are."""
    index = op.inputs[0]
    if factor == 1.0 or context.is_float(index):
        return context.real(op, index)
    scale, zero_point = context.scalar_quantization(op, index)
    inputs = [
        context.value(op, index),
        *context.scale_and_zero_point(np.float32(scale * np.float32(factor)), zero_point),
    ]
    return context.onnx.node("DequantizeLinear", inputs, f"{context.name(index)}_times")


def _axes(context: Context, op: TfliteOp) -> int:
    return len(photo_of(context, op.outputs[0]))


def quantize(context: Context, op: TfliteOp) -> None:
    """QUANTIZE from one integer type or scale to another; emits nothing if the uint8 values are the same."""
    if context.same_quantization(op, op.inputs[0], op.outputs[0]):
        context.bind(op.outputs[0], context.value(op, op.inputs[0]))
    else:
        context.quantize(op, context.real(op, op.inputs[0]))


def dequantize(context: Context, op: TfliteOp) -> None:
    """DEQUANTIZE at the graph's end, or before a float op.

    Before a float op it is emitted as arithmetic: between DequantizeLinear and QuantizeLinear, ONNX Runtime would
    quantize the float op and its weights itself. The ops that make probabilities of the last integers have none.
    """
    rest = context.graph.ops[op.index + 1 :]
    if op.outputs[0] in context.graph.outputs or all(other.name in _MAKE_PROBABILITIES for other in rest):
        context.bind(op.outputs[0], context.real(op, op.inputs[0]))
        return
    scale, zero_point = context.scalar_quantization(op, op.inputs[0])
    name, zero = context.name(op.outputs[0]), context.onnx.constant(np.array(zero_point, np.float32))
    value = context.onnx.node("Cast", [context.value(op, op.inputs[0])], f"{name}_cast", {"to": _FLOAT})
    value = context.onnx.node("Sub", [value, zero], f"{name}_centred")
    context.bind(
        op.outputs[0], context.onnx.node("Mul", [value, context.onnx.constant(np.asarray(scale, np.float32))], name)
    )
