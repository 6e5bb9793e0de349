"""The stage between the float student and its files, where more than one conversion, or a training, decides."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekd.data.dataset import Dataset
from edgekd.data.images import images_of, some_of
from edgekd.export.options import make_onnx
from edgekd.pipeline.context import Pool, preprocessing_for
from edgekd.pipeline.stage import Workspace
from edgekd.pipeline.stages.qat import sparsify_on_soft_targets, train_qat_on_soft_targets
from edgekd.pipeline.stages.student import Lesson
from edgekd.preprocess import Preprocessing
from edgekd.quantize.ladder import climb_ladder
from edgekd.quantize.ptq import Conversion, for_any_cpu, to_int8
from edgekd.quantize.settings import QuantizeSection
from edgekd.recipe import Recipe
from edgekd.storage import read_json, write_bytes, write_json

_FILE, _TOLD = "student.tflite", "quantize.json"


def quantize_stage(work: Workspace, lesson: Lesson) -> None:
    """Make the student's int8 .tflite where ``[quantize]`` asks for a guarantee or a training; writes ``quantize/``.

    Raises GateFailed where no step of the ladder keeps ``max_drop``; what each gave is in ``quantize.json`` then too.
    """
    recipe = lesson.recipe
    section = recipe.quantize
    if not section.staged:
        return
    depends = {
        "student": work.hashes["distill"],
        "column": work.hashes["column"],
        "quantize": section.model_dump(mode="json"),
        "objective": recipe.distill.model_dump(mode="json"),
        "calibration": recipe.export.calibration,
        "output": recipe.export.output,
        "formats": recipe.export.formats,
        "metric": recipe.metric,
        **lesson.photos,
    }

    def do(directory: Path, key: str) -> None:
        told: dict[str, Any] = {"schema": 1}
        conversion = _conversion(lesson, directory, key, told)
        write_bytes(directory / _FILE, conversion.content)
        write_json(directory / _TOLD, {**told, "record": conversion.record})
        for checkpoint in directory.glob("*.npz"):
            checkpoint.unlink()

    work.stage("quantize", depends, (_FILE, _TOLD), do)


def _conversion(lesson: Lesson, directory: Path, key: str, told: dict[str, Any]) -> Conversion:
    """The int8 .tflite; what the ladder gave goes into ``told`` and to disk, whether it held or not."""
    from edgekd.models.load import load_model
    from edgekd.quantize.float_model import load_float_model

    recipe, section = lesson.recipe, lesson.recipe.quantize
    dense = student = load_model(lesson.work.path / "distill" / "student.keras")
    record: dict[str, Any] = {}
    if section.sparsity is not None:
        made = sparsify_on_soft_targets(lesson, dense, section.sparsity, checkpoint=directory / "sparse.npz", key=key)
        student, record = made.student, made.record

    any_cpu = make_onnx(recipe.export.formats)

    def aware() -> Conversion:
        return train_qat_on_soft_targets(
            lesson, student, section.last_step(), recipe.export.output, checkpoint=directory / "aware.npz", key=key
        )

    calibration = calibration_of(recipe, lesson.dataset, lesson.pool, preprocessing_for(recipe, student))
    if section.max_drop is not None:
        valid = lesson.validation(student)
        climbed = climb_ladder(
            load_float_model(student), calibration, (valid.images, valid.labels), recipe.metric, section.max_drop,
            output=recipe.export.output, any_cpu=any_cpu, aware=aware, say=lesson.work.watcher.note,
            reference=load_float_model(dense),
        )  # fmt: skip
        told["ladder"] = climbed.to_json()
        write_json(directory / _TOLD, told)
        conversion = climbed.required()
    elif section.aware is not None:
        conversion = for_any_cpu(aware()) if any_cpu else aware()
    else:
        conversion = to_int8(
            load_float_model(student),
            calibration,
            recipe.export.output,
            ranges=section.ranges,
            float_ops=section.float_ops,
            any_cpu=any_cpu,
        )
    return replace(conversion, record=conversion.record | record)


def calibration_of(recipe: Recipe, dataset: Dataset, pool: Pool, preprocessing: Preprocessing) -> npt.NDArray[np.uint8]:
    """Training photos, with labels and without, uint8 [N, H, W, 3], chosen by the recipe's seed.

    As they are, not their training views: what an app will feed is what the ranges are for.
    """
    return images_of(dataset, some_of(pool.samples, recipe.export.calibration, recipe.seed), preprocessing)


def quantized_of(work: Workspace, recipe: Recipe) -> QuantizeSection | Conversion:
    """What the export makes int8 of: the stage's file where there is one, else the settings."""
    if not recipe.quantize.staged:
        return recipe.quantize
    directory = work.path / "quantize"
    return Conversion((directory / _FILE).read_bytes(), read_json(directory / _TOLD)["record"])
