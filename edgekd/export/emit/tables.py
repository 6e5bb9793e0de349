"""Emitters of functions of one value: for int8 a table of 256 entries, as TFLite's kernels have it."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from edgekd.export.emit.context import Context
from edgekd.formats.tflite_file import TfliteOp

Reals = NDArray[np.float64]
# Takes the context, a float value and a name; gives a float value.
FloatForm = Callable[[Context, str, str], str]
# onnx.TensorProto.INT32
_INT32 = 6
_TINY = 1e-30
# What a whole number may lack in floating point.
_WHOLE = 1e-5
_SQRT_2_PI = math.sqrt(2 / math.pi)


def gelu(context: Context, op: TfliteOp) -> None:
    """GELU, exact or by tanh."""
    if bool(context.options(op, "approximate", False)):
        _emit(context, op, _tanh_gelu, _float_tanh_gelu)
    else:
        _emit(context, op, _exact_gelu, _float_exact_gelu)


def elu(context: Context, op: TfliteOp) -> None:
    """ELU: exp(x) - 1 below 0."""
    _emit(context, op, lambda x: np.where(x < 0, np.expm1(np.minimum(x, 0)), x), _float_ops("Elu"))


def rsqrt(context: Context, op: TfliteOp) -> None:
    """RSQRT: 1 / sqrt(x), the largest value at 0 and below."""
    _emit(context, op, lambda x: 1 / np.sqrt(np.maximum(x, _TINY)), _float_ops("Sqrt", "Reciprocal"))


def sqrt(context: Context, op: TfliteOp) -> None:
    """SQRT, 0 below 0; TFLite's kernel rounds it down."""
    _emit(context, op, lambda x: np.sqrt(np.maximum(x, 0)), _float_ops("Sqrt"), rounds_down=True)


def square(context: Context, op: TfliteOp) -> None:
    """SQUARE."""

    def in_float(context: Context, value: str, name: str) -> str:
        return context.onnx.node("Mul", [value, value], name)

    _emit(context, op, np.square, in_float)


def exp(context: Context, op: TfliteOp) -> None:
    """EXP."""
    _emit(context, op, np.exp, _float_ops("Exp"))


def log(context: Context, op: TfliteOp) -> None:
    """LOG, the least value at 0 and below."""
    _emit(context, op, lambda x: np.log(np.maximum(x, _TINY)), _float_ops("Log"))


def _emit(
    context: Context,
    op: TfliteOp,
    function: Callable[[Reals], Reals],
    in_float: FloatForm,
    *,
    rounds_down: bool = False,
) -> None:
    """Look every value up in a table of the function's integers; a float op has the form ``in_float``."""
    name = context.name(op.outputs[0])
    if context.is_float(op.inputs[0]) or context.is_float(op.outputs[0]):
        context.quantize(op, in_float(context, context.real(op, op.inputs[0]), name))
        return
    scale, zero_point = context.scalar_quantization(op, op.inputs[0])
    out_scale, out_zero = context.scalar_quantization(op, op.outputs[0])
    reals = (np.arange(256) - zero_point) * np.float64(scale)
    steps = function(reals) / np.float64(out_scale)
    # TFLite rounds half away from zero.
    rounded = np.floor(steps + _WHOLE) if rounds_down else np.sign(steps) * np.floor(np.abs(steps) + 0.5)
    table = context.onnx.constant(np.clip(rounded + out_zero, 0, 255).astype(np.uint8))
    index = context.onnx.node("Cast", [context.value(op, op.inputs[0])], f"{name}_index", {"to": _INT32})
    context.bind(op.outputs[0], context.onnx.node("Gather", [table, index], name))


def _float_ops(*kinds: str) -> FloatForm:
    """One ONNX op after the other."""

    def emit(context: Context, value: str, name: str) -> str:
        for kind in kinds:
            value = context.onnx.node(kind, [value], f"{name}_{kind.lower()}")
        return value

    return emit


def _float_exact_gelu(context: Context, value: str, name: str) -> str:
    return _gated(context, value, "Erf", _times(context, value, math.sqrt(0.5), f"{name}_scaled"), name)


def _float_tanh_gelu(context: Context, value: str, name: str) -> str:
    square = context.onnx.node("Mul", [value, value], f"{name}_square")
    factor = _times(context, square, 0.044715 * _SQRT_2_PI, f"{name}_cubic")
    factor = context.onnx.node("Add", [factor, _number(context, _SQRT_2_PI)], f"{name}_factor")
    return _gated(context, value, "Tanh", context.onnx.node("Mul", [value, factor], f"{name}_scaled"), name)


def _gated(context: Context, value: str, kind: str, inner: str, name: str) -> str:
    """value * (1 + kind(inner)) / 2."""
    gate = context.onnx.node(kind, [inner], f"{name}_{kind.lower()}")
    gate = context.onnx.node("Add", [gate, _number(context, 1.0)], f"{name}_gate")
    return _times(context, context.onnx.node("Mul", [value, gate], f"{name}_gated"), 0.5, f"{name}_halved")


def _times(context: Context, value: str, factor: float, name: str) -> str:
    return context.onnx.node("Mul", [value, _number(context, factor)], name)


def _number(context: Context, value: float) -> str:
    return context.onnx.constant(np.array(value, np.float32))


def _exact_gelu(x: Reals) -> Reals:
    return np.asarray(0.5 * x * (1 + np.array([math.erf(value / math.sqrt(2)) for value in x])))


def _tanh_gelu(x: Reals) -> Reals:
    return np.asarray(0.5 * x * (1 + np.tanh(_SQRT_2_PI * (x + 0.044715 * x**3))))
