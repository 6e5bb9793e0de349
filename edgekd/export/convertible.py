"""Whether a model can be exported, tried before it is trained."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.errors import ExportError, ModelError, UnsupportedOpError
from edgekd.export.exporter import export
from edgekd.export.options import ExportOptions
from edgekd.export.verify import stand_in_images
from edgekd.formats.artifact import Artifact
from edgekd.preprocess import Preprocessing
from edgekd.quantize.ptq import Output
from edgekd.quantize.settings import QuantizeSection
from edgekd.task import Task


def check_convertible(
    model: Any,
    formats: Sequence[str] = ("tflite", "onnx"),
    precisions: Sequence[str] = ("float32", "int8"),
    *,
    quantize: QuantizeSection | None = None,
    images: NDArray[np.uint8] | None = None,
    task: Task | None = None,
) -> None:
    """Convert an untrained model to every format and precision, and discard the files.

    Args:
        model: A Keras 3 model of pixel values 0..255 [N, H, W, 3] to logits or probabilities. Weights that are all
            equal, such as those of a new head, are replaced while it is tried.
        formats: As of ``export``; "coreml" is not tried.
        precisions: As of ``export``.
        quantize: The recipe's [quantize]. With ``max_drop`` the ops without an int8 form are allowed to stay float.
        images: Photos uint8 [N, H, W, 3] to calibrate with; by default smooth synthetic ones.
        task: As of ``export``.

    Raises:
        ModelError: The model can't be exported; says in which format, why and what to change.
    """
    section = quantize or QuantizeSection()
    height, width = (int(size) for size in model.inputs[0].shape[1:3])
    photos = stand_in_images(height, width) if images is None else images
    try:
        with _with_random_constants(model), tempfile.TemporaryDirectory(prefix="edgekd-") as folder:
            classes = _classes(model)
            section = _allowing_float_ops(model, section, photos, task)
            export(
                model, Path(folder), "student", labels=tuple(f"class {i}" for i in range(classes)),
                preprocessing=Preprocessing(height=height, width=width), precisions=tuple(precisions),
                formats=tuple(name for name in formats if name != "coreml") or ("tflite",), calibration=photos,
                quantize=section, task=task,
            )  # fmt: skip
    except (ExportError, UnsupportedOpError) as error:
        raise ModelError(f"the student can't be exported, which is tried before it is trained: {error}") from None


def convert_untrained(
    model: Any,
    folder: Path,
    stem: str,
    *,
    labels: tuple[str, ...],
    preprocessing: Preprocessing,
    options: ExportOptions,
    output: Output,
    provenance: Mapping[str, str],
    task: Task | None = None,
) -> Artifact:
    """Convert an untrained model to an int8 .tflite, which costs what the trained one's costs.

    Args:
        model: As of ``check_convertible``.
        folder: Folder to write to.
        stem: First part of the file's name.
        labels: Class names in the order of the outputs.
        preprocessing: How photos become the model's input.
        options: Those of the file that will ship.
        output: Output dtype of that file.
        provenance: Facts that will be stored in it.
        task: As of ``export``.

    Raises:
        ExportError: The model can't be converted.
    """
    with _with_random_constants(model):
        (artifact,) = export(
            model, folder, stem, labels=labels, preprocessing=preprocessing, precisions=("int8",), formats=("tflite",),
            calibration=stand_in_images(preprocessing.height, preprocessing.width),
            quantize=QuantizeSection(ranges="min-max"), options=options, output=output, provenance=provenance,
            task=task,
        )  # fmt: skip
    return artifact


def _classes(model: Any) -> int:
    outputs = int(model.outputs[0].shape[-1])
    # One sigmoid or logit is of two classes.
    return 2 if outputs == 1 else outputs


def _allowing_float_ops(
    model: Any, section: QuantizeSection, photos: NDArray[np.uint8], task: Task | None
) -> QuantizeSection:
    from edgekd.quantize.calibration import calibrate
    from edgekd.quantize.float_model import load_float_model
    from edgekd.quantize.ptq import find_float_ops

    # Whether a network converts does not depend on how its ranges are set.
    if section.max_drop is None:
        return QuantizeSection(ranges="min-max", float_ops=section.float_ops)
    float_ops = find_float_ops(calibrate(load_float_model(model, task), photos))
    return QuantizeSection(ranges="min-max", float_ops=float_ops)


@contextlib.contextmanager
def _with_random_constants(model: Any) -> Iterator[None]:
    """Give kernels whose weights are all equal random ones for a while: a head of zeros can't be quantized."""
    generator = np.random.default_rng(0)
    before = model.get_weights()
    values = [
        generator.normal(0, 0.05, value.shape).astype(value.dtype)
        if value.ndim > 1 and value.size > 1 and not np.ptp(value.astype(np.float64))
        else value
        for value in before
    ]
    model.set_weights(values)
    try:
        yield
    finally:
        model.set_weights(before)
