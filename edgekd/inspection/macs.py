"""Multiply-accumulates of one op, for one image where the batch is free.

Source: the definitions of the ops; a multiplication and its addition count as one.
"""

from __future__ import annotations

import math

from edgekd.inspection.network import Network, Op, Value

# These multiply and accumulate too, but are not counted.
UNCOUNTED = frozenset((
    "UNIDIRECTIONAL_SEQUENCE_LSTM", "BIDIRECTIONAL_SEQUENCE_LSTM", "LSTM", "UNIDIRECTIONAL_SEQUENCE_RNN",
    "RNN", "SVDF", "EINSUM", "GRU", "Einsum", "Attention", "MultiHeadAttention", "DeformConv",
))  # fmt: skip


def macs(network: Network, op: Op) -> int | None:
    """Count an op's MACs; 0 if it has none, None if a shape they depend on is unknown."""
    if op.kind not in ("conv", "depthwise", "dense", "matmul"):
        return None if op.type.rsplit(".", 1)[-1] in UNCOUNTED or not op.builtin else 0
    output = network.values[op.outputs[0]].sizes if op.outputs else None
    if op.type in ("TRANSPOSE_CONV", "ConvTranspose"):
        return _count_transposed(network, op)
    products = _count_products(network, op)
    return None if output is None or products is None else math.prod(output) * products


def _count_products(network: Network, op: Op) -> int | None:
    # The number of products per output value.
    shapes = [network.values[key].sizes if key else None for key in op.inputs]
    position = _right_operand(op)
    weights = shapes[position] if position < len(shapes) else None
    if op.kind == "matmul" or op.type in ("Gemm", "QGemm", "FusedGemm"):
        first = shapes[0] if shapes else None
        if not first:
            return None
        is_transposed = op.attributes.get("adjX", op.attributes.get("transA", 0))
        return first[-2] if is_transposed and len(first) > 1 else first[-1]
    if not weights:
        return None
    if op.type == "DEPTHWISE_CONV_2D":
        return math.prod(weights[:-1])
    if op.type == "CONV_3D":
        return math.prod(weights[:-1])
    return math.prod(weights[1:])


def _right_operand(op: Op) -> int:
    return 3 if op.type == "QLinearConv" else 1


def _count_transposed(network: Network, op: Op) -> int | None:
    # Every input value is multiplied by a full kernel per output channel.
    image, channel = (2, 3) if op.type == "TRANSPOSE_CONV" else (0, 0)
    if len(op.inputs) <= max(image, 1):
        return None
    operands: list[Value] = [network.values[key] for key in (op.inputs[image], op.inputs[1]) if key]
    if len(operands) < 2 or operands[0].sizes is None or operands[1].sizes is None or len(operands[1].sizes) <= channel:
        return None
    weights = operands[1].sizes
    return math.prod(operands[0].sizes) * math.prod(size for i, size in enumerate(weights) if i != channel)
