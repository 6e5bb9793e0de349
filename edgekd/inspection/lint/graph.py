"""Mistakes in a graph, at any precision."""

from __future__ import annotations

import numpy as np

from edgekd.inspection.lint.finding import Subject, name_ops

_SOFTMAX = frozenset(("SOFTMAX", "LOG_SOFTMAX", "LOGISTIC", "Softmax", "LogSoftmax", "Sigmoid", "QLinearSoftmax"))
_SQUEEZED = frozenset(("SOFTMAX", "LOG_SOFTMAX", "Softmax", "LogSoftmax", "QLinearSoftmax"))
_THROUGH = frozenset((
    "QUANTIZE", "DEQUANTIZE", "RESHAPE", "SQUEEZE", "CAST", "QuantizeLinear", "DequantizeLinear", "Reshape",
    "Squeeze", "Flatten", "Identity", "Cast", "Transpose",
))  # fmt: skip
# Share of the MACs; less is not reported.
_LEFT_SHARE = 0.02
_OLDEST_OPSET = 13
_TFLITE_SCHEMA = 3


def non_builtin_ops(subject: Subject) -> str | None:
    """Flex, custom and vendor ops."""
    ops = [op for op in subject.network.ops if not op.builtin]
    if not ops:
        return None
    return f"not built into the runtimes: {name_ops(ops)}"


def softmax_twice(subject: Subject) -> str | None:
    """A softmax of a softmax, which flattens every probability."""
    for op in subject.network.ops:
        if op.type in _SQUEEZED and op.inputs:
            before = [other for other in subject.network.back(op.inputs[0], _THROUGH) if other.type in _SOFTMAX]
            if before:
                return f"{name_ops([op])} takes the output of {name_ops(before[:1])}"
    return None


def old_opset(subject: Subject) -> str | None:
    """An opset without today's quantization."""
    if subject.is_tflite or subject.version >= _OLDEST_OPSET:
        return None
    return f"opset {subject.version}"


def schema_version(subject: Subject) -> str | None:
    """A .tflite of another schema."""
    if not subject.is_tflite or subject.version == _TFLITE_SCHEMA:
        return None
    return f"schema version {subject.version}"


def does_not_run(subject: Subject) -> str | None:
    """A file that loads and then fails."""
    return subject.failed


def non_finite_constants(subject: Subject) -> str | None:
    """Weights that are NaN or infinite."""
    bad = [
        value.name
        for value in subject.network.values.values()
        if value.constant
        and value.data is not None
        and value.data.dtype.kind == "f"
        and not np.isfinite(value.data).all()
    ]
    # Bounds of a Clip may well be infinite.
    clips = {key for op in subject.network.ops if op.type in ("Clip", "Pad", "PADV2") for key in op.inputs[1:]}
    bad = [name for name in bad if name not in clips]
    return f"NaN or infinity in {', '.join(map(repr, bad[:4]))}" if bad else None


def constant_weights(subject: Subject) -> str | None:
    """A layer whose weights are all the same number."""
    ops = []
    for op in subject.accumulating:
        weights = subject.network.weights(op)
        if weights is not None and weights.data is not None and weights.data.size > 1:
            flat = weights.data.reshape(-1)
            if (flat == flat[0]).all():
                ops.append(op)
    return f"all weights are equal in {name_ops(ops)}" if ops else None


def undelegated_layers(subject: Subject) -> str | None:
    """Work that XNNPACK leaves to slower kernels."""
    delegated = subject.delegated
    if delegated is None:
        return None
    ops = [op for op in subject.accumulating if op.index not in delegated and subject.macs.get(op.index)]
    undelegated = sum(subject.macs.get(op.index) or 0 for op in ops)
    total = sum(count or 0 for count in subject.macs.values())
    if undelegated <= _LEFT_SHARE * total:
        return None
    return f"XNNPACK leaves {undelegated / total:.1%} of the MACs to slower kernels: {name_ops(ops)}"
