"""What the stages of a run share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekd.data.dataset import Dataset, Sample
from edgekd.data.images import images_of
from edgekd.data.settings import facts_of
from edgekd.data.views_live import TrainingViews, open_views
from edgekd.errors import DataError
from edgekd.metrics import accuracy, balanced_accuracy
from edgekd.preprocess import Preprocessing
from edgekd.recipe import Recipe
from edgekd.storage import read_json
from edgekd.training.batches import UNLABELLED
from edgekd.training.joined_order import RepeatedOrder
from edgekd.training.loop import Progress, Validation
from edgekd.training.order import Numbers


@dataclass(frozen=True)
class Pool:
    """The photos that training may look at, labelled ones first; ``labels`` int64 [N], -1 where there is none."""

    samples: tuple[Sample, ...]
    labels: npt.NDArray[np.int64]

    @property
    def labelled(self) -> npt.NDArray[np.int64]:
        """Numbers of the labelled photos."""
        return np.flatnonzero(self.labels != UNLABELLED)

    def shown(self, labelled_share: float | None, more: int = 0) -> Numbers:
        """Numbers of the photos of one pass of distillation: all, the labelled ones repeated up to that share.

        ``more`` photos without labels come after the pool's.
        """
        labelled, own = self.labelled, len(self.samples)
        repeated, rest = 0, np.arange(own)
        if labelled_share is not None and len(labelled):
            wanted = round(labelled_share / (1 - labelled_share) * (own - len(labelled) + more))
            if wanted > len(labelled):
                repeated, rest = wanted, np.flatnonzero(self.labels == UNLABELLED)
        if more:
            return RepeatedOrder(labelled, repeated, rest, range(own, own + more))
        return np.concatenate([np.resize(labelled, repeated), rest])


def pool_of(dataset: Dataset, *, label_free: bool = False) -> Pool:
    """Training photos, labelled first; where the run is ``label_free``, none is. Raises DataError where one lacks."""
    labelled, unlabelled = dataset.split("train"), dataset.split("unlabelled")
    for split in ("test",) if label_free else ("train", "val", "test"):
        if not dataset.split(split):
            raise DataError(f"the {split} split has no labelled photo. Set its share in [data.split], or add photos")
    if label_free:
        everyone = [replace(sample, label=None) for sample in (*labelled, *unlabelled)]
        if not everyone:
            raise DataError("there is no photo to train on. Add a folder as data.unlabelled, or photos to the data")
        return Pool(tuple(everyone), np.full(len(everyone), UNLABELLED))
    labels = [s.label if s.label is not None else UNLABELLED for s in labelled] + [UNLABELLED] * len(unlabelled)
    return Pool((*labelled, *unlabelled), np.asarray(labels, np.int64))


def view_facts(recipe: Recipe, dataset: Dataset, *, plain: bool = False) -> dict[str, Any]:
    """All that decides the views that a stage trains on, for its key; ``plain`` ones are those of one photo each."""
    facts = {"photos": dataset.digest(), **views_of(recipe, plain=plain)}
    return facts if recipe.distill.labels == "all" else {**facts, "labels": recipe.distill.labels}


def views_of(recipe: Recipe, *, plain: bool = False) -> dict[str, Any]:
    """What decides how any photo is shown; ``plain`` views are of one photo each."""
    views = recipe.data.views.plain() if plain else recipe.data.views
    return {"views": facts_of(views), "crop": recipe.data.crop, "seed": recipe.seed}


def validation_of(dataset: Dataset, preprocessing: Preprocessing, recipe: Recipe) -> Validation:
    """The validation photos at a model's input size, by which the recipe's metric chooses the epoch."""
    images = images_of(dataset, dataset.split("val"), preprocessing)
    return Validation(images, dataset.labels("val"), recipe.metric)


def chosen_by(recipe: Recipe) -> dict[str, str]:
    """What the choice of an epoch adds to a stage's key: nothing for accuracy, or where no label takes part."""
    by_accuracy = recipe.metric == "accuracy" or recipe.distill.labels == "none"
    return {} if by_accuracy else {"metric": recipe.metric}


def scored(recipe: Recipe, labels: npt.NDArray[np.int64], answers: npt.NDArray[np.int64]) -> dict[str, Any]:
    """The recipe's metric over validation photos, as a summary holds it; None's values where there are none."""
    score = balanced_accuracy if recipe.metric == "balanced_accuracy" else accuracy
    found = score(labels, answers).as_json() if len(labels) else dict.fromkeys(("value", "low", "high"))
    return {"metric": recipe.metric, **found, "n": len(labels)}


def preprocessing_for(recipe: Recipe, model: Any) -> Preprocessing:
    """How a photo becomes the input of this Keras model."""
    height, width = model.input_shape[1:3]
    return Preprocessing(height=int(height), width=int(width), crop=recipe.data.crop)


def student_views(
    directory: Path, dataset: Dataset, pool: Pool, recipe: Recipe, preprocessing: Preprocessing, progress: Progress
) -> TrainingViews:
    """Every view of every training photo at the student's size, rendered once or, where that is too much, live."""
    return open_views(
        directory, dataset, pool.samples, preprocessing, recipe.data.views, recipe.seed, progress=progress
    )


def teacher_of(run: Path) -> dict[str, Any]:
    """What decides a teacher's answers: the classes in their order, and the teacher, by all that it was made from."""
    teacher = run / "teacher"
    return {
        "classes": read_json(teacher / "summary.json")["classes"], "teacher": read_json(teacher / "stage.json")["key"],
    }  # fmt: skip
