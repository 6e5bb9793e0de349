"""What each op makes of ranges: of .tflite and of .onnx, under one table.

A rule gives the op's ``Sums``, or None where nothing is known of its result.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from edgekd.accelerators import elementwise, sums
from edgekd.accelerators.ranges import Range, fit, of, times, union
from edgekd.accelerators.sums import Sums, alone
from edgekd.inspection.network import INTEGERS_8, Network, Op

Sources = Sequence[Range]
Rule = Callable[[Network, Op, Sources], Sums | None]

_ACTIVATIONS = {1: "RELU", 2: "RELU_N1_TO_1", 3: "RELU6", 4: "TANH"}


def sums_of(network: Network, op: Op, ranges: Mapping[str, Range]) -> Sums | None:
    """Of one op before its fused activation; None where a range that it needs is not known."""
    rule = _RULES.get(op.type)
    if rule is None:
        return None
    sources = []
    for key in op.inputs:
        found = _source(network, op, key, ranges) if key else None
        if found is None and rule not in _BY_ONE and key:
            return None
        sources.append(of(-math.inf, math.inf) if found is None else found)
    if rule in _BY_ONE and not np.isfinite(sources[_place(op)].largest):
        return None
    return rule(network, op, sources)


def _place(op: Op) -> int:
    """Of the input that is computed, where the others are shapes, axes and weights."""
    return {"TRANSPOSE_CONV": 2, "SPLIT": 1}.get(op.type, 0)


def activated(op: Op, result: Range) -> Range:
    """After the activation that a .tflite's op does at its end."""
    name = _ACTIVATIONS.get(int(op.attributes.get("fusedActivationFunction", 0) or 0))
    if name == "TANH":
        return elementwise.tanh(result)
    return result if name is None else result.clipped(*elementwise.LIMITS[name])


def stored(network: Network, key: str, result: Range | None) -> Range | None:
    """As the tensor holds it: a quantized one holds nothing outside of its scale; by as many channels as it has."""
    value = network.values[key]
    if value.dtype in INTEGERS_8 and len(value.scales) == 1:
        limits = np.iinfo(value.dtype)
        zero = int(value.zero_points[0]) if len(value.zero_points) else 0
        low, high = ((end - zero) * float(value.scales[0]) for end in (limits.min, limits.max))
        result = of(low, high) if result is None else result.clipped(low, high)
    if result is None or len(result) == 1:
        return result
    channels = _channels(network, key)
    # A flattened image has its channels many times over.
    flat = channels is not None and len(value.shape or ()) == 2 and channels % len(result) == 0
    return result if channels is None or channels == len(result) or flat else result.whole()


def _channels(network: Network, key: str) -> int | None:
    """How many channels a tensor has: along its last axis, of an .onnx with three or more axes along its second."""
    shape = network.values[key].shape
    if not shape:
        return None
    size = shape[1] if network.format == "onnx" and len(shape) >= 3 else shape[-1]
    return size if isinstance(size, int) and size > 0 else None


def _source(network: Network, op: Op, key: str, ranges: Mapping[str, Range]) -> Range | None:
    if key in ranges:
        return ranges[key]
    constant = network.constant(key)
    shape = network.values[op.outputs[0]].shape if op.outputs else None
    rank = None if shape is None else len(shape)
    return None if constant is None else sums.constant_range(constant, rank, network.format)


def _weighted(network: Network, op: Op, sources: Sources) -> Sums | None:
    source = sources[_place(op)]
    # A matrix product's columns are along the last axis, which of an .onnx are the channels of matrices alone.
    other_axis = network.format == "onnx" and op.kind in ("dense", "matmul") and _rank(network, op.inputs[0]) != 2
    known = sums.weighted_sums(network, op, source.whole() if other_axis else source)
    if known is None and op.kind == "matmul" and np.isfinite(sources[1].largest):
        known = sums.product_sums(network, op, sources[0], sources[1])
    return replace(known, result=known.result.whole()) if known is not None and other_axis else known


def _rank(network: Network, key: str) -> int | None:
    shape = network.values[key].shape
    return None if shape is None else len(shape)


def _moves(network: Network, op: Op, sources: Sources) -> Sums:
    source = union(sources) if op.type == "PACK" else sources[_place(op)]
    keeps = op.type not in _SHUFFLES and _channels(network, op.outputs[0]) == len(source)
    if keeps and op.type == "Reshape":
        before, after = (network.values[key].sizes for key in (op.inputs[0], op.outputs[0]))
        keeps = before is not None and after is not None and before[0] == after[0]
    return alone(source if keeps or _is_flattened(network, op, source) else source.whole())


def _is_flattened(network: Network, op: Op, source: Range) -> bool:
    """Whether it makes a row of an image: the layer after it sees the channels again."""
    if op.type not in ("RESHAPE", "Reshape", "Flatten"):
        return False
    before, after = (network.values[key].sizes for key in (op.inputs[0], op.outputs[0]))
    if before is None or after is None or len(after) != 2 or len(before) < 3 or after[1] != math.prod(before[1:]):
        return False
    return before[1 if network.format == "onnx" else -1] == len(source)


def _pads(network: Network, op: Op, sources: Sources) -> Sums:
    del network
    added = sources[2] if len(sources) > 2 and np.isfinite(sources[2].largest) else of(0.0, 0.0)
    return alone(sources[0].hull(added.whole()))


def _dequantizes(network: Network, op: Op, sources: Sources) -> Sums:
    del network, op
    return alone(sources[0])


def _adds(network: Network, op: Op, sources: Sources) -> Sums:
    del network
    total = sources[0] if len(sources) == 1 else None
    if total is not None:
        return alone(total)
    result = sums.of_pair(sources[0], sources[1], -1 if op.type in ("SUB", "Sub") else 1)
    for other in sources[2:]:
        more = sums.of_pair(result.result, other, 1)
        result = Sums(more.result, np.asarray(result.partial.max() + other.magnitude), result.terms + 1)
    return result


def _reduces(network: Network, op: Op, sources: Sources) -> Sums | None:
    """Pooling and reductions: a mean is a sum first."""
    before, after = network.values[op.inputs[0]].sizes, network.values[op.outputs[0]].sizes
    divided = op.type not in ("SUM", "ReduceSum")
    if op.type in ("AVERAGE_POOL_2D", "AveragePool"):
        count: int | None = _window(op)
    elif before and after:
        count = max(math.prod(before) // max(math.prod(after), 1), 1)
    else:
        count = None
    if count is None:
        return None
    return sums.added_up(sources[0] if _keeps_channels(network, op) else sources[0].whole(), count, divided)


def _keeps_channels(network: Network, op: Op) -> bool:
    """Whether a reduction is known to leave the channels' axis alone."""
    if op.type in ("AVERAGE_POOL_2D", "AveragePool", "GlobalAveragePool"):
        return True
    rank, constant = _rank(network, op.inputs[0]), network.constant(op.inputs[1]) if len(op.inputs) > 1 else None
    given = op.attributes.get("axes") if constant is None else constant.data
    if rank is None or given is None:
        return False
    channel = 1 if network.format == "onnx" and rank >= 3 else rank - 1
    return channel not in {int(axis) % rank for axis in np.asarray(given).reshape(-1)}


def _window(op: Op) -> int | None:
    kernel = op.attributes.get("kernel_shape")
    if isinstance(kernel, (tuple, list)):
        return math.prod(int(size) for size in kernel)
    sides = [op.attributes.get(name) for name in ("filterHeight", "filterWidth")]
    return math.prod(int(side) for side in sides if side) if all(sides) else None


def _joins(network: Network, op: Op, sources: Sources) -> Sums:
    output = network.values[op.outputs[0]]
    rank, axis = len(output.shape or ()), int(op.attributes.get("axis", -1))
    channel = 1 if network.format == "onnx" and rank >= 3 else rank - 1
    joined = Range(np.concatenate([one.low for one in sources]), np.concatenate([one.high for one in sources]))
    is_channel = rank > 0 and (axis + rank if axis < 0 else axis) == channel
    whole = is_channel and len(joined) == _channels(network, op.outputs[0])
    return alone(joined if whole else union(sources))


def _normalizes(network: Network, op: Op, sources: Sources) -> Sums | None:
    constants = [network.constant(key) for key in op.inputs[1:5]]
    reals = [None if one is None else one.real() for one in constants]
    if len(reals) < 4 or any(one is None for one in reals):
        return None
    scale, shift, mean, variance = (np.asarray(one).reshape(-1) for one in reals)
    factor = scale / np.sqrt(variance + float(op.attributes.get("epsilon", 1e-5)))
    offset = shift - mean * factor
    source, by = fit(sources[0], Range(factor, factor))
    return sums.of_pair(times(source, by), Range(offset, offset), 1)


_SHUFFLES = frozenset((
    "TRANSPOSE", "Transpose", "DEPTH_TO_SPACE", "SPACE_TO_DEPTH", "DepthToSpace", "SpaceToDepth", "STRIDED_SLICE",
    "SLICE", "Slice", "GATHER", "Gather", "REVERSE_V2", "TILE", "Tile", "BROADCAST_TO", "Expand", "PACK", "UNPACK",
    "REDUCE_MAX", "REDUCE_MIN", "ReduceMax", "ReduceMin",
))  # fmt: skip
_TABLE: dict[Rule, tuple[str, ...]] = {
    _weighted: (
        "CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED", "BATCH_MATMUL", "Conv", "FusedConv",
        "Gemm", "MatMul",
    ),
    _moves: (
        *_SHUFFLES, "RESHAPE", "Reshape", "Flatten", "SQUEEZE", "Squeeze", "EXPAND_DIMS", "Unsqueeze", "Identity",
        "Dropout", "MAX_POOL_2D", "MaxPool", "GlobalMaxPool", "RESIZE_BILINEAR",
        "RESIZE_NEAREST_NEIGHBOR", "SPLIT", "SPLIT_V", "Split",
    ),
    _pads: ("PAD", "PADV2", "MIRROR_PAD", "Pad"),
    _dequantizes: ("QUANTIZE", "DEQUANTIZE", "CAST", "Cast", "QuantizeLinear", "DequantizeLinear"),
    _adds: ("ADD", "SUB", "ADD_N", "Add", "Sub", "Sum"),
    elementwise.multiplies: ("MUL", "Mul"),
    elementwise.divides: ("DIV", "Div"),
    elementwise.squares: ("SQUARE", "SQUARED_DIFFERENCE"),
    elementwise.extremes: ("MAXIMUM", "MINIMUM", "Max", "Min"),
    elementwise.limits: ("RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1", "Relu", "Clip"),
    elementwise.leaks: ("LEAKY_RELU", "PRELU", "LeakyRelu", "PRelu"),
    elementwise.squashes: ("LOGISTIC", "TANH", "Sigmoid", "Tanh", "HardSigmoid"),
    elementwise.dips: ("HARD_SWISH", "GELU", "HardSwish", "Gelu"),
    elementwise.elu: ("ELU", "Elu"),
    elementwise.softmax: ("SOFTMAX", "Softmax"),
    elementwise.grows: (
        "EXP", "SQRT", "RSQRT", "LOG", "FLOOR", "CEIL", "ROUND", "Exp", "Sqrt", "Log", "Floor", "Ceil", "Round",
    ),
    elementwise.turns: ("NEG", "ABS", "Neg", "Abs"),
    _reduces: (
        "MEAN", "SUM", "AVERAGE_POOL_2D", "GlobalAveragePool", "AveragePool", "ReduceMean", "ReduceSum",
    ),
    _joins: ("CONCATENATION", "Concat"),
    _normalizes: ("BatchNormalization",),
}  # fmt: skip
_RULES: dict[str, Rule] = {name: rule for rule, names in _TABLE.items() for name in names}
# These know what they need of their other inputs.
_BY_ONE = (_weighted, _moves, _pads, _dequantizes)
