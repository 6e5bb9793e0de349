"""Emitters of ops that join tensors."""

from __future__ import annotations

from collections.abc import Sequence

from edgekd.export.emit.context import Context
from edgekd.export.emit.layout import onnx_axis, photo_of, reshaped, shape_constant
from edgekd.formats.tflite_file import TfliteOp


def concatenation(context: Context, op: TfliteOp) -> None:
    """CONCATENATION; inputs of other scales are requantized to the output's."""
    rank = len(context.tensor(op.outputs[0]).shape)
    _join(context, op, context.options(op, "axis") % rank, context.fused_activation(op))


def pack(context: Context, op: TfliteOp) -> None:
    """PACK: inputs of one shape along a new axis."""
    shape = list(context.tensor(op.outputs[0]).shape)
    axis = context.options(op, "axis") % len(shape)
    shape[axis] = 1
    _join(context, op, axis, "NONE", tuple(shape))


def _join(context: Context, op: TfliteOp, axis: int, activation: str, part: tuple[int, ...] | None = None) -> None:
    """Join the inputs, each of the shape ``part`` if it is given, along an axis of the output."""
    shape, name = context.tensor(op.outputs[0]).shape, context.name(op.outputs[0])
    place = onnx_axis(shape, axis)
    if place is None:
        context.bind(op.outputs[0], context.value(op, op.inputs[0]))
        return
    inputs = [context.real_of(op, index, _part(context, op, index, part)) for index in op.inputs]
    context.quantize(op, context.onnx.node("Concat", inputs, f"{name}_concat", {"axis": place}), activation)


def _part(context: Context, op: TfliteOp, index: int, part: tuple[int, ...] | None) -> str:
    axes, name = len(photo_of(context, op.outputs[0])), context.name(index)
    if context.is_bound(index):
        photo = photo_of(context, index)
        target = (1,) * (axes - len(photo)) + photo if part is None else part[len(part) - axes :]
        return reshaped(context, context.value(op, index), photo, target, name)
    constant = context.constant_array(op, index, axes, part)
    return _for_each_photo(context, op, context.onnx.constant(constant), constant.shape, name)


def _for_each_photo(context: Context, op: TfliteOp, value: str, shape: Sequence[int], name: str) -> str:
    """A constant that is joined with photos' values, as often as there are photos."""
    computed = next((index for index in op.inputs if context.is_bound(index)), None)
    if computed is None:
        raise context.unsupported(op, "all of its inputs are constants")
    batch = context.onnx.node("Shape", [context.value(op, computed)], f"{name}_batch", {"start": 0, "end": 1})
    sizes = context.onnx.node("Concat", [batch, shape_constant(context, shape[1:])], f"{name}_sizes", {"axis": 0})
    return context.onnx.node("Expand", [value, sizes], f"{name}_each")
