"""Emitters of pooling ops."""

from __future__ import annotations

from edgekd.export.emit.context import Context
from edgekd.export.emit.linear import pads
from edgekd.formats.tflite_file import TfliteOp

_SPATIAL = [1, 2]
_TO_NCHW = (0, 3, 1, 2)


def mean(context: Context, op: TfliteOp) -> None:
    """MEAN over height and width; with dimensions kept or not."""
    source = context.tensor(op.inputs[0])
    axes = sorted(axis % len(source.shape) for axis in context.integers(op, 1))
    name = context.name(op.outputs[0])
    if len(source.shape) != 4 or axes != _SPATIAL:
        attributes = {"axes": _onnx_axes(context, op, axes), "keepdims": 1}
        context.quantize(
            op, context.onnx.node("ReduceMean", [context.real(op, op.inputs[0])], f"{name}_mean", attributes)
        )
        return
    context.quantize(op, context.onnx.node("GlobalAveragePool", [context.real(op, op.inputs[0])], f"{name}_mean"))
    if not context.options(op, "keepDims", False):
        pooled = context.value(op, op.outputs[0])
        context.bind(op.outputs[0], context.onnx.node("Flatten", [pooled], f"{name}_flat", {"axis": 1}))


def reduce_max(context: Context, op: TfliteOp) -> None:
    """REDUCE_MAX, on the integers themselves."""
    if not context.same_quantization(op, op.inputs[0], op.outputs[0]):
        raise context.unsupported(op, "its output has another scale than its input")
    rank = len(context.tensor(op.inputs[0]).shape)
    axes = sorted(axis % rank for axis in context.integers(op, 1))
    if axes == _SPATIAL and rank == 4:
        name = context.name(op.outputs[0])
        value = context.value(op, op.inputs[0])
        value = context.onnx.node("ReduceMax", [value], f"{name}_max", {"axes": [2, 3], "keepdims": 1})
        if not context.options(op, "keepDims", False):
            value = context.onnx.node("Flatten", [value], f"{name}_flat", {"axis": 1})
        context.bind(op.outputs[0], value)
        return
    attributes = {"axes": _onnx_axes(context, op, axes), "keepdims": 1}
    value = context.onnx.node("ReduceMax", [context.value(op, op.inputs[0])], context.name(op.outputs[0]), attributes)
    context.bind(op.outputs[0], value)


def _onnx_axes(context: Context, op: TfliteOp, axes: list[int]) -> list[int]:
    """The axes as ONNX has them, of an op that keeps its dimensions. Raises UnsupportedOpError for any other."""
    rank = len(context.tensor(op.inputs[0]).shape)
    if 0 in axes or not context.options(op, "keepDims", False):
        raise context.unsupported(op, f"it reduces the axes {axes} of {list(context.tensor(op.inputs[0]).shape)}")
    return sorted(_TO_NCHW.index(axis) for axis in axes) if rank == 4 else axes


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
