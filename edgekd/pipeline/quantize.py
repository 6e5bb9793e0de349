"""The stage between the float student and its files, where more than one conversion is needed to decide."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekd.data.dataset import Dataset
from edgekd.pipeline.photos import Pool, images_of, preprocessing_for, validation_of
from edgekd.pipeline.stage import Workspace
from edgekd.preprocess import Preprocessing
from edgekd.quantize.ptq import Conversion
from edgekd.quantize.settings import QuantizeSection
from edgekd.recipe import Recipe
from edgekd.storage import read_json, write_bytes, write_json

_FILE, _TOLD = "student.tflite", "quantize.json"


def quantize_stage(work: Workspace, recipe: Recipe, dataset: Dataset, pool: Pool) -> None:
    """Make the student's int8 .tflite where ``[quantize]`` asks for more than one conversion; writes ``quantize/``.

    Raises GateFailed where no step of the ladder keeps ``max_drop``; what each gave is in ``quantize.json`` then too.
    """
    section = recipe.quantize
    if section.max_drop is None:
        return
    max_drop = section.max_drop
    depends = {
        "student": work.hashes["distill"],
        "quantize": section.model_dump(mode="json"),
        "calibration": recipe.export.calibration,
        "output": recipe.export.output,
        "photos": dataset.digest(),
        "metric": recipe.metric,
        "seed": recipe.seed,
    }

    def do(directory: Path, _key: str) -> None:
        from edgekd.quantize.ladder import guaranteed
        from edgekd.quantize.source import load_source
        from edgekd.teach.keras_teacher import load_model

        model = load_model(work.path / "distill" / "student.keras")
        preprocessing = preprocessing_for(recipe, model)
        valid = validation_of(dataset, preprocessing, recipe)
        climbed = guaranteed(
            load_source(model), calibration_of(recipe, dataset, pool, preprocessing), (valid.images, valid.labels),
            recipe.metric, max_drop, output=recipe.export.output, say=work.watcher.note,
        )  # fmt: skip
        told: dict[str, Any] = {"schema": 1, "ladder": climbed.to_json()}
        write_json(directory / _TOLD, told)
        conversion = climbed.required()
        write_bytes(directory / _FILE, conversion.content)
        write_json(directory / _TOLD, {**told, "record": conversion.record})

    work.stage("quantize", depends, (_FILE, _TOLD), do)


def calibration_of(recipe: Recipe, dataset: Dataset, pool: Pool, preprocessing: Preprocessing) -> npt.NDArray[np.uint8]:
    """Training photos, with labels and without, uint8 [N, H, W, 3], chosen by the recipe's seed.

    As they are, not their training views: what an app will feed is what the ranges are for.
    """
    count = min(recipe.export.calibration, len(pool.samples))
    chosen = np.random.default_rng(recipe.seed).choice(len(pool.samples), count, replace=False)
    return images_of(dataset, tuple(pool.samples[i] for i in sorted(chosen)), preprocessing)


def quantized_of(work: Workspace, recipe: Recipe) -> QuantizeSection | Conversion:
    """What the export makes int8 of: the stage's file where there is one, else the settings."""
    if "quantize" not in work.hashes:
        return recipe.quantize
    directory = work.path / "quantize"
    return Conversion((directory / _FILE).read_bytes(), read_json(directory / _TOLD)["record"])
