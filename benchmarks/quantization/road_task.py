"""The road photos: the smaller of benchmarks/road's students, a fold in place of a seed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import edgekd
from edgekd.recipe import Recipe, parse_recipe

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "road"))
from folds import write_folds

NAME = "Road, slice:12-8-11x0.09@128"


def recipe_of(fold: Path, photos: Path, unlabelled: Path) -> Recipe:
    """As benchmarks/road trains it."""
    return parse_recipe(
        {
            "name": fold.stem,
            "data": {
                "source": str(fold), "images": str(photos / "Images"),
                "unlabelled": str(unlabelled), "views": {"views": 4},
            },
            "teacher": {"model": "efficientnet-lite0", "input_size": 160},
            "student": {"model": "slice:12-8-11x0.09@128", "freeze_blocks": 3},
            "distill": {"labelled_share": 0.5, "schedule": {"epochs": 12, "learning_rate": 5e-4}},
        },
        fold,
    )  # fmt: skip


def float_run(work: Path, photos: Path, unlabelled: Path, fold: int) -> tuple[Path, Recipe]:
    """The run directory of one fold, trained up to its float student, and its recipe."""
    folds = write_folds(photos / "metadata.csv", photos / "Images", work / "folds")
    recipe: Any = recipe_of(folds[fold], photos, unlabelled)
    directory = work / "road" / folds[fold].stem
    edgekd.run(recipe, directory, until="distill", accept_weak_teacher=True)
    return directory, recipe
