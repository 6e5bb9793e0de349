"""Limits of what an op adds up, from the ranges of what it reads.

The sum of the absolute products bounds every partial sum, in whatever order a processor adds them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from edgekd.accelerators.ranges import ROUNDING, Floats, Range, fit
from edgekd.inspection.network import Network, Op, Value

# What rounds besides the products and their sum: a weight, the input, the bias and the result.
_OTHER_ROUNDINGS = 4


@dataclass(frozen=True, eq=False)
class Sums:
    """Of one op: the range of its results, the largest partial sum [C], and how many terms one has.

    Without rounding: ``rounded`` adds what half precision may add.
    """

    result: Range
    partial: Floats
    terms: int

    @property
    def largest(self) -> float:
        """The largest partial sum."""
        return float(self.partial.max(initial=0.0))

    def rounded(self) -> Sums:
        """As computed in half precision by any order of additions.

        Source: N. Higham, Accuracy and Stability of Numerical Algorithms, section 4.2: n roundings change a sum of
        terms by at most ((1 + u) ** n - 1) times the sum of their absolute values.
        """
        growth = math.expm1(min((self.terms + _OTHER_ROUNDINGS) * math.log1p(ROUNDING), 700.0))
        error = self.partial * growth
        return Sums(self.result.widened(error), self.partial + error, self.terms)


def weighted_sums(network: Network, op: Op, source: Range) -> Sums | None:
    """Of a convolution or a dense layer with constant weights; None if its weights are not known."""
    layout = _layout(network, op, len(source))
    if layout is None:
        return None
    weights, groups, padded = layout
    bias = _bias(network, op, len(weights))
    if bias is None:
        return None
    source = source.with_zero() if padded else source
    columns = weights.shape[1] * groups
    if len(source) not in (1, columns):
        flat = columns % len(source) == 0 and op.kind in ("dense", "matmul")
        source = _flattened(source, columns, network.format) if flat else source.whole()
    positive = _spread(weights.clip(min=0).sum(axis=2), groups, source)
    negative = _spread(weights.clip(max=0).sum(axis=2), groups, source)
    high = _dot(positive, source.high) + _dot(negative, source.low)
    low = _dot(positive, source.low) + _dot(negative, source.high)
    partial = _dot(positive - negative, source.magnitude) + np.abs(bias)
    return Sums(Range(low + bias, high + bias), partial, int(weights.shape[1] * weights.shape[2]))


def _flattened(source: Range, columns: int, format: str) -> Range:
    """A flattened image: its channels are innermost in a .tflite, outermost in an .onnx."""
    repeat = columns // len(source)
    if format == "tflite":
        return Range(np.tile(source.low, repeat), np.tile(source.high, repeat))
    return Range(np.repeat(source.low, repeat), np.repeat(source.high, repeat))


def _dot(rows: Floats, values: Floats) -> Floats:
    """Rows [O, I] times values [I] or [1]; nothing times an unlimited value is nothing."""
    with np.errstate(invalid="ignore"):
        products = rows * values
    return np.asarray(np.where(rows == 0, 0.0, products).sum(axis=1))


def _layout(network: Network, op: Op, channels: int) -> tuple[Floats, int, bool] | None:
    """Weights [O, I / groups, positions], the number of groups, and whether zeros are padded."""
    value = network.constant(op.inputs[1]) if len(op.inputs) > 1 else None
    weights = None if value is None else value.real()
    if weights is None:
        return None
    if op.type == "DEPTHWISE_CONV_2D" and weights.ndim == 4:
        rows = weights[0].reshape(-1, weights.shape[3]).T[:, np.newaxis, :]
        return rows, max(weights.shape[3] // _multiplier(op), 1), rows.shape[2] > 1
    if op.type in ("CONV_2D", "TRANSPOSE_CONV") and weights.ndim == 4:
        rows = weights.transpose(0, 3, 1, 2).reshape(weights.shape[0], weights.shape[3], -1)
        groups = max(channels // weights.shape[3], 1) if op.type == "CONV_2D" else 1
        return rows, groups, rows.shape[2] > 1 or op.type == "TRANSPOSE_CONV"
    if op.type in ("Conv", "FusedConv") and weights.ndim >= 3:
        rows = weights.reshape(*weights.shape[:2], -1)
        group = op.attributes.get("group", 1)
        return rows, group if isinstance(group, int) else 1, rows.shape[2] > 1
    if op.kind in ("dense", "matmul") and weights.ndim == 2:
        transposed = op.type == "FULLY_CONNECTED" or bool(op.attributes.get("transB", 0))
        factor = float(op.attributes.get("alpha", 1.0)) if op.type == "Gemm" else 1.0
        return (weights if transposed else weights.T)[:, :, np.newaxis] * factor, 1, False
    return None


def _multiplier(op: Op) -> int:
    multiplier = op.attributes.get("depthMultiplier", 1)
    return multiplier if isinstance(multiplier, int) and multiplier > 0 else 1


def _spread(rows: Floats, groups: int, source: Range) -> Floats:
    """Rows [O, I / groups] as [O, I], zero for other groups' inputs; as they are where all inputs share a range."""
    if groups == 1 or len(source) == 1 or len(rows) % groups:
        return rows
    width, outputs = rows.shape[1], len(rows) // groups
    spread = np.zeros((len(rows), groups * width))
    for group in range(groups):
        mine = slice(group * outputs, (group + 1) * outputs)
        spread[mine, group * width : (group + 1) * width] = rows[mine]
    return spread


def _bias(network: Network, op: Op, outputs: int) -> Floats | None:
    if len(op.inputs) < 3 or not op.inputs[2] or op.type == "TRANSPOSE_CONV":
        has_bias = op.type == "TRANSPOSE_CONV" and len(op.inputs) > 3 and op.inputs[3]
        return np.zeros(outputs) if not has_bias else None
    value = network.constant(op.inputs[2])
    bias = None if value is None else value.real()
    if bias is None:
        return None
    flat = bias.reshape(-1)
    return np.asarray(flat if len(flat) == outputs else np.full(outputs, np.abs(flat).max(initial=0.0)))


def product_sums(network: Network, op: Op, first: Range, second: Range) -> Sums | None:
    """Of a product of two computed matrices; None if their size is not known."""
    shape = network.values[op.inputs[0]].sizes
    if not shape:
        return None
    terms = shape[-2] if op.attributes.get("adjX") else shape[-1]
    largest = terms * first.largest * second.largest
    return Sums(Range(np.array([-largest]), np.array([largest])), np.array([largest]), terms)


def added_up(source: Range, count: int, divided: bool) -> Sums:
    """``count`` values of a channel added up, and divided by their number."""
    partial = source.magnitude * count
    result = source if divided else Range(source.low * count, source.high * count)
    return Sums(result, partial, count)


def of_pair(first: Range, second: Range, sign: int) -> Sums:
    """A sum or a difference of two tensors."""
    first, second = fit(first, second)
    other = second if sign > 0 else Range(-second.high, -second.low)
    return Sums(Range(first.low + other.low, first.high + other.high), first.magnitude + second.magnitude, 1)


def alone(result: Range, partial: Floats | None = None) -> Sums:
    """An op that adds nothing up."""
    return Sums(result, result.magnitude if partial is None else partial, 1)


def constant_range(value: Value, rank: int | None, format: str) -> Range | None:
    """The values of a constant by channel: the last axis in a .tflite, the second of an image in an .onnx."""
    real = value.real()
    if real is None or not real.size:
        return None
    axis = real.ndim - 1
    if format == "onnx" and (rank or real.ndim) >= 3:
        axis = real.ndim - (rank or real.ndim) + 1
    if real.ndim == 0 or axis < 0:
        return Range(np.array([real.min()]), np.array([real.max()]))
    rows = np.moveaxis(real, axis, 0).reshape(real.shape[axis], -1)
    return Range(rows.min(axis=1), rows.max(axis=1))
