"""Emitters of pooling ops."""

from __future__ import annotations

from collections.abc import Callable

from edgekd.export.emit.context import Context, of_photo
from edgekd.export.emit.layout import bind_moved, check_single_image, onnx_axis, photo_of, reshaped, shape_constant
from edgekd.export.emit.linear import pads
from edgekd.formats.tflite_file import TfliteOp

# Height and width where channels are first.
_SPATIAL = [2, 3]
Emitter = Callable[[Context, TfliteOp], None]


def mean(context: Context, op: TfliteOp) -> None:
    """MEAN over any axes; with dimensions kept or not."""
    axes = _axes(context, op)
    name, real = f"{context.name(op.outputs[0])}_mean", context.real(op, op.inputs[0])
    if axes == _SPATIAL and len(photo_of(context, op.inputs[0])) == 3:
        real = context.onnx.node("GlobalAveragePool", [real], name)
    else:
        real = context.onnx.node("ReduceMean", [real], name, {"axes": axes, "keepdims": 1})
    context.quantize(op, real)
    _drop_axes(context, op)


def total(context: Context, op: TfliteOp) -> None:
    """SUM over any axes."""
    inputs = [context.real(op, op.inputs[0]), shape_constant(context, _axes(context, op))]
    context.quantize(op, context.onnx.node("ReduceSum", inputs, f"{context.name(op.outputs[0])}_sum", {"keepdims": 1}))
    _drop_axes(context, op)


def extreme(name: str) -> Emitter:
    """REDUCE_MAX or REDUCE_MIN over any axes, on the integers themselves."""

    def emit(context: Context, op: TfliteOp) -> None:
        value, output = context.value(op, op.inputs[0]), context.name(op.outputs[0])
        axes = _axes(context, op)
        bind_moved(context, op, context.onnx.node(name, [value], f"{output}_reduced", {"axes": axes, "keepdims": 1}))
        _drop_axes(context, op)

    return emit


def _axes(context: Context, op: TfliteOp) -> list[int]:
    """The axes as ONNX has them; a batch of 1 is not among them. Raises UnsupportedOpError if there is no other."""
    shape = context.tensor(op.inputs[0]).shape
    axes = {onnx_axis(shape, axis) for axis in context.integers(op, 1)} - {None}
    if not axes:
        raise context.unsupported(op, f"it reduces nothing but the batch of {list(shape)}")
    return sorted(axis for axis in axes if axis is not None)


def _drop_axes(context: Context, op: TfliteOp) -> None:
    """Give the result, which kept all axes, the axes of TFLite's output."""
    source, axes = context.tensor(op.inputs[0]).shape, set(context.integers(op, 1))
    kept = [1 if axis in axes or axis - len(source) in axes else size for axis, size in enumerate(source)]
    # The batch is still there, whatever the axes.
    photo = of_photo(kept) if source[0] == 1 else tuple(kept)
    name, target = context.name(op.outputs[0]), photo_of(context, op.outputs[0])
    value = context.value(op, op.outputs[0])
    if len(target) == 1 and len(photo) == 3 and photo[:2] == (1, 1):
        context.bind(op.outputs[0], context.onnx.node("Flatten", [value], f"{name}_flat", {"axis": 1}))
    else:
        context.bind(op.outputs[0], reshaped(context, value, photo, target, name))


def average_pool(context: Context, op: TfliteOp) -> None:
    """AVERAGE_POOL_2D: padding does not count."""
    check_single_image(context, op, op.inputs[0])
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
    context.quantize(op, pooled, context.fused_activation(op))


def max_pool(context: Context, op: TfliteOp) -> None:
    """MAX_POOL_2D, on the integers themselves."""
    check_single_image(context, op, op.inputs[0])
    window, strides = _window(context, op)
    attributes = {
        "kernel_shape": list(window),
        "strides": list(strides),
        "pads": pads(context, op, window, strides, (1, 1)),
    }
    pooled = context.onnx.node("MaxPool", [context.value(op, op.inputs[0])], context.name(op.outputs[0]), attributes)
    bind_moved(context, op, pooled)
    clamped = context.clamp(op, context.value(op, op.outputs[0]), context.fused_activation(op))
    context.bind(op.outputs[0], clamped)


def _window(context: Context, op: TfliteOp) -> tuple[tuple[int, int], tuple[int, int]]:
    window = (int(context.options(op, "filterHeight")), int(context.options(op, "filterWidth")))
    return window, (int(context.options(op, "strideH")), int(context.options(op, "strideW")))
