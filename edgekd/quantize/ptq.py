"""Post-training quantization, and the conversions that need no calibration.

Every .tflite takes uint8 pixels and gives probabilities.
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
from edgekd.quantize.calibration import CalibratedModel, calibrate, check_images
from edgekd.quantize.calibration_method import CalibrationMethod, set_ranges
from edgekd.quantize.float_model import FloatModel, fixed_batch
from edgekd.quantize.io_types import set_io_types
from edgekd.quantize.op_names import OpNames
from edgekd.quantize.saturation import narrow_weights

Output = Literal["float32", "uint8"]


@dataclass(frozen=True)
class Conversion:
    """A converted model: the .tflite ``content``, and a record of how it was made.

    ``float_content`` is a float .tflite with the weights that those of ``content`` were rounded from, if it is known.
    """

    content: bytes
    record: dict[str, Any]
    float_content: bytes | None = field(default=None, repr=False)

    @property
    def precision(self) -> str:
        """``int8``, or ``int8-mixed`` where named ops stayed float."""
        return "int8-mixed" if self.record.get("float_ops") else "int8"


def to_float32(float_model: FloatModel) -> Conversion:
    """Convert to a float32 .tflite; the range of its pixels is computed in the graph.

    Raises: ExportError; UnsupportedOpError naming an op that is not among TFLite's built-in ones.
    """

    def configure(made: Any, tf: Any) -> None:
        made.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]

    return _plain(float_model, configure)


def to_float16(float_model: FloatModel) -> Conversion:
    """Convert with weights in float16; a CPU computes in float32, a GPU may compute in float16. Raises ExportError."""

    def configure(made: Any, tf: Any) -> None:
        made.optimizations = [tf.lite.Optimize.DEFAULT]
        made.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        made.target_spec.supported_types = [tf.float16]

    return _plain(float_model, configure)


def to_dynamic_range(float_model: FloatModel) -> Conversion:
    """Convert with int8 weights and activations that are quantized anew for every image. Raises ExportError."""

    def configure(made: Any, tf: Any) -> None:
        made.optimizations = [tf.lite.Optimize.DEFAULT]
        made.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]

    return _plain(float_model, configure)


def to_int16x8(float_model: FloatModel, calibration: NDArray[np.uint8]) -> Conversion:
    """Convert to int16 activations and int8 weights: finer steps, int32 or int64 sums.

    ``calibration`` is uint8 [N, H, W, 3], real training images. Pixels become int16 at the graph's start.

    Raises: ExportError, UnsupportedOpError.
    """
    images = check_images(calibration, float_model.height, float_model.width)

    def samples() -> Iterator[list[NDArray[np.uint8]]]:
        for image in images:
            yield [image[np.newaxis]]

    def configure(made: Any, tf: Any) -> None:
        made.optimizations = [tf.lite.Optimize.DEFAULT]
        made.representative_dataset = samples
        int16x8 = tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        # Ops without an int16x8 form stay float.
        made.target_spec.supported_ops = [int16x8, tf.lite.OpsSet.TFLITE_BUILTINS]

    conversion = _plain(float_model, configure)
    return Conversion(
        conversion.content, {**conversion.record, "calibration_images": len(images), "calibration_method": "min-max"}
    )


def to_int8(
    float_model: FloatModel,
    calibration: NDArray[np.uint8],
    output: Output = "float32",
    *,
    ranges: CalibrationMethod = "min-max",
    float_ops: tuple[str, ...] = (),
    any_cpu: bool = False,
    per_channel: bool = True,
) -> Conversion:
    """Convert to a .tflite of integers; ``float_ops`` (see ``OpNames``) stay float.

    ``calibration`` is uint8 [N, H, W, 3], real training images. ``any_cpu`` is for a file from which an .onnx is made:
    see ``saturation``. Weights get a scale per output channel or, not ``per_channel``, one per tensor.

    Raises: ExportError if calibration images do not fit, an op stays float that was not named or the input's scale is
    wrong; UnsupportedOpError naming an op that is not among TFLite's built-in ones.
    """
    calibrated = set_ranges(calibrate(float_model, calibration, per_channel=per_channel), ranges)
    return quantize_int8(calibrated, output, float_ops=float_ops, any_cpu=any_cpu)


def quantize_int8(
    calibrated: CalibratedModel, output: Output = "float32", *, float_ops: tuple[str, ...] = (), any_cpu: bool = False
) -> Conversion:
    """The second half of ``to_int8``: quantize a calibrated model. Raises ExportError."""
    float_tensors = OpNames.read(calibrated.content).match(float_ops)
    content = converter.quantize(calibrated.content, float_tensors, per_channel=calibrated.per_channel)
    content = set_io_types(content, calibrated.scale, calibrated.offset, uint8_output=output == "uint8")
    check_int8(content, calibrated.scale, calibrated.offset, mixed=bool(float_tensors))
    record = {
        **calibrated.record,
        **({"float_ops": list(float_ops)} if float_tensors else {}),
        **({} if calibrated.per_channel else {"weight_scales": "one per tensor"}),
    }
    conversion = Conversion(content, record, calibrated.content)
    return prevent_saturation(conversion) if any_cpu else conversion


def find_float_ops(calibrated: CalibratedModel) -> tuple[str, ...]:
    """Names (see ``OpNames``) of the ops that have no int8 form and would stay float. Raises ExportError."""
    return _name_float_ops(converter.quantize(calibrated.content))


def _name_float_ops(content: bytes) -> tuple[str, ...]:
    """The kind of op where all of it stay float, else the ops themselves."""
    graph = tflite_file.read(content, "the int8 conversion")
    floats = {op.index for op in tflite_file.find_float_ops(graph)}
    ops = [op for op in OpNames.read(content).ops if op.kind not in ("QUANTIZE", "DEQUANTIZE")]
    partly = {op.kind for op in ops if op.index not in floats}
    names = [str(op) if op.kind in partly else op.kind for op in ops if op.index in floats]
    return tuple(dict.fromkeys(names))


def prevent_saturation(conversion: Conversion) -> Conversion:
    """Narrow the weights so that no CPU's kernels saturate, and record it; see ``saturation``."""
    if "weight_range" in conversion.record:
        return conversion
    content, weight_range = narrow_weights(conversion.content, conversion.float_content)
    return replace(conversion, content=content, record={**conversion.record, **weight_range.record()})


def check_int8(content: bytes, scale: float, offset: float, *, mixed: bool = False) -> None:
    """Raise ExportError unless a .tflite computes in integers (unless ``mixed``) and has the expected input range."""
    graph = tflite_file.read(content, "the int8 conversion")
    if not mixed and (float_ops := _name_float_ops(content)):
        options = " ".join(f"--float-op {name}" for name in float_ops[:10])
        raise ExportError(
            f"ops stayed float in the int8 file: {', '.join(float_ops[:10])}. Allow them with "
            f"{options} (in a recipe: [quantize] float_ops), let --max-drop (max_drop) do it, or replace the layers by "
            "ones with an integer form (ReLU, ReLU6, hard-swish, convolution, pooling, dense)"
        )
    tensor = graph.tensors[graph.inputs[0]]
    zero_point = round(-offset / scale)
    quantization = (float(tensor.scales[0]), int(tensor.zero_points[0])) if len(tensor.scales) == 1 else (0.0, 0)
    if tensor.type != "UINT8" or abs(quantization[0] - scale) > 1e-6 * scale or quantization[1] != zero_point:
        raise ExportError(
            f"the int8 file's input became {tensor.type} with scale {quantization[0]:.9g} and zero point "
            f"{quantization[1]}, not UINT8 with {scale:.9g} and {zero_point}. The converter changed the range: report "
            "this with the model"
        )


def _plain(float_model: FloatModel, configure: converter.Configure) -> Conversion:
    content = converter.convert(fixed_batch(float_model.model, "uint8"), configure)
    return Conversion(content, {"converter": converter.version()})
