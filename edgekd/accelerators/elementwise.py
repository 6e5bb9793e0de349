"""What ops of one value at a time, and those of two, make of ranges; a softmax too.

A function gives the op's ``Sums``, or None where nothing is known of its result.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from edgekd.accelerators import sums
from edgekd.accelerators.ranges import Floats, Range, fit, of, times
from edgekd.accelerators.sums import Sums, alone
from edgekd.inspection.network import Network, Op

Sources = Sequence[Range]

LIMITS = {"RELU": (0.0, math.inf), "RELU6": (0.0, 6.0), "RELU_N1_TO_1": (-1.0, 1.0), "RELU_0_TO_1": (0.0, 1.0)}
# GELU's least value is -0.1700, that of x * sigmoid(x) -0.2785, that of hard swish -0.375.
_DIPS = {"HARD_SWISH": -0.375, "GELU": -0.171}
_SIGMOID_END = 40.0


def multiplies(network: Network, op: Op, sources: Sources) -> Sums:
    """Products of two tensors."""
    del network, op
    return alone(times(*fit(sources[0], sources[1])))


def divides(network: Network, op: Op, sources: Sources) -> Sums | None:
    """Quotients; None where the divisor may be 0."""
    del network, op
    top, bottom = fit(sources[0], sources[1])
    if ((bottom.low <= 0) & (bottom.high >= 0)).any():
        return None
    return alone(times(top, Range(1 / bottom.high, 1 / bottom.low)))


def squares(network: Network, op: Op, sources: Sources) -> Sums:
    """Squares, or those of differences."""
    del network
    source = sources[0]
    if op.type == "SQUARED_DIFFERENCE":
        source = sums.of_pair(sources[0], sources[1], -1).result
    inside = (source.low <= 0) & (source.high >= 0)
    ends = np.minimum(source.low**2, source.high**2)
    return alone(Range(np.where(inside, 0.0, ends), source.magnitude**2))


def extremes(network: Network, op: Op, sources: Sources) -> Sums:
    """The larger or the smaller of several."""
    del network
    choose, result = np.maximum if op.type in ("MAXIMUM", "Max") else np.minimum, sources[0]
    for source in sources[1:]:
        first, second = fit(result, source)
        result = Range(choose(first.low, second.low), choose(first.high, second.high))
    return alone(result)


def limits(network: Network, op: Op, sources: Sources) -> Sums:
    """Values limited from below or above: ReLU and its kin."""
    del network
    low, high = LIMITS.get(op.type.upper(), (0.0, math.inf))
    if op.type == "Clip":
        low = float(sources[1].low.min()) if len(sources) > 1 else float(op.attributes.get("min", -math.inf))
        high = float(sources[2].high.max()) if len(sources) > 2 else float(op.attributes.get("max", math.inf))
    return alone(sources[0].clipped(low, high), sources[0].magnitude)


def leaks(network: Network, op: Op, sources: Sources) -> Sums:
    """ReLU with a slope below 0."""
    del network
    slope = sources[1].whole() if len(sources) > 1 else of(*[float(op.attributes.get("alpha", 0.01))] * 2)
    negative = times(sources[0].clipped(-math.inf, 0.0), slope)
    return alone(negative.hull(sources[0].clipped(0.0, math.inf)), sources[0].magnitude)


def squashes(network: Network, op: Op, sources: Sources) -> Sums:
    """Sigmoid and tanh."""
    del network
    if op.type in ("TANH", "Tanh"):
        return alone(tanh(sources[0]), sources[0].magnitude)
    ends = [1 / (1 + np.exp(-end.clip(-_SIGMOID_END, _SIGMOID_END))) for end in (sources[0].low, sources[0].high)]
    if op.type == "HardSigmoid":
        ends = [np.zeros_like(ends[0]), np.ones_like(ends[1])]
    return alone(Range(ends[0], ends[1]), np.asarray(np.maximum(sources[0].magnitude, 1.0)))


def tanh(source: Range) -> Range:
    """Tanh of a range."""
    return Range(np.tanh(source.low), np.tanh(source.high))


def dips(network: Network, op: Op, sources: Sources) -> Sums:
    """Hard swish and GELU, which dip below 0."""
    del network
    source, name = sources[0], "HARD_SWISH" if op.type == "HardSwish" else op.type.upper()
    result = Range(np.maximum(source.low, _DIPS[name]).clip(max=0.0), source.high.clip(min=0.0))
    # The approximation of GELU by tanh raises its input to the third power.
    partial = source.magnitude if name == "HARD_SWISH" else np.maximum(source.magnitude, source.magnitude**3)
    return alone(result, np.asarray(partial))


def elu(network: Network, op: Op, sources: Sources) -> Sums:
    """ELU."""
    del network
    low = -abs(float(op.attributes.get("alpha", 1.0)))
    return alone(sources[0].clipped(low, math.inf), sources[0].magnitude)


def softmax(network: Network, op: Op, sources: Sources) -> Sums:
    """A softmax, of powers that are at most 1."""
    shape = network.values[op.inputs[0]].sizes
    terms = float(shape[-1]) if shape else float(len(sources[0]))
    # Powers of differences from the largest: each is at most 1.
    return alone(of(0.0, 1.0), np.maximum(2 * sources[0].magnitude, terms))


def grows(network: Network, op: Op, sources: Sources) -> Sums | None:
    """Functions that only grow, and 1 / sqrt; None outside of where they are defined."""
    del network
    source, name = sources[0], op.type.upper()
    if name in ("SQRT", "RSQRT", "LOG") and (source.low <= 0).any():
        return (
            None if name != "SQRT" else alone(Range(np.sqrt(source.low.clip(min=0)), np.sqrt(source.high.clip(min=0))))
        )
    functions: dict[str, Callable[[Floats], Floats]] = {
        "SQRT": np.sqrt, "LOG": np.log, "EXP": np.exp, "FLOOR": np.floor, "CEIL": np.ceil, "ROUND": np.rint,
    }  # fmt: skip
    if name == "RSQRT":
        return alone(Range(1 / np.sqrt(source.high), 1 / np.sqrt(source.low)))
    with np.errstate(over="ignore"):
        return alone(Range(functions[name](source.low), functions[name](source.high)))


def turns(network: Network, op: Op, sources: Sources) -> Sums:
    """The negative and the absolute value."""
    del network
    source = sources[0]
    if op.type.upper() == "NEG":
        return alone(Range(-source.high, -source.low))
    inside = (source.low <= 0) & (source.high >= 0)
    least = np.where(inside, 0.0, np.minimum(np.abs(source.low), np.abs(source.high)))
    return alone(Range(least, source.magnitude))
