"""Calibration: a student run over training images, and the range that each of its tensors takes there."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.errors import ExportError
from edgekd.formats import tflite_file
from edgekd.quantize import converter
from edgekd.quantize.float_model import Source, fixed_batch

# An image whose brightest value is this was scaled to 0..1 and then made an integer.
_SCALED_ALREADY = 1
# TensorFlow's calibrator widens a constant 0 to the smallest normal number.
_NOTHING = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True)
class Calibrated:
    """A float .tflite (``content``) whose tensors carry ranges, and what they were found with.

    ``images`` uint8 [N, H, W, 3]; the graph's input is ``scale * pixel + offset``. ``record`` says how.
    """

    content: bytes
    images: NDArray[np.uint8]
    scale: float
    offset: float
    record: dict[str, Any]

    def inputs(self) -> Iterator[NDArray[np.float32]]:
        """The graph's inputs float32 [1, H, W, 3], one for each image."""
        yield from _scaled(self.images, self.scale, self.offset)


def calibrate(source: Source, images: NDArray[np.uint8]) -> Calibrated:
    """Run the student over real training images, uint8 [N, H, W, 3]; every tensor gets its least and largest value.

    The range of pixels becomes the input's quantization where it can (``Source.pixel_range``), else it stays in the
    graph behind an input of scale 1.

    Raises: ExportError if the images do not fit or a tensor's range cannot be right; UnsupportedOpError.
    """
    check_images(images, source.height, source.width)
    scale, offset = (source.pixel_range.scale, source.pixel_range.offset) if source.pixel_range else (1.0, 0.0)
    shown = _with_full_range(images)

    def samples() -> Iterator[list[NDArray[np.float32]]]:
        for image in _scaled(shown, scale, offset):
            yield [image]

    def configure(made: Any, tf: Any) -> None:
        made.optimizations = [tf.lite.Optimize.DEFAULT]
        made.representative_dataset = samples
        made.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        # The converter's two steps, apart: ranges can be looked at and bettered in between.
        made._experimental_calibrate_only = True

    content = converter.convert(fixed_batch(source.core, "float32"), configure)
    check_ranges(content)
    record = {
        "converter": converter.version(),
        "calibration_images": len(images),
        "calibration_sha256": hashlib.sha256(np.ascontiguousarray(images).tobytes()).hexdigest(),
        "calibration_method": "min-max",
    }
    return Calibrated(content, images, scale, offset, record)


def check_images(images: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Return calibration images if they can calibrate a model of this input size. Raises ExportError."""
    shape = list(np.shape(images))
    if getattr(images, "dtype", None) != np.uint8 or len(shape) != 4 or shape[1:] != [height, width, 3] or not shape[0]:
        raise ExportError(
            f"calibration images must be uint8 [N, {height}, {width}, 3] with N >= 1, got "
            f"{getattr(images, 'dtype', type(images).__name__)} {shape}. Preprocess training photos to that size"
        )
    if images.min() == images.max():
        raise ExportError(
            f"all {shape[0]} calibration images are one constant, {int(images.min())}. Pass real training photos"
        )
    if images.max() <= _SCALED_ALREADY:
        raise ExportError(
            f"the calibration images have no value above {int(images.max())}: they were scaled to 0..1 already. Pass "
            "pixel values 0..255; the model's own range is applied here"
        )
    return images


def check_ranges(content: bytes) -> None:
    """Raise ExportError naming a tensor of a calibrated .tflite that cannot be quantized by what was seen of it."""
    graph = tflite_file.parse(content, "the calibrated model").subgraphs[0]
    # In the order of computation: what is behind a dead layer is constant too.
    for tensor in (graph.tensors[int(i)] for op in graph.operators for i in op.outputs):
        found = range_of(tensor)
        if found is None:
            continue
        name = tensor.name.decode("utf-8", "replace").split(";")[0]
        low, high = found
        if not np.isfinite([low, high]).all():
            raise ExportError(
                f"{name} took values from {low:g} to {high:g} on the calibration images. Look at the model's weights "
                "and the range of its input"
            )
        if high - low <= _NOTHING:
            raise ExportError(
                f"{name} has the one value {low:g} on every calibration image: a dead layer, or an input of another "
                "range than the model was trained with (it takes pixels 0..255)"
            )


def range_of(tensor: Any) -> tuple[float, float] | None:
    """Least and largest value that a calibrated file's tensor (the schema's TensorT) carries, None if it has none."""
    told = tensor.quantization
    if told is None or told.min is None or told.max is None or not len(told.min) or not len(told.max):
        return None
    return float(told.min[0]), float(told.max[0])


def _scaled(images: NDArray[np.uint8], scale: float, offset: float) -> Iterator[NDArray[np.float32]]:
    for image in images:
        yield (image[np.newaxis].astype(np.float64) * scale + offset).astype(np.float32)


def _with_full_range(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    # The input's observed range must be all of 0..255, or its scale is not the range's. Two pixels of one photo are
    # enough; whole black and white images would stretch the ranges of the layers behind.
    if images.min() == 0 and images.max() == 255:
        return images
    extra = images[:1].copy()
    extra[0, 0, 0] = 0
    extra[0, -1, -1] = 255
    return np.concatenate([images, extra])
