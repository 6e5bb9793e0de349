"""What the graph of an .onnx or .tflite says about how it was trained: its last op, its pixels, its weights."""

from __future__ import annotations

import math

from edgekd.inspection.description import Description
from edgekd.inspection.lint.inputs import affine
from edgekd.inspection.network import FLOATS, INTEGERS_8, Network, Op, Value
from edgekd.models.outputs import Ending
from edgekd.teacher.pixels import Pixels, of_mean_std

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
_SUMS = ("Add", "ADD")
# Means and standard deviations, in pixel values, that a step of a quantized input may be one pixel of.
_USUAL = ((0.0, 1.0), (0.0, 255.0), (127.5, 127.5), (127.0, 128.0), (128.0, 128.0), (127.5, 128.0), (127.0, 127.0))
_STEP_TOLERANCE, _ZERO_TOLERANCE = 2e-3, 0.51
_HALF = 2.0**-11
# A graph whose first factor brings 255 into this range was made for pixels 0..255.
_UNIT = (0.5, 8.0)


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
    weights = [v for v in network.values.values() if v.constant and _is_weight(v)]
    return sum(math.prod(size for size in v.shape or () if isinstance(size, int)) for v in weights)


def _is_weight(value: Value) -> bool:
    return bool(value.shape) and (value.dtype in FLOATS or value.dtype in INTEGERS_8 or len(value.scales) > 0)


def pixels_of_graph(network: Network, image: Value, description: Description) -> Pixels | None:
    """What it is fed, where the graph or the metadata says so; None where neither does."""
    bgr = str(description.preprocessing.get("Image.BitmapPixelFormat", "")).lower().startswith("bgr")
    pixels = _pixels(network, image, description)
    return None if pixels is None else Pixels(pixels.scale, pixels.shift, bgr, pixels.source)


def _pixels(network: Network, image: Value, description: Description) -> Pixels | None:
    if image.dtype in INTEGERS_8 and len(image.scales) == 1:
        return _pixels_of_step(image)
    normalization = description.normalization
    if normalization is not None and normalization.mean and normalization.std and all(normalization.std):
        return of_mean_std(normalization.mean, normalization.std, "its metadata says how pixels are normalized")
    nominal = str(description.preprocessing.get("Image.NominalPixelRange", ""))
    if nominal == "NominalRange_0_255":
        return Pixels(source="its metadata says pixels 0..255")
    if nominal == "Normalized_0_1":
        return of_mean_std(0.0, 255.0, "its metadata says pixels 0..1")
    if nominal == "Normalized_1_1":
        return of_mean_std(127.5, 127.5, "its metadata says pixels -1..1")
    if image.dtype == "uint8":
        return Pixels(source="its input is of bytes, that is, pixels 0..255")
    graph = affine(network, image)
    if graph.shrinks and _UNIT[0] <= 255 * graph.factor <= _UNIT[1]:
        return Pixels(source="its graph brings pixels 0..255 to their range itself")
    return None


def _pixels_of_step(image: Value) -> Pixels | None:
    step = float(image.scales[0])
    zero = float(image.zero_points[0]) if len(image.zero_points) else 0.0
    zero += 128 if image.dtype == "int8" else 0
    for mean, std in _USUAL:
        if abs(step * std - 1) <= _STEP_TOLERANCE and abs(zero - mean) <= _ZERO_TOLERANCE:
            return Pixels((step,) * 3, (-zero * step,) * 3, source="its quantized input steps by one pixel value")
    return None
