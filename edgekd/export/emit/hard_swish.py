"""HARD_SWISH: gives TFLite's integers by ONNX Runtime's float op with a slightly changed input scale.

TFLite computes in 16 bits and truncates, so that a value near half a step may round the other way. There are only 256
inputs: a scale is searched that gives TFLite's result for all of them.

Source: TensorFlow Lite, kernels/internal/reference/hard_swish.h and HardSwishPrepare in kernels/activations.cc.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgekd.export.emit.context import Context
from edgekd.formats.tflite_file import TfliteOp

_HALF, _WHOLE = 1 << 14, 1 << 15
_LOW, _HIGH = -(1 << 15), (1 << 15) - 1
# Relative changes of the scale to try, each smaller than one of 255 steps.
_HAIRS = np.arange(-80, 81) * 5e-6

Integers = NDArray[np.int64]
# Scale and zero point as uint8.
Quantization = tuple[np.float32, int]


def hard_swish(context: Context, op: TfliteOp) -> None:
    """HARD_SWISH as HardSwish, which ONNX Runtime computes by two float ops: it has no integer form."""
    if context.is_float(op.inputs[0]):
        real = context.onnx.node("HardSwish", [context.real(op, op.inputs[0])], context.name(op.outputs[0]))
        context.quantize(op, real)
        return
    source = context.scalar_quantization(op, op.inputs[0])
    scale = fit_scale(source, context.scalar_quantization(op, op.outputs[0]))
    name = context.name(op.outputs[0])
    inputs = [context.value(op, op.inputs[0]), *context.scale_and_zero_point(scale, source[1])]
    real = context.onnx.node("DequantizeLinear", inputs, f"{context.name(op.inputs[0])}_real")
    context.quantize(op, context.onnx.node("HardSwish", [real], f"{name}_hardswish"))


def fit_scale(source: Quantization, target: Quantization) -> np.float32:
    """Find the middle of the input scales that give TFLite's integers, or the fewest differences."""
    expected = integer_table(source, target)
    errors = np.array([np.count_nonzero(float_table(_off(source, h), target) != expected) for h in _HAIRS])
    best = errors == errors.min()
    # The middle of the longest run of equally good scales is the safest against another CPU's rounding.
    edges = np.flatnonzero(np.diff(np.concatenate([[0], best, [0]])))
    starts, ends = edges[::2], edges[1::2]
    longest = int(np.argmax(ends - starts))
    return _off(source, float(_HAIRS[(starts[longest] + ends[longest] - 1) // 2]))[0]


def float_table(source: Quantization, target: Quantization) -> Integers:
    """Result of ONNX Runtime's float ops for every uint8 [256]."""
    real = (np.arange(256) - source[1]).astype(np.float32) * source[0]
    swish = real * np.clip(real * np.float32(1 / 6) + np.float32(0.5), 0, 1).astype(np.float32)
    return _as_uint8(np.rint(swish / target[0]).astype(np.int64) + target[1])


def integer_table(source: Quantization, target: Quantization) -> Integers:
    """TFLite's result for every uint8 [256]."""
    hires_scale = np.float32(1 / 128) * source[0]
    out_multiplier, out_exponent = _multiplier(float(hires_scale / target[0]))
    relu_multiplier, relu_exponent = _multiplier(float(hires_scale / np.float32(3 / 32768)))
    hires = (np.arange(256) - source[1]) * 128
    preshift = _doubling_high(hires, out_multiplier, rounding=True)
    relu = _saturate(hires << max(relu_exponent - 1, 0))
    relu = _doubling_high(relu, relu_multiplier, rounding=True)
    relu = _saturate(relu << 1) if relu_exponent > 0 else _divide(relu, -relu_exponent)
    swish = _doubling_high((relu + _WHOLE) >> 1, preshift, rounding=False)
    return _as_uint8(_divide(swish, -out_exponent) + target[1])


def _off(source: Quantization, hair: float) -> Quantization:
    return np.float32(source[0] * (1 + hair)), source[1]


def _multiplier(value: float) -> tuple[int, int]:
    """A 16-bit mantissa and its power of two."""
    mantissa, exponent = np.frexp(value)
    fixed_point = int(np.floor(float(mantissa) * (1 << 31) + 0.5))
    if fixed_point == 1 << 31:
        fixed_point, exponent = fixed_point // 2, exponent + 1
    return min((fixed_point + _WHOLE) >> 16, _HIGH), int(exponent)


def _doubling_high(left: Integers, right: Integers | int, *, rounding: bool) -> Integers:
    product = left * right
    nudge = np.where(product >= 0, _HALF, 1 - _HALF) if rounding else 0
    # C++ divides toward zero.
    return _saturate(np.trunc((product + nudge) / _WHOLE).astype(np.int64))


def _divide(values: Integers, exponent: int) -> Integers:
    """By a power of two, halves away from zero; a negative exponent multiplies."""
    if exponent <= 0:
        return values << -exponent
    return np.asarray(np.sign(values) * ((np.abs(values) + (1 << (exponent - 1))) >> exponent), np.int64)


def _saturate(values: Integers) -> Integers:
    return np.clip(values, _LOW, _HIGH)


def _as_uint8(values: Integers) -> Integers:
    return np.clip(values, 0, 255)
