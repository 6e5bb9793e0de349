"""Emitters of pooling ops."""

from __future__ import annotations

from edgekd.export.emit.context import Context
from edgekd.export.emit.linear import pads
from edgekd.formats.tflite_file import TfliteOp

_SPATIAL = [1, 2]


def mean(context: Context, op: TfliteOp) -> None:
    """MEAN over height and width; with dimensions kept or not."""
    source = context.tensor(op.inputs[0])
    axes = sorted(axis % len(source.shape) for axis in context.integers(op, 1))
    if len(source.shape) != 4 or axes != _SPATIAL:
        raise context.unsupported(op, f"it averages over the axes {axes} of {list(source.shape)}, not over positions")
    name = context.name(op.outputs[0])
    context.quantize(op, context.onnx.node("GlobalAveragePool", [context.real(op, op.inputs[0])], f"{name}_mean"))
    if not context.options(op, "keepDims", False):
        pooled = context.value(op, op.outputs[0])
        context.bind(op.outputs[0], context.onnx.node("Flatten", [pooled], f"{name}_flat", {"axis": 1}))


def average_pool(context: Context, op: TfliteOp) -> None:
    """AVERAGE_POOL_2D: padding does not count."""
    window, strides = _window(context, op)
    shape = context.tensor(op.inputs[0]).shape
    name, real = context.name(op.outputs[0]), context.real(op, op.inputs[0])
    if window == shape[1:3] and not any(pads(context, op, window, strides, (1, 1))):
        pooled = context.onnx.node("GlobalAveragePool", [real], f"{name}_mean")
    else:
        attributes = {
            "kernel_shape": list(window),
            "strides": list(strides),
            "pads": pads(context, op, window, strides, (1, 1)),
            "count_include_pad": 0,
        }
        pooled = context.onnx.node("AveragePool", [real], f"{name}_mean", attributes)
    context.quantize(op, pooled, context.options(op, "fusedActivationFunction"))


def max_pool(context: Context, op: TfliteOp) -> None:
    """MAX_POOL_2D, on the integers themselves."""
    if not context.same_quantization(op, op.inputs[0], op.outputs[0]):
        raise context.unsupported(op, "its output has another scale than its input")
    window, strides = _window(context, op)
    attributes = {
        "kernel_shape": list(window),
        "strides": list(strides),
        "pads": pads(context, op, window, strides, (1, 1)),
    }
    pooled = context.onnx.node("MaxPool", [context.value(op, op.inputs[0])], context.name(op.outputs[0]), attributes)
    context.bind(op.outputs[0], context.clamp(op, pooled, context.options(op, "fusedActivationFunction")))


def _window(context: Context, op: TfliteOp) -> tuple[tuple[int, int], tuple[int, int]]:
    window = (int(context.options(op, "filterHeight")), int(context.options(op, "filterWidth")))
    return window, (int(context.options(op, "strideH")), int(context.options(op, "strideW")))
