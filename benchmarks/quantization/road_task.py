"""The road photos: the smaller of benchmarks/road's students, a fold in place of a seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from folds import write_folds
from small_inputs import HEAD_ALONE

import edgekd
from edgekd.recipe import Recipe, parse_recipe

NAME = "Road, slice:12-8-11x0.09@128"


def recipe_of(fold: Path, photos: Path, unlabelled: Path, short: bool) -> Recipe:
    """As benchmarks/road trains it; ``short`` for one epoch of a smaller student."""
    student, schedule = "slice:12-8-11x0.09@128", {"epochs": 12, "learning_rate": 5e-4}
    if short:
        student, schedule = "cnn:4@32", {"epochs": 1, "batch_size": 8}
    return parse_recipe(
        {
            "name": fold.stem,
            "data": {
                "source": str(fold), "images": str(photos / "Images"),
                "unlabelled": str(unlabelled), "views": {"views": 1 if short else 4},
            },
            "teacher": {
                "model": "efficientnet-lite0", "input_size": 32 if short else 160,
                **HEAD_ALONE,
            },
            "student": {"model": student, **({} if short else {"freeze_blocks": 3})},
            "distill": {"labelled_share": 0.5, "schedule": schedule},
        },
        fold,
    )  # fmt: skip


def float_run(work: Path, photos: Path, unlabelled: Path, fold: int, short: bool) -> tuple[Path, Recipe]:
    """The run directory of one fold, trained up to its float student, and its recipe."""
    folds = write_folds(photos / "metadata.csv", photos / "Images", work / "folds")
    recipe: Any = recipe_of(folds[fold], photos, unlabelled, short)
    directory = work / "road" / folds[fold].stem
    edgekd.run(recipe, directory, until="distill", accept_weak_teacher=True)
    return directory, recipe
