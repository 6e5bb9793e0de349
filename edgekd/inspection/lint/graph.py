"""Mistakes in a graph, at any precision."""

from __future__ import annotations

import numpy as np

from edgekd.inspection.lint.finding import Message, Subject, name_ops
from edgekd.inspection.network import Op

_SOFTMAX = frozenset(("SOFTMAX", "LOG_SOFTMAX", "LOGISTIC", "Softmax", "LogSoftmax", "Sigmoid", "QLinearSoftmax"))
_SQUEEZED = frozenset(("SOFTMAX", "LOG_SOFTMAX", "Softmax", "LogSoftmax", "QLinearSoftmax"))
_THROUGH = frozenset((
    "QUANTIZE", "DEQUANTIZE", "RESHAPE", "SQUEEZE", "CAST", "QuantizeLinear", "DequantizeLinear", "Reshape",
    "Squeeze", "Flatten", "Identity", "Cast", "Transpose",
))  # fmt: skip
_COMPILED = (
    "Go back to the file that it was compiled from: inspect, check and bench that one. This runs on its chip alone"
)
_FLEX = (
    "Ship TensorFlow Lite with its Flex delegate, or convert again without SELECT_TF_OPS and replace the layers that "
    "need it"
)
_OTHER_SIZES = "Give other sizes with --shape, or none: edgekd then tries the usual ones"
_OTHER_RUNTIMES = "Try the file in the runtime that will ship, such as TFLite on Android or a microcontroller"
_BY_WEIGHT = ("BatchNormalization", "ADD", "MUL", "SUB", "Add", "Mul", "Sub")
# Share of the MACs; less is not reported.
_LEFT_SHARE = 0.02
_OLDEST_OPSET = 13
_TFLITE_SCHEMA = 3


def non_builtin_ops(subject: Subject) -> str | None:
    """Flex, custom and vendor ops; whether the runtime has them is what running the file showed."""
    ops = [op for op in subject.network.ops if not op.builtin]
    if not ops:
        return None
    types = {op.type for op in ops}
    if any("edgetpu" in kind.lower() for kind in types):
        return Message(f"compiled for an Edge TPU: {name_ops(ops)}", "error", _COMPILED)
    if any("ethos" in kind.lower() for kind in types):
        return Message(f"compiled for an Ethos-U by Vela: {name_ops(ops)}", "error", _COMPILED)
    if subject.ran and subject.failed is None:
        runtime = "LiteRT" if subject.is_tflite else "ONNX Runtime"
        return Message(f"{runtime} has them, other runtimes may not: {name_ops(ops)}", "note", _OTHER_RUNTIMES)
    flex = [op for op in ops if op.type.removeprefix("CUSTOM ").startswith("Flex")]
    if flex:
        return Message(f"need TensorFlow's own kernels (Flex): {name_ops(flex)}", "error", _FLEX)
    if subject.failed is None:
        return Message(f"not built into the runtimes, and not tried here: {name_ops(ops)}", "warning")
    return f"not built into the runtimes: {name_ops(ops)}"


def weights_in_another_file(subject: Subject) -> str | None:
    """An .onnx in pieces."""
    return f"its weights are in {', '.join(subject.external[:3])}" if subject.external else None


def free_sizes_not_run(subject: Subject) -> str | None:
    """Sizes that are free, none of which could be guessed, or those that the user chose do not fit."""
    if subject.failed is None or not (subject.guessed or subject.chosen):
        return None
    if subject.chosen:
        return Message(f"not run at the sizes given ({subject.failed})", fix=_OTHER_SIZES)
    return f"not run, because it leaves sizes free and none of the usual ones fits ({subject.failed})"


def softmax_twice(subject: Subject) -> str | None:
    """A softmax of a softmax, which flattens every probability."""
    for op in subject.network.ops:
        # Inside a graph, as in attention, a softmax of gates may be meant.
        if op.type in _SQUEEZED and op.inputs and _gives_an_output(subject, op):
            before = [other for other in subject.network.back(op.inputs[0], _THROUGH) if other.type in _SOFTMAX]
            if before:
                return f"{name_ops([op])} takes the output of {name_ops(before[:1])}"
    return None


def _gives_an_output(subject: Subject, op: Op) -> bool:
    keys = {*op.outputs}
    for other in subject.network.ops:
        if other.type in _THROUGH and other.inputs and other.inputs[0] in keys:
            keys |= {*other.outputs}
    return bool(keys & {*subject.network.outputs})


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
    return (
        None
        if subject.guessed or subject.chosen or any(not op.builtin for op in subject.network.ops)
        else subject.failed
    )


def non_finite_constants(subject: Subject) -> str | None:
    """Weights that are NaN or infinite."""
    network = subject.network
    bad: dict[str, None] = {}
    for op in network.ops:
        weighs = op in subject.accumulating or op.type == "BatchNormalization"
        if not weighs and op.type not in _BY_WEIGHT:
            continue
        for key in op.inputs:
            value = network.constant(key) if key else None
            if value is None or value.data is None or value.data.dtype.kind != "f":
                continue
            # An infinity that is added is a mask; one in a weight is a fault.
            wrong = ~np.isfinite(value.data) if weighs else np.isnan(value.data)
            if wrong.any():
                bad[value.name] = None
    return f"NaN or infinity in {', '.join(map(repr, list(bad)[:4]))}" if bad else None


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
