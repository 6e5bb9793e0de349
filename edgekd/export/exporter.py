"""Exports a float student to the files that ship; each is run and checked before it is published."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.decisions.fit import FileDecision
from edgekd.errors import GateFailed, UsageError
from edgekd.export import coreml
from edgekd.export.c_array import c_files, identifier
from edgekd.export.job import Checked, Job
from edgekd.export.options import ExportOptions
from edgekd.export.precision_files import int8_conversion, make_extra, make_float32, make_int8
from edgekd.export.record import check_labels
from edgekd.export.verify import compute_expected, stand_in_images
from edgekd.extras import require
from edgekd.formats.artifact import Artifact, sidecar_path
from edgekd.preprocess import Preprocessing
from edgekd.quantize.calibration import check_images
from edgekd.quantize.float_model import FloatModel, load_float_model
from edgekd.quantize.ptq import Conversion, Output
from edgekd.quantize.settings import QuantizeSection
from edgekd.task import Task
from edgekd.temporary import owned_folder

DEFAULT_PRECISIONS = ("float32", "int8")
# Written as .tflite only, whatever the formats.
_EXTRA = ("float16", "dynamic", "int16x8")
# Precisions that need calibration images.
_CALIBRATED = ("int8", "int16x8")
FORMATS = ("tflite", "onnx", "ort", "c", "coreml")


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
    decisions: Mapping[str, FileDecision] | None = None,
    task: Task | None = None,
    none_label: str | None = None,
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
        formats: Of "tflite", "onnx", "ort", "c" (the int8 .tflite as C, see ``c_array``) and "coreml" (an
            .mlpackage for each of ``options.coreml_weights``).
        calibration: Real training images uint8 [N, H, W, 3]; required for int8 and int16x8.
        validation: Further real images on which the best ranges are chosen, beside those of ``calibration``.
        output: Output dtype of int8 files: "float32" probabilities or "uint8".
        quantize: Settings of the int8 conversion, or an int8 .tflite that was converted before. The precision is
            "int8-mixed" if ops stay float.
        provenance: Facts that are stored in every file.
        options: Batch, layout, license and version of the files.
        skipped: If given, files other than .tflite that can't be made are left out, and the reasons are appended here;
            otherwise nothing is written if any file can't be made.
        decisions: What ``decisions.fit`` fitted for the files of each precision; "float32" also for Core ML.
        task: "single-label", or "multi-label" for tags, of which each gets a sigmoid; by default a model that ends in
            two or more sigmoids is of tags.
        none_label: The one of ``labels`` that photos of none of the others have, where there is one; the files say so.

    Returns:
        The artifacts, opened. Files of the format "c" are not artifacts: ``extra_files`` lists them.

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
    float_model = load_float_model(model, task)
    _check_labels(float_model, labels, preprocessing)
    images = stand_in_images(float_model.height, float_model.width) if calibration is None else calibration
    check_images(images, float_model.height, float_model.width)
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    with owned_folder(out, stem) as temporary:
        job = Job(
            float_model, temporary, stem, labels, preprocessing, dict(provenance or {}),
            _weights_hash(float_model), options or ExportOptions(), formats, skipped, decisions or {},
            none_label,
        )  # fmt: skip
        expected = compute_expected(float_model.model, images)
        files = make_float32(job, expected) if "float32" in precisions else []
        if "int8" in precisions:
            files += make_int8(job, int8_conversion(job, images, validation, output, quantize), expected)
        files += [make_extra(job, name, images, expected) for name in _EXTRA if name in precisions]
        if "coreml" in formats:
            files += coreml.make_coreml(job, expected)
        artifacts = [_publish(artifact, out) for artifact in files]
        _publish_rest(job.directory, out)
        return artifacts


def extra_files(out: Path, stem: str, formats: tuple[str, ...]) -> list[Path]:
    """List the files of ``export`` that are not artifacts: the C sources."""
    return list(c_files(out, identifier(f"{stem}.int8"))) if "c" in formats else []


def publish(artifacts: list[Artifact], staging: Path, out: Path) -> list[Artifact]:
    """Move everything that ``export`` wrote to ``staging`` into ``out``; returns the artifacts there."""
    for artifact in artifacts:
        sidecar_path(out / artifact.path.name).unlink(missing_ok=True)
    _publish_rest(staging, out)
    return [Artifact.open(out / artifact.path.name) for artifact in artifacts]


def _publish(file: Checked, out: Path) -> Artifact:
    artifact, parity = file
    path = out / artifact.path.name
    # The sidecar of an older file must not describe the new one.
    sidecar_path(path).unlink(missing_ok=True)
    _replace(artifact.path, path)
    return Artifact.open(path).write_sidecar(parity)


def _publish_rest(directory: Path, out: Path) -> None:
    for path in sorted(directory.iterdir()):
        _replace(path, out / path.name)


def _replace(path: Path, target: Path) -> None:
    # The folder of an .mlpackage cannot replace an existing folder.
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
