"""Emitters of ops that map each int8 value by a function: a table of 256 entries, as TFLite's kernels have it."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from edgekd.export.emit.context import Context
from edgekd.formats.tflite_file import TfliteOp

Reals = NDArray[np.float64]
# onnx.TensorProto.INT32
_INT32 = 6


def gelu(context: Context, op: TfliteOp) -> None:
    """GELU, exact or by tanh."""
    approximate = bool(context.options(op, "approximate", False))
    _emit(context, op, _tanh_gelu if approximate else _exact_gelu)


def elu(context: Context, op: TfliteOp) -> None:
    """ELU: exp(x) - 1 below 0."""
    _emit(context, op, lambda x: np.where(x < 0, np.expm1(np.minimum(x, 0)), x))


def rsqrt(context: Context, op: TfliteOp) -> None:
    """RSQRT: 1 / sqrt(x), the largest value at 0 and below."""
    _emit(context, op, lambda x: 1 / np.sqrt(np.maximum(x, 1e-30)))


def exp(context: Context, op: TfliteOp) -> None:
    """EXP."""
    _emit(context, op, np.exp)


def _emit(context: Context, op: TfliteOp, function: Callable[[Reals], Reals]) -> None:
    """Look every value up in a table of the function's integers."""
    if context.is_float(op.inputs[0]) or context.is_float(op.outputs[0]):
        raise context.unsupported(op, "it is in float")
    scale, zero_point = context.scalar_quantization(op, op.inputs[0])
    out_scale, out_zero = context.scalar_quantization(op, op.outputs[0])
    reals = (np.arange(256) - zero_point) * np.float64(scale)
    steps = function(reals) / np.float64(out_scale)
    # TFLite rounds half away from zero.
    rounded = np.sign(steps) * np.floor(np.abs(steps) + 0.5) + out_zero
    table = context.onnx.constant(np.clip(rounded, 0, 255).astype(np.uint8))
    name = context.name(op.outputs[0])
    index = context.onnx.node("Cast", [context.value(op, op.inputs[0])], f"{name}_index", {"to": _INT32})
    context.bind(op.outputs[0], context.onnx.node("Gather", [table, index], name))


def _exact_gelu(x: Reals) -> Reals:
    return np.asarray(0.5 * x * (1 + np.array([math.erf(value / math.sqrt(2)) for value in x])))


def _tanh_gelu(x: Reals) -> Reals:
    return np.asarray(0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))))
