"""Mistakes at a model's input."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

import numpy as np

from edgekd.inspection.description import Normalization
from edgekd.inspection.lint.finding import Message, Subject
from edgekd.inspection.network import INTEGERS_8, Network, Value

# Common (mean, std) in pixel values; a quantized input's step must be one pixel in one of these ranges.
_RANGES = {
    "0..255": (0.0, 1.0),
    "0..1": (0.0, 255.0),
    "0..1 (by 256)": (0.0, 256.0),
    "-1..1": (127.5, 127.5),
    "-1..1 (127, 128)": (127.0, 128.0),
    "-1..1 (128, 128)": (128.0, 128.0),
    "-1..1 (127.5, 128)": (127.5, 128.0),
    "-1..1 (127, 127)": (127.0, 127.0),
    "-128..127": (128.0, 1.0),
}
# Half a pixel over the full range, and rounding of the zero point.
_STEP_TOLERANCE = 0.5 / 255
_ZERO_TOLERANCE = 1.0
_FLAT = 0.1
_FIX_SIZES = "Fix every size but the batch before converting"
_NORMALIZED = (-2.3, -1.6, 1.9, 2.9)
_NOMINAL = {"NominalRange_0_255": (0.0, 255.0), "Normalized_0_1": (0.0, 1.0), "Normalized_1_1": (-1.0, 1.0)}
# How far the ends of a quantized input may be from those that the metadata says, as a share of its span.
_SAME_ENDS = 0.1
_PASSED = frozenset((
    "CAST", "Cast", "QUANTIZE", "DEQUANTIZE", "QuantizeLinear", "DequantizeLinear", "TRANSPOSE", "Transpose",
))  # fmt: skip
_AFFINE = {"MUL": "*", "Mul": "*", "DIV": "/", "Div": "/", "ADD": "+", "Add": "+", "SUB": "-", "Sub": "-"}


@dataclass(frozen=True)
class Affine:
    """How a graph scales its input at first: the largest factor, and how often it shrinks it."""

    factor: float = 1.0
    shrinks: int = 0


def odd_input_scale(subject: Subject) -> str | None:
    """An 8-bit image input whose scale and zero point are not those of pixels 0..255."""
    image = subject.network.image()
    if image is None or image.dtype not in INTEGERS_8 or len(image.scales) != 1:
        return None
    step, zero = _step(image)
    low, high = (0 - zero) * step, (255 - zero) * step
    message = f"input {image.name!r}: pixels 0..255 become {low:.4g}..{high:.4g} (a step of {step:.6g})"
    graph = affine(subject.network, image)
    if graph.shrinks and 255 * step * graph.factor < _FLAT:
        return f"{message}, and the graph then scales by {graph.factor:.4g} itself, as if it were fed 0..255"
    normalization = subject.description.normalization
    stated = [] if normalization is None else list(zip(normalization.mean, normalization.std, strict=False))
    if any(_is(step, zero, mean, std) for mean, std in (*_RANGES.values(), *stated)) or _is_normalized(low, high):
        return None
    return Message(
        f"{message}: not a usual range of pixels, so calibration may have used other values than an app will feed",
        "warning",
    )


def _is_normalized(low: float, high: float) -> bool:
    """Whether these are the ends of photos normalized by the mean and deviation of many, as torchvision's are."""
    return _NORMALIZED[0] <= low <= _NORMALIZED[1] and _NORMALIZED[2] <= high <= _NORMALIZED[3]


def pixel_limits(subject: Subject, image: Value) -> tuple[float, float] | None:
    """What black and white are at this input, where the file says so; None where it does not."""
    if subject.description.source == "edgekd record":
        return 0.0, 255.0
    if image.dtype in INTEGERS_8 and len(image.scales) == 1:
        step, zero = _step(image)
        return (0 - zero) * step, (255 - zero) * step
    normalization = subject.description.normalization
    if normalization is not None and normalization.mean and normalization.std and all(normalization.std):
        pairs = list(zip(normalization.mean, normalization.std, strict=False))
        return min((0 - mean) / std for mean, std in pairs), max((255 - mean) / std for mean, std in pairs)
    nominal = str(subject.description.preprocessing.get("Image.NominalPixelRange", ""))
    if nominal in _NOMINAL:
        return _NOMINAL[nominal]
    if image.dtype == "uint8":
        return 0.0, 255.0
    graph = affine(subject.network, image)
    return (0.0, 255.0) if graph.shrinks and 0.5 <= 255 * graph.factor <= 8 else None


def double_normalization(subject: Subject) -> str | None:
    """Pixels that are normalized twice."""
    image = subject.network.image()
    if image is None:
        return None
    graph = affine(subject.network, image)
    normalization = subject.description.normalization
    if normalization is not None and not normalization.does_nothing and normalization.std and normalization.mean:
        mean, std = normalization.mean[0], normalization.std[0]
        stated = f"the metadata tells readers to feed (pixel - {mean:g}) / {std:g}"
        if graph.shrinks and 255 / std * graph.factor < _FLAT:
            return f"{stated}, and the graph scales by {graph.factor:.4g} itself"
        if image.dtype in INTEGERS_8 and len(image.scales) == 1 and not _agrees(image, normalization):
            step, zero = _step(image)
            return f"{stated}, but input {image.name!r} is {image.dtype} with scale {step:.6g} and zero point {zero:g}"
    nominal = str(subject.description.preprocessing.get("Image.NominalPixelRange", ""))
    if nominal.startswith("Normalized") and graph.shrinks and graph.factor < _FLAT:
        return f"the metadata says Image.NominalPixelRange {nominal}, and the graph scales by {graph.factor:.4g} itself"
    if graph.shrinks > 1 and 255 * graph.factor < _FLAT and image.dtype not in INTEGERS_8:
        return f"the graph shrinks its input {graph.shrinks} times: pixels 0..255 span {255 * graph.factor:.4g}"
    return None


def _agrees(image: Value, normalization: Normalization) -> bool:
    """Whether a quantized input holds what the metadata says of pixels: the same ends, within what one scale allows."""
    step, zero = _step(image)
    pairs = [(mean, std) for mean, std in zip(normalization.mean, normalization.std, strict=False) if std]
    low, high = min((0 - mean) / std for mean, std in pairs), max((255 - mean) / std for mean, std in pairs)
    allowed = _SAME_ENDS * (high - low)
    return abs((0 - zero) * step - low) <= allowed and abs((255 - zero) * step - high) <= allowed


def nchw_input(subject: Subject) -> str | None:
    """A channels-first image in a .tflite."""
    image = subject.network.image()
    if not subject.is_tflite or image is None or image.shape is None:
        return None
    _, first, _, last = image.shape
    if first in (1, 3, 4) and last not in (1, 3, 4):
        return f"input {image.name!r} is {list(image.shape)}: the channels come before height and width"
    return None


def dynamic_shape(subject: Subject) -> str | None:
    """A free size other than the batch."""
    for value in _inputs(subject):
        free = [size for size in (value.shape or ())[1:] if isinstance(size, str) or size < 0]
        if free or value.shape is None:
            message = f"input {value.name!r} is {list(value.shape) if value.shape else 'of any shape'}"
            option = _shape_option(subject, value)
            return Message(message, fix=option and f"{_FIX_SIZES}; to inspect or time it at one size: {option}")
    return None


def _shape_option(subject: Subject, value: Value) -> str | None:
    """--shape with the sizes that this input was run at; None where it was not."""
    tried = subject.shapes.get(value.name)
    if not tried or subject.failed is not None:
        return None
    name = f"{value.name}=" if len(subject.network.inputs) > 1 else ""
    return f"--shape {shlex.quote(name + ','.join(map(str, tried)))}"


def free_batch(subject: Subject) -> str | None:
    """A .tflite whose batch is free."""
    for value in _inputs(subject):
        if subject.is_tflite and value.shape and value.shape[0] == -1:
            return f"input {value.name!r} is {list(value.shape)}: its batch is free"
    return None


def fixed_batch(subject: Subject) -> str | None:
    """A batch that is fixed to something else than 1."""
    for value in _inputs(subject):
        # What is no image may have any first size, such as the layers of a state.
        batch = value.shape[0] if value.shape and len(value.shape) == 4 else 1
        if isinstance(batch, int) and batch > 1:
            return f"input {value.name!r} is {list(value.shape or ())}: it takes {batch} images at a time, never one"
    return None


def affine(network: Network, image: Value) -> Affine:
    """Follow an input through multiplications and sums by constants until anything else happens."""
    key, factor, shrinks = image.key, 1.0, 0
    for _ in range(16):
        after = network.consumers.get(key, ())
        if len(after) != 1 or not after[0].outputs:
            break
        op = after[0]
        if op.type in _AFFINE and len(op.inputs) == 2:
            other = network.constant(op.inputs[1] if op.inputs[0] == key else op.inputs[0])
            values = None if other is None else other.real()
            if values is None or not values.size or values.size > 4:
                break
            size = float(np.abs(values).max())
            by = {"*": size, "/": 1 / size if size else 1.0}.get(_AFFINE[op.type], 1.0)
            factor, shrinks = factor * by, shrinks + (by < 0.1)
        elif op.type not in _PASSED:
            break
        key = op.outputs[0]
    return Affine(factor, shrinks)


def _inputs(subject: Subject) -> list[Value]:
    return [subject.network.values[key] for key in subject.network.inputs]


def _step(image: Value) -> tuple[float, float]:
    # Zero point as if the input were uint8: the pixel that means 0.
    zero = float(image.zero_points[0]) if len(image.zero_points) else 0.0
    return float(image.scales[0]), zero + (128 if image.dtype == "int8" else 0)


def _is(step: float, zero: float, mean: float, std: float) -> bool:
    if std == 0:
        return False
    return abs(step * std - 1) <= _STEP_TOLERANCE and abs(zero - mean) <= _ZERO_TOLERANCE
