"""Stage ``decide``: how sure each file of the student that ships is, and when its answer is none of these."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgekd.data.images import images_of
from edgekd.decisions.fit import DecisionPlan, FileDecision, LabelledImages, fit_file
from edgekd.decisions.sentences import describe_file
from edgekd.errors import DataError, RecipeError
from edgekd.pipeline.context import RunContext
from edgekd.pipeline.shipped import shipped_student
from edgekd.pipeline.stages.quantize import calibration_images, quantized_student
from edgekd.preprocess import Preprocessing
from edgekd.quantize.ptq import Conversion, to_dynamic_range, to_float16, to_float32, to_int16x8
from edgekd.recipe import Recipe
from edgekd.storage import read_json, write_json

_SUMMARY = "summary.json"


def check(recipe: Recipe) -> None:
    """Raise RecipeError where nothing could be fitted."""
    if recipe.decides and recipe.distill.labels == "none":
        raise RecipeError(
            "decide: temperature, rejection and thresholds are fitted on labelled validation photos, and "
            'distill.labels = "none" uses no label. Set [decide] calibrate and reject to false, or use the labels'
        )


def run(context: RunContext) -> None:
    """Fit every file's temperature, rejection and thresholds; writes ``decide/summary.json``."""
    recipe, hashes = context.recipe, context.workspace.hashes
    depends = {
        "student": hashes[shipped_student(context).stage],
        "quantize": hashes["quantize"],
        "decide": recipe.decide.model_dump(mode="json"),
        "precisions": recipe.quantize.precisions,
        "calibration": [recipe.export.calibration, recipe.seed],
        "photos": context.dataset.digest(),
        "crop": recipe.data.crop,
        "none": context.dataset.none_class,
    }

    def work(directory: Path, _key: str) -> None:
        write_json(directory / _SUMMARY, _summary(context))

    context.workspace.stage("decide", depends, (_SUMMARY,), work)


def fitted_decisions(context: RunContext) -> dict[str, FileDecision]:
    """What this stage fitted, by precision; empty where the recipe asks for none of it."""
    if not context.recipe.decides:
        return {}
    files = read_json(context.path / "decide" / _SUMMARY)["files"]
    return {name: FileDecision.from_json(one["fitted"], context.dataset.classes) for name, one in files.items()}


def _plan(context: RunContext) -> DecisionPlan:
    recipe, dataset = context.recipe, context.dataset
    return DecisionPlan(
        dataset.classes, dataset.task, dataset.none_class, calibrate=recipe.calibrates,
        must_calibrate=recipe.decide.calibrate is True, reject=recipe.rejects, keep=recipe.decide.keep,
        thresholds=recipe.decide.thresholds,
    )  # fmt: skip


def _summary(context: RunContext) -> dict[str, Any]:
    from edgekd.models.load import load_model

    recipe, plan = context.recipe, _plan(context)
    student = load_model(context.path / shipped_student(context).stage / "student.keras")
    preprocessing = context.preprocessing(student)
    validation, test = (_photos(context, split, preprocessing) for split in ("val", "test"))
    if not len(validation.images):
        raise DataError(
            "there is no validation photo to fit temperature, rejection and thresholds on. Set its share in "
            "[data.split] val, or [decide] calibrate and reject to false"
        )
    files: dict[str, Any] = {}
    makers = _conversions(context, student, preprocessing)
    for number, (precision, convert) in enumerate(makers.items()):
        context.workspace.watcher.progress(number, len(makers))
        fitted, summary = fit_file(convert().content, plan, validation, test)
        files[precision] = {"fitted": fitted.as_json(), **summary}
        for line in describe_file(summary):
            context.workspace.watcher.note(f"{precision}: {line}")
    context.workspace.watcher.progress(len(makers), len(makers))
    return {
        "schema": 1,
        "task": plan.task,
        "labels": list(plan.labels),
        "none_label": plan.none_label,
        "settings": {
            "calibrate": recipe.calibrates, "reject": recipe.rejects, "keep": plan.keep, "thresholds": plan.thresholds,
        },
        "photos": {"validation": len(validation.images), "test": len(test.images)},
        "files": files,
    }  # fmt: skip


def _photos(context: RunContext, split: str, preprocessing: Preprocessing) -> LabelledImages:
    dataset = context.dataset
    return LabelledImages(images_of(dataset, dataset.split(split), preprocessing), dataset.truth(split))


def _conversions(
    context: RunContext, student: Any, preprocessing: Preprocessing
) -> dict[str, Callable[[], Conversion]]:
    """How to make the .tflite of each precision that the export writes."""
    from edgekd.quantize.float_model import load_float_model

    float_model, int8 = load_float_model(student, context.dataset.task), quantized_student(context)
    assert isinstance(int8, Conversion)  # the stage before made it
    makers: dict[str, Callable[[], Conversion]] = {
        "float32": lambda: to_float32(float_model),
        "int8": lambda: int8,
        "float16": lambda: to_float16(float_model),
        "dynamic": lambda: to_dynamic_range(float_model),
        "int16x8": lambda: to_int16x8(float_model, calibration_images(context, preprocessing)),
    }
    return {name: makers[name] for name in ("float32", "int8", *context.recipe.quantize.precisions)}
