"""Multiply-accumulates of one op, for one image where the batch is free.

Source: the definitions of the ops; a multiplication and its addition count as one.
"""

from __future__ import annotations

import math

from edgekd.inspection.network import Network, Op, Value

# These multiply and accumulate too, but are not counted.
UNCOUNTED = frozenset(("EINSUM", "Attention", "MultiHeadAttention", "DeformConv"))
# Every weight of these is used once a step: by the first input's places of batch and time.
_RECURRENT = frozenset((
    "UNIDIRECTIONAL_SEQUENCE_LSTM", "BIDIRECTIONAL_SEQUENCE_LSTM", "LSTM", "UNIDIRECTIONAL_SEQUENCE_RNN",
    "BIDIRECTIONAL_SEQUENCE_RNN", "RNN", "SVDF", "GRU",
))  # fmt: skip
_BRANCHES = ("IF", "If")


def macs(network: Network, op: Op) -> int | None:
    """Count an op's MACs; 0 if it has none, None if a shape they depend on is unknown."""
    if op.type == "CALL_ONCE":
        return 0
    if op.bodies:
        return _count_bodies(op)
    if op.type in _RECURRENT:
        return _count_recurrent(network, op)
    if op.type == "Einsum":
        return _count_einsum(network, op)
    if op.kind not in ("conv", "depthwise", "dense", "matmul"):
        return None if op.type.rsplit(".", 1)[-1] in UNCOUNTED or not op.builtin else 0
    output = network.values[op.outputs[0]].sizes if op.outputs else None
    if op.type in ("TRANSPOSE_CONV", "ConvTranspose"):
        return _count_transposed(network, op)
    products = _count_products(network, op)
    return None if output is None or products is None else math.prod(output) * products


def _count_bodies(op: Op) -> int | None:
    """Of the larger branch, or of one turn of a loop, whose turns a file does not say."""
    sums = []
    for body in op.bodies:
        counts = [macs(body, inner) for inner in body.ops]
        sums.append(None if None in counts else sum(count or 0 for count in counts))
    if None in sums:
        return None
    known = [count or 0 for count in sums]
    return max(known) if op.type in _BRANCHES else sum(known)


def _count_recurrent(network: Network, op: Op) -> int | None:
    steps = network.values[op.inputs[0]].sizes if op.inputs else None
    # ONNX holds all gates in one matrix for each direction, of the input and of the state.
    keys, rank = (op.inputs[1:3], 3) if network.format == "onnx" else (op.inputs[1:], 2)
    computed = {key for other in network.ops for key in other.outputs} if network.format == "tflite" else set()
    shapes = [network.values[key].sizes for key in keys if key and key not in computed]
    weights = [shape for shape in shapes if shape is not None and len(shape) == rank]
    if steps is None or not weights:
        return None
    return math.prod(steps[:-1]) * sum(math.prod(shape) for shape in weights)


def _count_einsum(network: Network, op: Op) -> int | None:
    sides, _, _ = str(op.attributes.get("equation", "")).replace(" ", "").partition("->")
    shapes = [network.values[key].sizes for key in op.inputs if key]
    terms = sides.split(",")
    if not sides or "." in sides or len(terms) != len(shapes):
        return None
    sizes: dict[str, int] = {}
    for term, shape in zip(terms, shapes, strict=True):
        if shape is None or len(term) != len(shape):
            return None
        sizes |= dict(zip(term, shape, strict=True))
    return math.prod(sizes.values())


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
