"""Stage ``decide``: how sure each file of the student that ships is, and when its answer is none of these."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgekd.data.images import images_of
from edgekd.decisions.fit import DecisionPlan, FileDecision, LabelledImages
from edgekd.decisions.for_model import fit_model
from edgekd.errors import RecipeError
from edgekd.formats.decision import Decision
from edgekd.pipeline.context import RunContext
from edgekd.pipeline.shipped import shipped_student
from edgekd.pipeline.stages.quantize import calibration_images, quantized_student
from edgekd.preprocess import Preprocessing
from edgekd.quantize.ptq import Conversion
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
    recipe, classes = context.recipe, context.dataset.classes
    if not recipe.decides:
        least = recipe.decide.thresholds
        if recipe.data.task == "single-label" or least == "f1":
            return {}
        # Where no label is used, a number is still the user's.
        fixed = FileDecision(decision=Decision("multi-label", (least,) * len(classes)))
        return dict.fromkeys(("float32", "int8", *recipe.quantize.precisions), fixed)
    files = read_json(context.path / "decide" / _SUMMARY)["files"]
    return {name: FileDecision.from_json(one["fitted"], classes) for name, one in files.items()}


def _plan(context: RunContext) -> DecisionPlan:
    recipe, dataset = context.recipe, context.dataset
    return DecisionPlan(
        dataset.classes, dataset.task, dataset.none_class, calibrate=recipe.calibrates,
        must_calibrate=recipe.decide.calibrate is True, reject=recipe.rejects, keep=recipe.decide.keep,
        thresholds=recipe.decide.thresholds,
    )  # fmt: skip


def _summary(context: RunContext) -> dict[str, Any]:
    from edgekd.models.load import load_model
    from edgekd.quantize.float_model import load_float_model

    recipe, plan = context.recipe, _plan(context)
    student = load_model(context.path / shipped_student(context).stage / "student.keras")
    preprocessing = context.preprocessing(student)
    validation, test = (_photos(context, split, preprocessing) for split in ("val", "test"))
    int8 = quantized_student(context)
    assert isinstance(int8, Conversion)  # the stage before made it
    fitted = fit_model(
        load_float_model(student, context.dataset.task), int8, ("float32", "int8", *recipe.quantize.precisions),
        plan, validation, test, calibration=lambda: calibration_images(context, preprocessing),
        say=context.workspace.watcher.note, progress=context.workspace.watcher.progress,
    )  # fmt: skip
    return {
        "schema": 1,
        "task": plan.task,
        "labels": list(plan.labels),
        "none_label": plan.none_label,
        "settings": {
            "calibrate": recipe.calibrates, "reject": recipe.rejects, "keep": plan.keep, "thresholds": plan.thresholds,
        },
        "photos": {"validation": len(validation.images), "test": len(test.images)},
        "files": {name: {"fitted": one.as_json(), **summary} for name, (one, summary) in fitted.items()},
    }  # fmt: skip


def _photos(context: RunContext, split: str, preprocessing: Preprocessing) -> LabelledImages:
    dataset = context.dataset
    return LabelledImages(images_of(dataset, dataset.split(split), preprocessing), dataset.truth(split))
