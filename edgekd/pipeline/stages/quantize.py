"""Stage ``quantize``: the student's int8 .tflite, where more than one conversion, or a training, decides."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekd.data.images import images_of, some_of
from edgekd.export.options import needs_onnx
from edgekd.pipeline.context import RunContext
from edgekd.pipeline.qat_training import sparsify_on_soft_targets, train_qat_on_soft_targets
from edgekd.pipeline.shipped import shipped_student
from edgekd.pipeline.student_training import student_validation
from edgekd.preprocess import Preprocessing
from edgekd.quantize.ladder import climb_ladder, least_agreement
from edgekd.quantize.per_tensor import convert_by_section
from edgekd.quantize.ptq import Conversion, prevent_saturation
from edgekd.quantize.settings import QuantizeSection
from edgekd.storage import read_json, write_bytes, write_json

_FILE, _RECORD = "student.tflite", "quantize.json"


def run(context: RunContext) -> None:
    """Make the student's int8 .tflite where ``[quantize]`` asks for a guarantee or a training, or a stage reads it.

    It writes ``quantize/``.

    Raises GateFailed where no step of the ladder keeps ``max_drop``; what each gave is in ``quantize.json`` then too.
    """
    recipe, hashes = context.recipe, context.workspace.hashes
    section = recipe.quantize
    depends = {
        "student": hashes[shipped_student(context).stage],
        "soft_targets": hashes["soft_targets"],
        "quantize": section.model_dump(mode="json"),
        "objective": recipe.distill.model_dump(mode="json"),
        "calibration": recipe.export.calibration,
        "output": recipe.export.output,
        "formats": recipe.export.formats,
        "metric": recipe.metric,
        "min_agreement": recipe.gates.min_agreement,
        **context.view_facts(),
    }

    def work(directory: Path, key: str) -> None:
        record: dict[str, Any] = {"schema": 1}
        conversion = _convert(context, directory, key, record)
        write_bytes(directory / _FILE, conversion.content)
        write_json(directory / _RECORD, {**record, "record": conversion.record})
        for checkpoint in directory.glob("*.npz"):
            checkpoint.unlink()

    context.workspace.stage("quantize", depends, (_FILE, _RECORD), work)


def _convert(context: RunContext, directory: Path, key: str, record: dict[str, Any]) -> Conversion:
    """The int8 .tflite; each step of the ladder goes into ``record`` and to disk, whether it held or not."""
    from edgekd.models.load import load_model
    from edgekd.quantize.float_model import load_float_model

    recipe, section, task = context.recipe, context.recipe.quantize, context.recipe.data.task
    dense = student = load_model(context.path / shipped_student(context).stage / "student.keras")
    sparsity: dict[str, Any] = {}
    if section.sparsity is not None:
        sparse = sparsify_on_soft_targets(
            context, dense, section.sparsity, checkpoint=directory / "sparse.npz", key=key
        )
        student, sparsity = sparse.student, sparse.record

    any_cpu = needs_onnx(recipe.export.formats)

    def qat() -> Conversion:
        return train_qat_on_soft_targets(
            context, student, section.qat_settings(), recipe.export.output, checkpoint=directory / "aware.npz", key=key
        )

    calibration = calibration_images(context, context.preprocessing(student))
    if section.max_drop is not None:
        valid = student_validation(context, student)
        climb = climb_ladder(
            load_float_model(student, task), calibration, (valid.images, valid.labels), recipe.metric, section.max_drop,
            output=recipe.export.output, any_cpu=any_cpu, train_qat=qat if section.per_channel else None,
            say=context.workspace.watcher.note,
            reference=load_float_model(dense, task), min_agreement=least_agreement(recipe.gates.min_agreement),
            per_channel=section.per_channel,
        )  # fmt: skip
        record["ladder"] = climb.to_json()
        write_json(directory / _RECORD, record)
        conversion = climb.require()
    elif section.qat is not None:
        conversion = prevent_saturation(qat()) if any_cpu else qat()
    else:
        conversion = convert_by_section(
            load_float_model(student, task), calibration, recipe.export.output, section,
            context.validation(student).images, any_cpu,
        )  # fmt: skip
    return replace(conversion, record=conversion.record | sparsity)


def calibration_images(context: RunContext, preprocessing: Preprocessing) -> npt.NDArray[np.uint8]:
    """Training photos, with labels and without, uint8 [N, H, W, 3], chosen by the recipe's seed.

    Without augmentation, which is how an app feeds them.
    """
    recipe = context.recipe
    samples = some_of(context.pool.samples, recipe.export.calibration, recipe.seed)
    return images_of(context.dataset, samples, preprocessing)


def quantized_student(context: RunContext) -> QuantizeSection | Conversion:
    """What the export makes int8 of: this stage's file where there is one, else the settings."""
    section = context.recipe.quantize
    if not section.needs_stage and not context.recipe.decides:
        return section
    directory = context.path / "quantize"
    return Conversion((directory / _FILE).read_bytes(), read_json(directory / _RECORD)["record"])
