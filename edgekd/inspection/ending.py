"""What a graph ends in, and how many weights it has."""

from __future__ import annotations

import math
from typing import Literal

from edgekd.inspection.network import FLOATS, INTEGERS_8, Network, Op, Value

Ending = Literal["logits", "softmax", "softmax twice", "log_softmax", "sigmoid", "unknown"]
# These only move or rename scores, or change how they are stored.
_PASSED = frozenset((
    "Identity", "Cast", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Dropout", "QuantizeLinear", "DequantizeLinear",
    "CAST", "RESHAPE", "SQUEEZE", "EXPAND_DIMS", "QUANTIZE", "DEQUANTIZE",
))  # fmt: skip
_ENDINGS: dict[str, Ending] = {
    "Softmax": "softmax", "SOFTMAX": "softmax", "LogSoftmax": "log_softmax", "LOG_SOFTMAX": "log_softmax",
    "Sigmoid": "sigmoid", "LOGISTIC": "sigmoid",
}  # fmt: skip
_DENSE = ("dense", "conv", "matmul")
_HALF = 2.0**-11
_SUMS = ("Add", "ADD")


def ending_of(network: Network, output: str) -> Ending:
    """The op that gives the scores, behind ops that only move them."""
    last = _maker(network, output)
    if last is None:
        return "unknown"
    kind = _ENDINGS.get(last.type)
    if kind == "softmax":
        before = _maker(network, last.inputs[0]) if last.inputs else None
        return "softmax twice" if before is not None and _ENDINGS.get(before.type) == "softmax" else "softmax"
    if kind is not None:
        return kind
    from_weights = last.kind in _DENSE or last.type in _SUMS
    return "logits" if from_weights else "unknown"


def step_of(network: Network, output: str) -> float:
    """The distance of the values of the scores: the scale that they are, or were, quantized by; 0 for floats."""
    values = [network.values[output]]
    values += [network.values[op.inputs[0]] for op in network.back(output, _PASSED) if op.type in _PASSED and op.inputs]
    if values[0].dtype == "float16":
        return _HALF
    return next((float(value.scales[0]) for value in values if len(value.scales) == 1), 0.0)


def _maker(network: Network, key: str) -> Op | None:
    ops = list(network.back(key, _PASSED))
    return ops[-1] if ops and ops[-1].type not in _PASSED else None


def parameters_of(network: Network) -> int:
    """Number of weights: the elements of its constants that are floats or quantized."""
    weights = [value for value in _constants(network) if _is_weight(value)]
    return sum(math.prod(size for size in v.shape or () if isinstance(size, int)) for v in weights)


def _constants(network: Network) -> list[Value]:
    # The body of an If or a Loop reads constants of the graph around it too.
    own = {value.name if network.format == "onnx" else key: value for key, value in network.values.items()}
    values = [value for value in own.values() if value.constant]
    inside = [value for op in network.ops for body in op.bodies for value in _constants(body)]
    if network.format == "onnx":
        inside = list(
            {value.name: value for value in inside if not (value.name in own and own[value.name].constant)}.values()
        )
    return values + inside


def _is_weight(value: Value) -> bool:
    return bool(value.shape) and (value.dtype in FLOATS or value.dtype in INTEGERS_8 or len(value.scales) > 0)
