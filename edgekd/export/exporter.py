"""Exports a float student to the files that ship; each is run and checked before it is published."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd._version import __version__
from edgekd.errors import ExportError, GateFailed, UnsupportedOpError, UsageError
from edgekd.export import coreml, onnx_float, onnx_int8, onnx_pack, tflite_pack
from edgekd.export.c_array import identifier, write_c_array
from edgekd.export.emit.builder import OPSET
from edgekd.export.options import Batch, ExportOptions, Layout, needs_onnx
from edgekd.export.record import Record, check_labels
from edgekd.export.verify import ExpectedOutputs, ParityRecord, compute_expected, stand_in_images, verify
from edgekd.extras import require
from edgekd.formats.artifact import Artifact, sidecar_path
from edgekd.preprocess import Preprocessing
from edgekd.quantize.best_ranges import convert_int8
from edgekd.quantize.calibration import check_images
from edgekd.quantize.float_model import FloatModel, load_float_model
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
from edgekd.storage import write_bytes
from edgekd.temporary import owned_folder

DEFAULT_PRECISIONS = ("float32", "int8")
# Written as .tflite only, whatever the formats.
_EXTRA = ("float16", "dynamic", "int16x8")
# Precisions that need calibration images.
_CALIBRATED = ("int8", "int16x8")
FORMATS = ("tflite", "onnx", "ort", "c", "coreml")

# A file and its parity record.
_Checked = tuple[Artifact, ParityRecord]


def export(
    model: Any,
    out: str | os.PathLike[str],
    stem: str,
    *,
    labels: tuple[str, ...],
    preprocessing: Preprocessing,
    precisions: tuple[str, ...] = DEFAULT_PRECISIONS,
    formats: tuple[str, ...] = ("tflite", "onnx"),
    calibration: NDArray[np.uint8] | None = None,
    validation: NDArray[np.uint8] | None = None,
    output: Output = "float32",
    quantize: QuantizeSection | Conversion | None = None,
    provenance: Mapping[str, str] | None = None,
    options: ExportOptions | None = None,
    skipped: list[str] | None = None,
) -> list[Artifact]:
    """Write ``<stem>.<precision>.<format>`` and its sidecar for every requested precision and format.

    Nothing appears under ``out`` until every file has been run by its runtime and agrees with the Keras model.

    Args:
        model: A Keras 3 model of pixel values 0..255 [N, H, W, 3], or the path of a ``.keras`` file.
        out: Folder to write to; created if it is missing.
        stem: First part of the file names.
        labels: Class names in the order of the outputs.
        preprocessing: How photos become the model's input; its size must be the model's.
        precisions: Of "float32", "int8", "float16", "dynamic" and "int16x8"; the last three are .tflite only.
        formats: Of "tflite", "onnx", "ort", "c" (the int8 .tflite as C, see ``c_array``) and "coreml" (float16, which
            can be run on Apple's systems only).
        calibration: Real training images uint8 [N, H, W, 3]; required for int8 and int16x8.
        validation: Further real images on which the best ranges are chosen, beside those of ``calibration``.
        output: Output dtype of int8 files: "float32" probabilities or "uint8".
        quantize: Settings of the int8 conversion, or an int8 .tflite that was converted before. The precision is
            "int8-mixed" if ops stay float.
        provenance: Facts that are stored in every file.
        options: Batch, layout, license and version of the files.
        skipped: If given, files other than .tflite that can't be made are left out, and the reasons are appended here;
            otherwise nothing is written if any file can't be made.

    Returns:
        The artifacts, opened. Files of the formats "c" and "coreml" are not artifacts: ``extra_files`` lists them.

    Raises:
        UsageError: An argument does not fit the others.
        ExportError: The model can't be converted, or a file differs from the model by more than rounding.
        UnsupportedOpError: An op has no form in a requested format.
        GateFailed: The number of labels is not the number of outputs.
    """
    require("train", "exporting a model")
    _check_names("precisions", precisions, (*DEFAULT_PRECISIONS, *_EXTRA))
    _check_names("formats", formats, FORMATS)
    if calibration is None and (needing := [name for name in precisions if name in _CALIBRATED]):
        raise UsageError(
            f"{' and '.join(needing)} needs calibration images: pass real training images, or request float32 only"
        )
    if "c" in formats and "int8" not in precisions:
        raise UsageError("the c format is made from the int8 .tflite: request int8 too, or leave out c")
    if "coreml" in formats:
        coreml.check_installed()
    float_model = load_float_model(model)
    _check_labels(float_model, labels, preprocessing)
    images = stand_in_images(float_model.height, float_model.width) if calibration is None else calibration
    check_images(images, float_model.height, float_model.width)
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    with owned_folder(out, stem) as temporary:
        job = _Job(
            float_model, temporary, stem, labels, preprocessing, dict(provenance or {}),
            _weights_hash(float_model), options or ExportOptions(), formats, skipped,
        )  # fmt: skip
        expected = compute_expected(float_model.model, images)
        files = _make_float32(job, expected) if "float32" in precisions else []
        if "int8" in precisions:
            files += _make_int8(job, _int8(job, images, validation, output, quantize), expected)
        files += [_make_extra(job, name, images, expected) for name in _EXTRA if name in precisions]
        if "coreml" in formats:
            path = job.directory / f"{stem}.float16.mlpackage"
            coreml.write_mlpackage(float_model, job.record("float16", {"converter": coreml.converter()}), path)
        artifacts = [_publish(artifact, out) for artifact in files]
        _publish_rest(job.directory, out)
        return artifacts


def extra_files(out: Path, stem: str, formats: tuple[str, ...]) -> list[Path]:
    """List the files of ``export`` that are not artifacts: the C sources and the .mlpackage."""
    name = identifier(f"{stem}.int8")
    paths = {
        "c": [out / f"{name}.h", out / f"{name}.c", out / f"{name}_main.cc"],
        "coreml": [out / f"{stem}.float16.mlpackage"],
    }
    return [path for kind, names_of_format in paths.items() if kind in formats for path in names_of_format]


@dataclass(frozen=True)
class _Job:
    float_model: FloatModel
    directory: Path
    stem: str
    labels: tuple[str, ...]
    preprocessing: Preprocessing
    provenance: dict[str, str]
    weights_sha256: str
    options: ExportOptions
    formats: tuple[str, ...]
    skipped: list[str] | None

    @property
    def wants_onnx(self) -> bool:
        return needs_onnx(self.formats)

    @property
    def tflite_batch(self) -> Batch:
        return self.options.batch or 1

    @property
    def onnx_batch(self) -> Batch:
        return self.options.batch or "dynamic"

    def record(self, precision: str, conversion: Mapping[str, Any], layout: Layout = "nhwc") -> Record:
        facts = {
            "edgekd": __version__,
            "parameters": self.float_model.parameters,
            "weights_sha256": self.weights_sha256,
            **conversion,
        }
        return Record(
            self.labels, self.preprocessing, precision, self.float_model.range_in_graph, self.provenance | facts,
            layout, self.options.license, self.options.version,
        )  # fmt: skip

    def write(self, precision: str, kind: str, content: bytes) -> Artifact:
        path = self.directory / f"{self.stem}.{precision}.{kind}"
        write_bytes(path, content)
        return Artifact.open(path)

    def attempt(self, make: Callable[[], list[_Checked]]) -> list[_Checked]:
        """Make files, or note why they are skipped where that is allowed."""
        try:
            return make()
        except (ExportError, UnsupportedOpError) as error:
            if self.skipped is None:
                raise
            self.skipped.append(str(error))
            return []

    def write_onnx(self, precision: str, content: bytes) -> list[Artifact]:
        """Write the .onnx and the .ort, as far as requested."""
        name, artifacts = f"{self.stem}.{precision}", []
        if "onnx" in self.formats:
            artifacts.append(self.write(precision, "onnx", content))
        if "ort" in self.formats:
            artifacts.append(self.write(precision, "ort", onnx_pack.pack_ort(content, name=name)))
        return artifacts


def _make_float32(job: _Job, expected: ExpectedOutputs) -> list[_Checked]:
    name, artifacts = f"{job.stem}.float32", []
    if "tflite" in job.formats:
        conversion = to_float32(job.float_model)
        record = job.record("float32", conversion.record)
        content = tflite_pack.pack(conversion.content, record, name=name, batch=job.tflite_batch)
        artifacts.append(job.write("float32", "tflite", content))
    files = [(artifact, verify(artifact, expected)) for artifact in artifacts]
    if job.wants_onnx:
        facts = {"converter": onnx_float.converter(), "opset": OPSET}
        record = job.record("float32", facts, job.options.layout)

        def make_onnx() -> list[_Checked]:
            content = onnx_float.from_keras(job.float_model, record, name=name, batch=job.onnx_batch)
            return [(artifact, verify(artifact, expected)) for artifact in job.write_onnx("float32", content)]

        files += job.attempt(make_onnx)
    return files


def _make_extra(job: _Job, precision: str, images: NDArray[np.uint8], expected: ExpectedOutputs) -> _Checked:
    if precision == "int16x8":
        conversion = to_int16x8(job.float_model, images)
    else:
        conversion = (to_float16 if precision == "float16" else to_dynamic_range)(job.float_model)
    record = job.record(precision, conversion.record)
    content = tflite_pack.pack(conversion.content, record, name=f"{job.stem}.{precision}", batch=job.tflite_batch)
    artifact = job.write(precision, "tflite", content)
    return artifact, verify(artifact, expected)


def _int8(
    job: _Job,
    images: NDArray[np.uint8],
    validation: NDArray[np.uint8] | None,
    output: Output,
    quantize: QuantizeSection | Conversion | None,
) -> Conversion:
    # ONNX Runtime's kernels saturate on some CPUs; the .tflite changes too, so that both have one quantization.
    any_cpu = job.wants_onnx
    if isinstance(quantize, Conversion):
        return prevent_saturation(quantize) if any_cpu else quantize
    section = quantize or QuantizeSection()
    return convert_int8(
        job.float_model, images, output, ranges=section.ranges, validation=validation, float_ops=section.float_ops,
        any_cpu=any_cpu,
    )  # fmt: skip


def _make_int8(job: _Job, conversion: Conversion, expected: ExpectedOutputs) -> list[_Checked]:
    precision = conversion.precision
    name, record = f"{job.stem}.{precision}", job.record(precision, conversion.record)
    files: list[_Checked] = []
    content = tflite_pack.pack(conversion.content, record, name=name, batch=job.tflite_batch)
    # The other formats are made from the .tflite, even if that is not requested.
    tflite = job.write(precision, "tflite", content)
    if "tflite" in job.formats:
        files.append((tflite, verify(tflite, expected)))
    if job.wants_onnx:
        single = tflite_pack.pack(conversion.content, record, name=name)
        onnx_record = job.record(precision, {**conversion.record, "opset": OPSET}, job.options.layout)

        def make_onnx() -> list[_Checked]:
            content = onnx_int8.from_tflite(single, onnx_record, name=name, batch=job.onnx_batch)
            return [(artifact, verify(artifact, expected, tflite)) for artifact in job.write_onnx(precision, content)]

        files += job.attempt(make_onnx)
    if "c" in job.formats:

        def make_c() -> list[_Checked]:
            write_c_array(tflite, job.directory)
            return []

        files += job.attempt(make_c)
    if "tflite" not in job.formats:
        tflite.path.unlink()
    return files


def publish(artifacts: list[Artifact], staging: Path, out: Path) -> list[Artifact]:
    """Move everything that ``export`` wrote to ``staging`` into ``out``; returns the artifacts there."""
    for artifact in artifacts:
        sidecar_path(out / artifact.path.name).unlink(missing_ok=True)
    _publish_rest(staging, out)
    return [Artifact.open(out / artifact.path.name) for artifact in artifacts]


def _publish(file: _Checked, out: Path) -> Artifact:
    artifact, parity = file
    path = out / artifact.path.name
    # The sidecar of an older file must not describe the new one.
    sidecar_path(path).unlink(missing_ok=True)
    artifact.path.replace(path)
    return Artifact.open(path).write_sidecar(parity)


def _publish_rest(directory: Path, out: Path) -> None:
    # C sources, and the folder of an .mlpackage, which cannot replace an existing folder.
    for path in sorted(directory.iterdir()):
        target = out / path.name
        if path.is_dir():
            shutil.rmtree(target, ignore_errors=True)
        path.replace(target)


def _check_names(what: str, names: tuple[str, ...], choices: tuple[str, ...]) -> None:
    unknown = [name for name in names if name not in choices]
    if unknown or not names:
        raise UsageError(f"{what} must be among {', '.join(choices)}, got {', '.join(unknown) or 'none'}")


def _check_labels(float_model: FloatModel, labels: tuple[str, ...], preprocessing: Preprocessing) -> None:
    check_labels(labels)
    if len(labels) != float_model.classes:
        raise GateFailed(
            f"the model gives {float_model.classes} values and there are {len(labels)} labels: "
            f"{', '.join(labels[:10])}. Pass the labels it was trained with, in their order"
        )
    if (preprocessing.height, preprocessing.width) != (float_model.height, float_model.width):
        raise UsageError(
            f"the model takes {float_model.height} x {float_model.width} and the preprocessing makes "
            f"{preprocessing.height} x {preprocessing.width}. Pass Preprocessing(height={float_model.height}, "
            f"width={float_model.width})"
        )


def _weights_hash(float_model: FloatModel) -> str:
    state = hashlib.sha256()
    for value in float_model.model.get_weights():
        state.update(np.ascontiguousarray(value).tobytes())
    return state.hexdigest()
