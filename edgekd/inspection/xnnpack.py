"""Predicts which ops LiteRT's XNNPACK delegate takes, for files that can't be run.

The table lists what the delegate of ai-edge-litert 2.3 takes by default: its float ops in float32, and those of them in
8-bit integers that are listed as quantized. It ignores conditions on attributes (a stride, a broadcast, a dynamic
shape), so it is an upper bound. Source: README.md of the delegate; held against the interpreter in tests/inspection.
"""

from __future__ import annotations

from edgekd.inspection.network import Network, Op

FLOAT32 = frozenset((
    "ABS", "ADD", "AVERAGE_POOL_2D", "BATCH_MATMUL", "CEIL", "CONCATENATION", "CONV_2D", "COS",
    "DEPTH_TO_SPACE", "DEPTHWISE_CONV_2D", "DIV", "ELU", "EXP", "EXPAND_DIMS", "FLOOR", "FULLY_CONNECTED",
    "GELU", "HARD_SWISH", "LEAKY_RELU", "LOG", "LOGISTIC", "MAX_POOL_2D", "MAXIMUM", "MEAN", "MINIMUM", "MUL",
    "NEG", "PAD", "PRELU", "RELU", "RELU6", "RELU_0_TO_1", "RELU_N1_TO_1", "RESHAPE", "RESIZE_BILINEAR",
    "ROUND", "RSQRT", "SIN", "SLICE", "SOFTMAX", "SPACE_TO_DEPTH", "SPLIT", "SQRT", "SQUARE",
    "SQUARED_DIFFERENCE", "STRIDED_SLICE", "SUB", "SUM", "TANH", "TRANSPOSE", "TRANSPOSE_CONV",
))  # fmt: skip
QUANTIZED = frozenset((
    "ADD", "CONCATENATION", "CONV_2D", "DEPTH_TO_SPACE", "DEPTHWISE_CONV_2D", "ELU", "EXPAND_DIMS",
    "FULLY_CONNECTED", "LEAKY_RELU", "LOGISTIC", "MAX_POOL_2D", "MEAN", "MUL", "PAD", "RESHAPE",
    "RESIZE_BILINEAR", "SLICE", "SPACE_TO_DEPTH", "SPLIT", "STRIDED_SLICE", "SUB", "TANH", "TRANSPOSE",
    "TRANSPOSE_CONV",
))  # fmt: skip
_CONVERSIONS = frozenset(
    (
        ("float32", "int8"), ("float32", "uint8"), ("int8", "int8"), ("uint8", "uint8"),
        ("int8", "float32"), ("uint8", "float32"), ("float16", "float32"),
    )
)  # fmt: skip


def expect_delegated(network: Network) -> frozenset[int]:
    """Indices of the ops that the table expects the delegate to take."""
    return frozenset(op.index for op in network.ops if _takes(op, network))


def _takes(op: Op, network: Network) -> bool:
    if op.type in ("QUANTIZE", "DEQUANTIZE"):
        dtypes = tuple(network.values[key].dtype for key in (*op.inputs[:1], *op.outputs[:1]))
        return dtypes in _CONVERSIONS
    if op.precision.startswith("hybrid"):
        return op.type in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
    if op.precision == "float32":
        return op.type in FLOAT32
    return op.precision in ("int8", "uint8") and op.type in QUANTIZED
