"""Conversion of a float student to .tflite: float32 as it is, int8 by post-training quantization.

The only module that runs TensorFlow's converter; TensorFlow is imported when a function is called.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgekd import tflite_file
from edgekd.errors import ExportError, UnsupportedOpError
from edgekd.quantize.source import Source, fixed_batch
from edgekd.quiet import quiet

Output = Literal["float32", "uint8"]
_NOT_BUILTIN = re.compile(r"'tf\.(\w+)' op is neither a custom op nor a flex op")


@dataclass(frozen=True)
class Conversion:
    """A converted model: the .tflite ``content``, and a record of how it came about."""

    content: bytes
    record: dict[str, Any]


def to_float32(source: Source) -> Conversion:
    """Convert to a float32 .tflite with a uint8 input; its range is computed in the graph.

    Raises: ExportError; UnsupportedOpError naming an op that is not among TFLite's built-in ones.
    """
    model = fixed_batch(source.whole, "uint8")

    def configure(converter: Any, tf: Any) -> None:
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]

    content = _convert(model, configure)
    return Conversion(content, {"converter": _version()})


def to_int8(source: Source, calibration: NDArray[np.uint8], output: Output = "float32") -> Conversion:
    """Convert to a .tflite of integers only, with per-channel weights.

    ``calibration`` is uint8 [N, H, W, 3], real training images. The range becomes the input's quantization where it
    can (``Source.pixel_range``), else it stays in the graph behind an input of scale 1.

    Raises: ExportError if calibration images do not fit, an op stays float or the input's scale is not as meant;
    UnsupportedOpError naming an op that is not among TFLite's built-in ones.
    """
    images = check_calibration(calibration, source.height, source.width)
    scale, offset = (source.pixel_range.scale, source.pixel_range.offset) if source.pixel_range else (1.0, 0.0)

    def samples() -> Iterator[list[NDArray[np.float32]]]:
        for image in _with_full_range(images):
            yield [(image[np.newaxis].astype(np.float64) * scale + offset).astype(np.float32)]

    def configure(converter: Any, tf: Any) -> None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = samples
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.uint8
        converter.inference_output_type = tf.float32 if output == "float32" else tf.uint8

    content = _convert(fixed_batch(source.core, "float32"), configure)
    _check_int8(content, scale, offset)
    record = {
        "converter": _version(),
        "calibration_images": len(images),
        "calibration_sha256": hashlib.sha256(np.ascontiguousarray(images).tobytes()).hexdigest(),
        "calibration_method": "min-max",
    }
    return Conversion(content, record)


def check_calibration(images: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
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
    return images


def _with_full_range(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    # The input's observed range must be all of 0..255, or its scale is not the range's. Two pixels of one photo are
    # enough; whole black and white images would stretch the ranges of the layers behind.
    if images.min() == 0 and images.max() == 255:
        return images
    extra = images[:1].copy()
    extra[0, 0, 0] = 0
    extra[0, -1, -1] = 255
    return np.concatenate([images, extra])


def _check_int8(content: bytes, scale: float, offset: float) -> None:
    graph = tflite_file.read(content, "the int8 conversion")
    left = tflite_file.float_ops(graph)
    if left:
        raise ExportError(
            f"{len(left)} ops stayed float in the int8 file: {'; '.join(left[:10])}. Replace these layers by ones with "
            "an integer form (ReLU, ReLU6, hard-swish, convolution, pooling, dense), or export float32"
        )
    tensor = graph.tensors[graph.inputs[0]]
    wanted = round(-offset / scale)
    found = (float(tensor.scales[0]), int(tensor.zero_points[0])) if len(tensor.scales) == 1 else (0.0, 0)
    if tensor.type != "UINT8" or abs(found[0] - scale) > 1e-6 * scale or found[1] != wanted:
        raise ExportError(
            f"the int8 file's input became {tensor.type} with scale {found[0]:.9g} and zero point {found[1]}, not "
            f"UINT8 with {scale:.9g} and {wanted}. The converter changed the range: report this with the model"
        )


def _convert(model: Any, configure: Callable[[Any, Any], None]) -> bytes:
    with quiet() as read_log:
        import tensorflow as tf

        converter = tf.lite.TFLiteConverter.from_keras_model(model)
        configure(converter, tf)
        try:
            return bytes(converter.convert())
        except Exception as error:  # the converter raises many kinds
            reason = str(error).strip() or read_log()[-2000:]
            missing = sorted(set(_NOT_BUILTIN.findall(reason)))
            if missing:
                raise UnsupportedOpError(
                    f"{model.name} needs {', '.join(missing)}, which TFLite's built-in ops do not have: an app would "
                    "need TensorFlow's own kernels (Flex, Select TF). Replace the layers that they come from"
                ) from None
            raise ExportError(
                f"TensorFlow could not convert {model.name}: {reason[:2000]}. Ops outside TFLite's built-in ones are "
                "not supported: replace the layer named above"
            ) from None


def _version() -> str:
    import tensorflow as tf

    return f"tensorflow {tf.__version__}"
