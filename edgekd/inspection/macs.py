"""Multiply-accumulates of one op, for one image where the batch is free.

Source: the definitions of the ops; a multiplication and its addition count as one.
"""

from __future__ import annotations

import math

from edgekd.inspection.network import Network, Op, Value

# They multiply and accumulate too, in ways not counted here.
UNCOUNTED = frozenset((
    "UNIDIRECTIONAL_SEQUENCE_LSTM", "BIDIRECTIONAL_SEQUENCE_LSTM", "LSTM", "UNIDIRECTIONAL_SEQUENCE_RNN",
    "RNN", "SVDF", "EINSUM", "GRU", "Einsum", "Attention", "MultiHeadAttention", "DeformConv",
))  # fmt: skip


def macs(network: Network, op: Op) -> int | None:
    """How many; 0 for an op that has none, None where a shape that they depend on is not known."""
    if op.kind not in ("conv", "depthwise", "dense", "matmul"):
        return None if op.type.rsplit(".", 1)[-1] in UNCOUNTED or not op.builtin else 0
    output = network.values[op.outputs[0]].sizes if op.outputs else None
    if op.type in ("TRANSPOSE_CONV", "ConvTranspose"):
        return _transposed(network, op)
    accumulated = _accumulated(network, op)
    return None if output is None or accumulated is None else math.prod(output) * accumulated


def _accumulated(network: Network, op: Op) -> int | None:
    # How many products make one output.
    shapes = [network.values[key].sizes if key else None for key in op.inputs]
    right = _right_operand(op)
    weights = shapes[right] if right < len(shapes) else None
    if op.kind == "matmul" or op.type in ("Gemm", "QGemm", "FusedGemm"):
        left = shapes[0] if shapes else None
        if not left:
            return None
        transposed = op.attributes.get("adjX", op.attributes.get("transA", 0))
        return left[-2] if transposed and len(left) > 1 else left[-1]
    if not weights:
        return None
    if op.type == "DEPTHWISE_CONV_2D":
        return math.prod(weights[:-1])
    if op.type == "CONV_3D":
        return math.prod(weights[:-1])
    return math.prod(weights[1:])


def _right_operand(op: Op) -> int:
    return 3 if op.type == "QLinearConv" else 1


def _transposed(network: Network, op: Op) -> int | None:
    # Every input value meets a whole kernel for every output channel.
    image, channel = (2, 3) if op.type == "TRANSPOSE_CONV" else (0, 0)
    if len(op.inputs) <= max(image, 1):
        return None
    found: list[Value] = [network.values[key] for key in (op.inputs[image], op.inputs[1]) if key]
    if len(found) < 2 or found[0].sizes is None or found[1].sizes is None or len(found[1].sizes) <= channel:
        return None
    weights = found[1].sizes
    return math.prod(found[0].sizes) * math.prod(size for i, size in enumerate(weights) if i != channel)
