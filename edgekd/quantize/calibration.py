"""Calibration: runs a student over training images and records the range of each tensor."""

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
from edgekd.quantize.float_model import FloatModel, fixed_batch
from edgekd.quantize.observed_ranges import observe_ranges
from edgekd.task import Task

# An image whose brightest value is this was scaled to 0..1 and then made an integer.
_SCALED_ALREADY = 1
# TensorFlow's calibrator widens a constant 0 to the smallest normal number.
_SMALLEST_RANGE = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True)
class CalibratedModel:
    """A float .tflite (``content``) whose tensors carry ranges, and the images that were used to calibrate it.

    ``images`` uint8 [N, H, W, 3]; the graph's input is ``scale * pixel + offset``. ``record`` describes the
    calibration. ``per_channel`` is whether weights will get a scale per output channel or one per tensor, and ``task``
    what the graph's probabilities are of.
    """

    content: bytes
    images: NDArray[np.uint8]
    scale: float
    offset: float
    record: dict[str, Any]
    per_channel: bool = True
    task: Task = "single-label"

    def inputs(self) -> Iterator[NDArray[np.float32]]:
        """The graph's inputs float32 [1, H, W, 3], one for each image."""
        yield from _scale_pixels(self.images, self.scale, self.offset)


def calibrate(float_model: FloatModel, images: NDArray[np.uint8], *, per_channel: bool = True) -> CalibratedModel:
    """Run the student over real training images, uint8 [N, H, W, 3]; record each tensor's minimum and maximum.

    The range of pixels becomes the input's quantization where it can (``FloatModel.pixel_range``), else it stays in the
    graph behind an input of scale 1. ``per_channel`` is passed on.

    Raises: ExportError if the images do not fit or a tensor's range cannot be right; UnsupportedOpError.
    """
    check_images(images, float_model.height, float_model.width)
    scale, offset = (
        (float_model.pixel_range.scale, float_model.pixel_range.offset) if float_model.pixel_range else (1.0, 0.0)
    )
    full_range = _cover_full_range(images)
    content = _convert(float_model, _scale_pixels(_extremes(full_range), scale, offset))
    if len(tflite_file.parse(content, "the calibrated model").subgraphs) > 1:
        # Only the first graph's ranges are observed below.
        content = _convert(float_model, _scale_pixels(full_range, scale, offset))
    content = observe_ranges(content, _scale_pixels(full_range, scale, offset))
    check_ranges(content)
    record = {
        "converter": converter.version(),
        "calibration_images": len(images),
        "calibration_sha256": hashlib.sha256(np.ascontiguousarray(images).tobytes()).hexdigest(),
        "calibration_method": "min-max",
    }
    return CalibratedModel(content, images, scale, offset, record, per_channel, float_model.task)


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
    """Raise ExportError naming a tensor of a calibrated .tflite whose observed range cannot be quantized."""
    graph = tflite_file.parse(content, "the calibrated model").subgraphs[0]
    # In the order of computation: everything after a dead layer is constant too.
    for tensor in (graph.tensors[int(i)] for op in graph.operators for i in op.outputs):
        limits = read_range(tensor)
        if limits is None:
            continue
        name = tensor.name.decode("utf-8", "replace").split(";")[0]
        low, high = limits
        if not np.isfinite([low, high]).all():
            raise ExportError(
                f"{name} took values from {low:g} to {high:g} on the calibration images. Look at the model's weights "
                "and the range of its input"
            )
        if high - low <= _SMALLEST_RANGE:
            raise ExportError(
                f"{name} has the one value {low:g} on every calibration image: a dead layer, or an input of another "
                "range than the model was trained with (it takes pixels 0..255)"
            )


def read_range(tensor: Any) -> tuple[float, float] | None:
    """Return the minimum and maximum stored in a calibrated file's tensor (the schema's TensorT), or None."""
    quantization = tensor.quantization
    if (
        quantization is None
        or quantization.min is None
        or quantization.max is None
        or not len(quantization.min)
        or not len(quantization.max)
    ):
        return None
    return float(quantization.min[0]), float(quantization.max[0])


def _convert(float_model: FloatModel, inputs: Iterator[NDArray[np.float32]]) -> bytes:
    """A float .tflite whose tensors carry TensorFlow's ranges of these inputs."""

    def samples() -> Iterator[list[NDArray[np.float32]]]:
        for values in inputs:
            yield [values]

    def configure(converter_config: Any, tf: Any) -> None:
        converter_config.optimizations = [tf.lite.Optimize.DEFAULT]
        converter_config.representative_dataset = samples
        converter_config.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        # Calibrate only: the ranges can be inspected and changed before quantizing.
        converter_config._experimental_calibrate_only = True

    return converter.convert(fixed_batch(float_model.core, "float32"), configure)


def _scale_pixels(images: NDArray[np.uint8], scale: float, offset: float) -> Iterator[NDArray[np.float32]]:
    for image in images:
        yield (image[np.newaxis].astype(np.float64) * scale + offset).astype(np.float32)


def _extremes(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The two images with the darkest and the brightest value, from which the input gets its range."""
    flat = images.reshape(len(images), -1)
    return images[[int(flat.min(axis=1).argmin()), int(flat.max(axis=1).argmax())]]


def _cover_full_range(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    # The input's observed range must be all of 0..255, or its scale is not the range's. Two pixels of one photo are
    # enough; whole black and white images would stretch the ranges of the layers behind.
    if images.min() == 0 and images.max() == 255:
        return images
    extra = images[:1].copy()
    extra[0, 0, 0] = 0
    extra[0, -1, -1] = 255
    return np.concatenate([images, extra])
