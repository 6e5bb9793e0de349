"""Post-training quantization, and the conversions that need no calibration.

Every .tflite takes uint8 pixels and gives probabilities, whatever is computed in between.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgekd.errors import ExportError
from edgekd.formats import tflite_file
from edgekd.quantize import converter
from edgekd.quantize.calibration import Calibrated, calibrate, check_images
from edgekd.quantize.float_model import Source, fixed_batch
from edgekd.quantize.io_types import with_uint8_pixels
from edgekd.quantize.op_names import OpNames
from edgekd.quantize.ranges import RangeMethod, with_ranges
from edgekd.quantize.saturation import narrowed

Output = Literal["float32", "uint8"]


@dataclass(frozen=True)
class Conversion:
    """A converted model: the .tflite ``content``, and a record of how it came about.

    ``float_content`` is a float .tflite with the weights that those of ``content`` were rounded from, if it is known.
    """

    content: bytes
    record: dict[str, Any]
    float_content: bytes | None = field(default=None, repr=False)

    @property
    def precision(self) -> str:
        """``int8``, or ``int8-mixed`` where named ops stayed float."""
        return "int8-mixed" if self.record.get("float_ops") else "int8"


def to_float32(source: Source) -> Conversion:
    """Convert to a float32 .tflite; the range of its pixels is computed in the graph.

    Raises: ExportError; UnsupportedOpError naming an op that is not among TFLite's built-in ones.
    """

    def configure(made: Any, tf: Any) -> None:
        made.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]

    return _plain(source, configure)


def to_float16(source: Source) -> Conversion:
    """Convert with weights in float16; a CPU computes in float32, a GPU may compute in float16. Raises ExportError."""

    def configure(made: Any, tf: Any) -> None:
        made.optimizations = [tf.lite.Optimize.DEFAULT]
        made.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        made.target_spec.supported_types = [tf.float16]

    return _plain(source, configure)


def to_dynamic_range(source: Source) -> Conversion:
    """Convert with int8 weights and activations that are quantized anew for every image. Raises ExportError."""

    def configure(made: Any, tf: Any) -> None:
        made.optimizations = [tf.lite.Optimize.DEFAULT]
        made.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]

    return _plain(source, configure)


def to_int16x8(source: Source, calibration: NDArray[np.uint8]) -> Conversion:
    """Convert to int16 activations and int8 weights: finer steps, int32 or int64 sums.

    ``calibration`` is uint8 [N, H, W, 3], real training images. Pixels become int16 at the graph's start.

    Raises: ExportError, UnsupportedOpError.
    """
    images = check_images(calibration, source.height, source.width)

    def samples() -> Iterator[list[NDArray[np.uint8]]]:
        for image in images:
            yield [image[np.newaxis]]

    def configure(made: Any, tf: Any) -> None:
        made.optimizations = [tf.lite.Optimize.DEFAULT]
        made.representative_dataset = samples
        wanted = tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        # Ops without such a form stay float.
        made.target_spec.supported_ops = [wanted, tf.lite.OpsSet.TFLITE_BUILTINS]

    made = _plain(source, configure)
    return Conversion(made.content, {**made.record, "calibration_images": len(images), "calibration_method": "min-max"})


def to_int8(
    source: Source,
    calibration: NDArray[np.uint8],
    output: Output = "float32",
    *,
    ranges: RangeMethod = "min-max",
    float_ops: tuple[str, ...] = (),
    any_cpu: bool = False,
) -> Conversion:
    """Convert to a .tflite of integers with per-channel weights; ``float_ops`` (see ``OpNames``) stay float.

    ``calibration`` is uint8 [N, H, W, 3], real training images. ``any_cpu`` is for a file that an .onnx is made of: see
    ``saturation``.

    Raises: ExportError if calibration images do not fit, an op stays float that was not named or the input's scale is
    not as meant; UnsupportedOpError naming an op that is not among TFLite's built-in ones.
    """
    calibrated = with_ranges(calibrate(source, calibration), ranges)
    return int8_of(calibrated, output, float_ops=float_ops, any_cpu=any_cpu)


def int8_of(
    calibrated: Calibrated, output: Output = "float32", *, float_ops: tuple[str, ...] = (), any_cpu: bool = False
) -> Conversion:
    """The second half of ``to_int8``: quantize by ranges that are known. Raises ExportError."""
    chosen = OpNames.of(calibrated.content).matching(float_ops)
    content = converter.quantize(calibrated.content, chosen)
    content = with_uint8_pixels(content, calibrated.scale, calibrated.offset, uint8_output=output == "uint8")
    check_int8(content, calibrated.scale, calibrated.offset, mixed=bool(chosen))
    record = {**calibrated.record, **({"float_ops": list(float_ops)} if chosen else {})}
    made = Conversion(content, record, calibrated.content)
    return for_any_cpu(made) if any_cpu else made


def for_any_cpu(conversion: Conversion) -> Conversion:
    """The conversion with weights that no CPU's kernels saturate, and a record of that; see ``saturation``."""
    if "weight_range" in conversion.record:
        return conversion
    content, found = narrowed(conversion.content, conversion.float_content)
    return replace(conversion, content=content, record={**conversion.record, **found.record()})


def check_int8(content: bytes, scale: float, offset: float, *, mixed: bool = False) -> None:
    """Raise ExportError unless a .tflite computes in integers (but for a ``mixed`` one) and takes pixels as meant."""
    graph = tflite_file.read(content, "the int8 conversion")
    left = tflite_file.float_ops(graph)
    if left and not mixed:
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


def _plain(source: Source, configure: converter.Configure) -> Conversion:
    content = converter.convert(fixed_batch(source.whole, "uint8"), configure)
    return Conversion(content, {"converter": converter.version()})
