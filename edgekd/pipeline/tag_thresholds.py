"""Thresholds of tags for the models that are only compared with: fitted as those of the files that ship are."""

from __future__ import annotations

from edgekd.decisions.thresholds import best_f1_thresholds
from edgekd.pipeline.context import RunContext
from edgekd.pipeline.validation_answers import read_answers
from edgekd.storage import read_json


def comparable_thresholds(context: RunContext, record: str) -> tuple[float, ...] | None:
    """Thresholds by a model's answers for the validation photos, which its ``record`` in the run has.

    Otherwise F1 of a student would be held against that of a model whose thresholds nobody chose. None where photos
    have one label, or no label takes part in anything.
    """
    recipe, dataset = context.recipe, context.dataset
    if dataset.task == "single-label" or context.label_free:
        return None
    if recipe.decide.thresholds != "f1":
        return (float(recipe.decide.thresholds),) * len(dataset.classes)
    answers, truth = read_answers(read_json(context.path / record), dataset.task), dataset.truth("val")
    return best_f1_thresholds(truth, answers).values if len(truth) and len(answers) == len(truth) else None
