"""Makes and checks the files of each precision."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgekd.export import onnx_float, onnx_int8, tflite_pack
from edgekd.export.c_array import write_c_array
from edgekd.export.emit.builder import OPSET
from edgekd.export.job import Checked, Job
from edgekd.export.verify import ExpectedOutputs, verify
from edgekd.quantize.per_tensor import convert_by_section
from edgekd.quantize.ptq import (
    Conversion,
    Output,
    prevent_saturation,
    to_dynamic_range,
    to_float16,
    to_float32,
    to_int16x8,
)
from edgekd.quantize.settings import QuantizeSection


def make_float32(job: Job, expected: ExpectedOutputs) -> list[Checked]:
    """The float32 files. Raises ExportError, UnsupportedOpError."""
    name, artifacts, fitted = f"{job.stem}.float32", [], job.fitted("float32")
    expected = expected.with_decision(fitted)
    if "tflite" in job.formats:
        conversion = to_float32(job.float_model)
        record = job.record("float32", conversion.record)
        calibrated = fitted.finish(conversion.content)
        content = tflite_pack.pack(calibrated, record, name=name, batch=job.tflite_batch)
        artifacts.append(job.write("float32", "tflite", content))
    files = [(artifact, verify(artifact, expected)) for artifact in artifacts]
    if job.wants_onnx:
        facts = {"converter": onnx_float.converter(), "opset": OPSET}
        record = job.record("float32", facts, job.options.layout)

        def make_onnx() -> list[Checked]:
            content = onnx_float.from_keras(
                job.float_model, record, name=name, batch=job.onnx_batch, temperature=fitted.temperature
            )
            return [(artifact, verify(artifact, expected)) for artifact in job.write_onnx("float32", content)]

        files += job.attempt(make_onnx)
    return files


def make_extra(job: Job, precision: str, images: NDArray[np.uint8], expected: ExpectedOutputs) -> Checked:
    """The .tflite of a precision that has no other format. Raises ExportError, UnsupportedOpError."""
    if precision == "int16x8":
        conversion = to_int16x8(job.float_model, images)
    else:
        conversion = (to_float16 if precision == "float16" else to_dynamic_range)(job.float_model)
    record, fitted = job.record(precision, conversion.record), job.fitted(precision)
    content = fitted.finish(conversion.content)
    content = tflite_pack.pack(content, record, name=f"{job.stem}.{precision}", batch=job.tflite_batch)
    artifact = job.write(precision, "tflite", content)
    return artifact, verify(artifact, expected.with_decision(fitted))


def int8_conversion(
    job: Job,
    images: NDArray[np.uint8],
    validation: NDArray[np.uint8] | None,
    output: Output,
    quantize: QuantizeSection | Conversion | None,
) -> Conversion:
    """The int8 .tflite that all int8 files are made from. Raises ExportError, UnsupportedOpError."""
    # ONNX Runtime's kernels saturate on some CPUs; the .tflite changes too, so that both have one quantization.
    any_cpu = job.wants_onnx
    if isinstance(quantize, Conversion):
        return prevent_saturation(quantize) if any_cpu else quantize
    section = quantize or QuantizeSection()
    return convert_by_section(job.float_model, images, output, section, validation, any_cpu)


def make_int8(job: Job, conversion: Conversion, expected: ExpectedOutputs) -> list[Checked]:
    """The int8 files of a conversion. Raises ExportError, UnsupportedOpError."""
    precision = conversion.precision
    fitted = job.fitted(precision)
    expected = expected.with_decision(fitted)
    calibrated = fitted.finish(conversion.content)
    name, record = f"{job.stem}.{precision}", job.record(precision, conversion.record)
    files: list[Checked] = []
    content = tflite_pack.pack(calibrated, record, name=name, batch=job.tflite_batch)
    # The other formats are made from the .tflite, even if that is not requested.
    tflite = job.write(precision, "tflite", content)
    if "tflite" in job.formats:
        files.append((tflite, verify(tflite, expected)))
    if job.wants_onnx:
        single = tflite_pack.pack(calibrated, record, name=name)
        onnx_record = job.record(precision, {**conversion.record, "opset": OPSET}, job.options.layout)

        def make_onnx() -> list[Checked]:
            content = onnx_int8.from_tflite(single, onnx_record, name=name, batch=job.onnx_batch)
            return [(artifact, verify(artifact, expected, tflite)) for artifact in job.write_onnx(precision, content)]

        files += job.attempt(make_onnx)
    if "c" in job.formats:

        def make_c() -> list[Checked]:
            write_c_array(tflite, job.directory)
            return []

        files += job.attempt(make_c)
    if "tflite" not in job.formats:
        tflite.path.unlink()
    return files
