"""The stage between the float student and its files, where more than one conversion, or a training, decides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekd.data.dataset import Dataset
from edgekd.pipeline.aware import aware_by_column
from edgekd.pipeline.photos import Pool, images_of, preprocessing_for
from edgekd.pipeline.stage import Workspace
from edgekd.pipeline.student import Lesson
from edgekd.preprocess import Preprocessing
from edgekd.quantize.aware import AwareTraining
from edgekd.quantize.ptq import Conversion
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
        "metric": recipe.metric,
        **lesson.photos,
    }

    def do(directory: Path, key: str) -> None:
        from edgekd.teach.keras_teacher import load_model

        student = load_model(work.path / "distill" / "student.keras")

        def aware() -> Conversion:
            return aware_by_column(
                lesson, student, section.aware or AwareTraining(), recipe.export.output,
                checkpoint=directory / "checkpoint.npz", key=key,
            )  # fmt: skip

        told: dict[str, Any] = {"schema": 1}
        if section.max_drop is None:
            conversion = aware()
        else:
            climbed = _climbed(lesson, student, section.max_drop, aware)
            told["ladder"] = climbed.to_json()
            write_json(directory / _TOLD, told)
            conversion = climbed.required()
        write_bytes(directory / _FILE, conversion.content)
        write_json(directory / _TOLD, {**told, "record": conversion.record})
        (directory / "checkpoint.npz").unlink(missing_ok=True)

    work.stage("quantize", depends, (_FILE, _TOLD), do)


def _climbed(lesson: Lesson, student: Any, max_drop: float, aware: Any) -> Any:
    from edgekd.quantize.ladder import guaranteed
    from edgekd.quantize.source import load_source

    recipe, valid = lesson.recipe, lesson.validation(student)
    calibration = calibration_of(recipe, lesson.dataset, lesson.pool, preprocessing_for(recipe, student))
    return guaranteed(
        load_source(student), calibration, (valid.images, valid.labels), recipe.metric, max_drop,
        output=recipe.export.output, aware=aware, say=lesson.work.watcher.note,
    )  # fmt: skip


def calibration_of(recipe: Recipe, dataset: Dataset, pool: Pool, preprocessing: Preprocessing) -> npt.NDArray[np.uint8]:
    """Training photos, with labels and without, uint8 [N, H, W, 3], chosen by the recipe's seed.

    As they are, not their training views: what an app will feed is what the ranges are for.
    """
    count = min(recipe.export.calibration, len(pool.samples))
    chosen = np.random.default_rng(recipe.seed).choice(len(pool.samples), count, replace=False)
    return images_of(dataset, tuple(pool.samples[i] for i in sorted(chosen)), preprocessing)


def quantized_of(work: Workspace, recipe: Recipe) -> QuantizeSection | Conversion:
    """What the export makes int8 of: the stage's file where there is one, else the settings."""
    if not recipe.quantize.staged:
        return recipe.quantize
    directory = work.path / "quantize"
    return Conversion((directory / _FILE).read_bytes(), read_json(directory / _TOLD)["record"])
