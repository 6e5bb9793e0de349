"""Every file that is compared: those that ship, and the alternatives that also avoid saturation or do not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from edgekd.export import onnx_float, onnx_int8, tflite_pack
from edgekd.export.record import Record
from edgekd.preprocess import Preprocessing
from edgekd.quantize.calibration import calibrate
from edgekd.quantize.float_model import FloatModel, load_float_model
from edgekd.quantize.ptq import Conversion, prevent_saturation, quantize_int8, to_float32
from edgekd.storage import write_bytes, write_json

U8 = "u8"
# Files that ONNX Runtime quantizes by itself, and the type of their activations.
BY_ONNXRUNTIME = {"ort-u8": "QUInt8", "ort-s8": "QInt8"}


def make_files(model: Any, calibration: NDArray[np.uint8], folder: Path) -> None:
    """Write all files of a network, and what narrowing did to its weights.

    ``int8`` is what ships: s8 weights, with channels that could saturate narrowed and rounded from the float weights.
    ``from-int8`` is the same, rounded from the int8 weights; ``full`` has s8 weights of full range.
    """
    source = load_float_model(model)
    calibrated, float32 = calibrate(source, calibration), to_float32(source)
    full = quantize_int8(calibrated)
    record = _record(source, "float32", float32)
    write_bytes(folder / "float32.tflite", tflite_pack.pack(float32.content, record, name="float32"))
    write_bytes(folder / "float32.onnx", onnx_float.from_keras(source, record, name="float32", batch=1))
    shipped, from_int8 = prevent_saturation(full), prevent_saturation(replace(full, float_content=None))
    for name, conversion in {"int8": shipped, "from-int8": from_int8, "full": full}.items():
        record = _record(source, "int8", conversion)
        packed = tflite_pack.pack(conversion.content, record, name=name)
        write_bytes(folder / f"{name}.tflite", packed)
        write_bytes(folder / f"{name}.onnx", onnx_int8.from_tflite(packed, record, name=name, batch=1))
    write_bytes(folder / f"{U8}.onnx", with_u8_weights((folder / "full.onnx").read_bytes()))
    for name, activations in BY_ONNXRUNTIME.items():
        by_onnxruntime(folder / "float32.onnx", folder / f"{name}.onnx", calibration, activations)
    write_json(
        folder / "narrowing.json",
        {"weights": shipped.record["weight_range"], "weights_reason": shipped.record["weight_range_reason"]},
    )


def with_u8_weights(content: bytes) -> bytes:
    """The file with weights as uint8 of zero point 128: the same values by other kernels."""
    model = onnx.load_from_string(content)
    constants = {one.name: one for one in model.graph.initializer}
    shifted: dict[str, onnx.TensorProto] = {}
    for node in model.graph.node:
        weights = constants.get(node.input[0])
        if node.op_type == "DequantizeLinear" and weights and weights.data_type == onnx.TensorProto.INT8:
            for position in (0, 2):
                old = node.input[position]
                values = (numpy_helper.to_array(constants[old]).astype(np.int16) + 128).astype(np.uint8)
                shifted[f"{old}_u8"] = numpy_helper.from_array(values, f"{old}_u8")
                node.input[position] = f"{old}_u8"
    model.graph.initializer.extend(shifted.values())
    return bytes(model.SerializeToString())


def by_onnxruntime(source: Path, target: Path, calibration: NDArray[np.uint8], activations: str) -> None:
    """ONNX Runtime's own static quantization: QDQ, s8 weights by channel, without its pre-processing."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    name = onnx.load(source).graph.input[0].name

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._images = iter(calibration)

        def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
            image = next(self._images, None)
            return None if image is None else {name: image[np.newaxis]}

    quantize_static(
        str(source), str(target), Reader(), quant_format=QuantFormat.QDQ, per_channel=True,
        activation_type=QuantType[activations], weight_type=QuantType.QInt8,
    )  # fmt: skip


def _record(source: FloatModel, precision: str, conversion: Conversion) -> Record:
    labels = tuple(f"class {i}" for i in range(source.classes))
    settings = Preprocessing(height=source.height, width=source.width)
    return Record(labels, settings, precision, source.range_in_graph, conversion.record)
