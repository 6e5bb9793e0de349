"""What the graph of an .onnx or .tflite says about how it was trained: its last op, its pixels, its weights."""

from __future__ import annotations

from edgekd.inspection.description import Description
from edgekd.inspection.ending import ending_of as ending_of
from edgekd.inspection.ending import parameters_of as parameters_of
from edgekd.inspection.ending import step_of as step_of
from edgekd.inspection.lint.inputs import affine
from edgekd.inspection.network import INTEGERS_8, Network, Value
from edgekd.teacher.pixels import Pixels, of_mean_std

# Means and standard deviations, in pixel values, that a step of a quantized input may be one pixel of.
_USUAL = ((0.0, 1.0), (0.0, 255.0), (127.5, 127.5), (127.0, 128.0), (128.0, 128.0), (127.5, 128.0), (127.0, 127.0))
_STEP_TOLERANCE, _ZERO_TOLERANCE = 2e-3, 0.51
# A graph whose first factor brings 255 into this range was made for pixels 0..255.
_UNIT = (0.5, 8.0)


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
