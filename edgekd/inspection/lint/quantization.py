"""Mistakes of quantization."""

from __future__ import annotations

import itertools

import numpy as np

from edgekd.formats.onnx_file import MOVING_OPS
from edgekd.inspection.lint.finding import Subject, name_ops
from edgekd.inspection.network import FLOATS, INTEGERS_8, Network, Op, Value

_ACTIVATIONS = ("Relu", "Clip")
# A step too small for any real range.
_NO_RANGE = 1e-20
_MAKE_PROBABILITIES = ("SOFTMAX", "LOGISTIC", "MUL", "Softmax", "Sigmoid", "Mul")


def float_ops(subject: Subject) -> str | None:
    """Float ops in an integer file, except at its edges: conversions, and what makes probabilities of integers."""
    if not subject.is_integer:
        return None
    end = _float_end(subject.network)
    ops = [
        op
        for op in subject.network.ops
        if op.kind not in ("quantize", "dequantize")
        and op.type not in MOVING_OPS
        and (op.precision.split(" to ")[0] in FLOATS or op.precision.endswith(FLOATS))
        and not _only_constants(subject.network, op)
        and op not in end
    ]
    return f"computed in float: {name_ops(ops)}" if ops else None


def _float_end(network: Network) -> list[Op]:
    """A softmax or sigmoid at the end, and a product before it, of what was just dequantized."""
    end = list(itertools.takewhile(lambda op: op.type in _MAKE_PROBABILITIES, reversed(network.ops)))
    rest = network.ops[: len(network.ops) - len(end)]
    return end if len(end) <= 2 and rest and rest[-1].kind == "dequantize" else []


def float_edges(subject: Subject) -> str | None:
    """A .tflite of integers whose input is float."""
    if not subject.is_tflite or not subject.is_integer or float_ops(subject) is not None:
        return None
    network = subject.network
    edges = [("input", key) for key in network.inputs] + [("output", key) for key in network.outputs]
    floats = [f"{kind} {network.values[key].name!r}" for kind, key in edges if network.values[key].dtype in FLOATS]
    fed_floats = any(network.values[key].dtype in FLOATS for key in network.inputs)
    return f"{' and '.join(floats)} in float, all ops in integers" if fed_floats else None


def dynamic_range(subject: Subject) -> str | None:
    """8-bit weights under float activations."""
    ops = [op for op in subject.accumulating if op.precision.startswith("hybrid")]
    ops += [op for op in subject.accumulating if op not in ops and _float_on_integers(subject.network, op)]
    return f"8-bit weights under float activations in {name_ops(ops)}" if ops else None


def per_tensor_weights(subject: Subject) -> str | None:
    """Convolutions with one scale for all channels."""
    ops = []
    for op in subject.accumulating:
        weights = subject.network.weights(op) if op.kind in ("conv", "depthwise") else None
        if (
            weights is not None
            and weights.dtype in INTEGERS_8
            and len(weights.scales) == 1
            and _channels(op, weights) > 1
        ):
            ops.append(op)
    return f"one scale for all channels in {name_ops(ops)}" if ops else None


def zero_range(subject: Subject) -> str | None:
    """Quantized tensors whose scale is 0 or less, or next to nothing."""
    used = {key for op in subject.network.ops for key in (*op.inputs, *op.outputs)}
    bad = [
        value.name
        for value in subject.network.values.values()
        if value.key in used and value.dtype in INTEGERS_8 and not (value.scales > _NO_RANGE).all() and _counts(value)
    ]
    return f"{len(bad)} tensors have a scale of 0: {', '.join(map(repr, bad[:4]))}" if bad else None


def _counts(value: Value) -> bool:
    # A channel that is all zero has no range, and needs none.
    return not value.constant or value.data is None or bool(value.data.any())


def quantize_pairs(subject: Subject) -> str | None:
    """Dequantized and at once quantized again; in a .tflite also the other way round."""
    network = subject.network
    ops = [op for op in network.ops if op.kind == "dequantize" and op.outputs and _all_are(network, op, "quantize")]
    if subject.is_tflite:
        ops += [
            op for op in network.ops if op.kind == "quantize" and op.outputs and _all_are(network, op, "dequantize")
        ]
    return f"undone by the next op, in the middle of the graph: {name_ops(ops)}" if ops else None


def unfused_activation(subject: Subject) -> str | None:
    """In a QDQ .onnx, an activation between a convolution and its quantization."""
    if subject.is_tflite or not subject.is_integer:
        return None
    network = subject.network
    ops = [
        op
        for op in network.ops
        if op.type in _ACTIVATIONS
        and op.inputs
        and (before := network.producers.get(op.inputs[0])) is not None
        and before.kind in ("conv", "depthwise", "dense", "matmul")
        and _all_are(network, op, "quantize")
    ]
    return f"between a layer and its QuantizeLinear: {name_ops(ops)}" if ops else None


def signed_activations(subject: Subject) -> str | None:
    """int8 activations in an .onnx."""
    if subject.is_tflite or not subject.is_integer:
        return None
    ops = [op for op in subject.network.ops if op.type == "QuantizeLinear" and op.precision.endswith("to int8")]
    ops = [op for op in ops if not _only_constants(subject.network, op)]
    return f"{len(ops)} activations are int8, the first {name_ops(ops[:1])}" if ops else None


def _all_are(network: Network, op: Op, kind: str) -> bool:
    after = [other for key in op.outputs for other in network.consumers.get(key, ())]
    return bool(after) and all(other.kind == kind for other in after) and not {*op.outputs} & {*network.outputs}


def _only_constants(network: Network, op: Op) -> bool:
    return bool(op.inputs) and all(not key or network.constant(key) is not None for key in op.inputs)


def _float_on_integers(network: Network, op: Op) -> bool:
    if op.precision not in FLOATS or not op.inputs or network.constant(op.inputs[0]) is not None:
        return False
    producer = network.producers.get(op.inputs[0])
    weights = network.weights(op)
    return weights is not None and weights.dtype in INTEGERS_8 and (producer is None or producer.kind != "dequantize")


def _channels(op: Op, weights: object) -> int:
    shape = getattr(weights, "shape", None) or (1,)
    sizes = [int(size) for size in shape if isinstance(size, (int, np.integer))]
    if not sizes:
        return 1
    # TFLite keeps a depthwise kernel as [1, h, w, channels].
    return sizes[-1] if op.type == "DEPTHWISE_CONV_2D" else sizes[0]
