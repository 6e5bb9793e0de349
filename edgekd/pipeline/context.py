"""What the stages of a run share: the workspace, the recipe, its photos, and how models see them."""

from __future__ import annotations

import functools
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
from edgekd.pipeline.stage import Workspace
from edgekd.preprocess import Preprocessing
from edgekd.recipe import Recipe
from edgekd.scoring import Answers, score
from edgekd.storage import read_json
from edgekd.training.joined_order import RepeatedOrder
from edgekd.training.labels import has_label
from edgekd.training.loop import Validation
from edgekd.training.order import Numbers


@dataclass(frozen=True)
class Pool:
    """The photos that training may look at, labelled ones first.

    ``labels`` is int64 [N], -1 where there is none; where photos have tags, int8 [N, C], rows of -1 where there are
    none.
    """

    samples: tuple[Sample, ...]
    labels: npt.NDArray[Any]

    @property
    def labelled(self) -> npt.NDArray[np.int64]:
        """Numbers of the labelled photos."""
        return np.flatnonzero(has_label(self.labels))

    def distillation_order(self, labelled_share: float | None, extra: int = 0) -> Numbers:
        """Numbers of the photos of one pass of distillation: all, the labelled ones repeated up to that share.

        ``extra`` photos without labels come after the pool's.
        """
        labelled, count = self.labelled, len(self.samples)
        repeated, rest = 0, np.arange(count)
        if labelled_share is not None and len(labelled):
            wanted = round(labelled_share / (1 - labelled_share) * (count - len(labelled) + extra))
            if wanted > len(labelled):
                repeated, rest = wanted, np.flatnonzero(~has_label(self.labels))
        if extra:
            return RepeatedOrder(labelled, repeated, rest, range(count, count + extra))
        return np.concatenate([np.resize(labelled, repeated), rest])


@dataclass(frozen=True, eq=False)
class RunContext:
    """A run as its stages see it: where it is written, what was asked for, and the photos once they are read."""

    workspace: Workspace
    recipe: Recipe
    accept_weak_teacher: bool = False

    def __post_init__(self) -> None:
        if self.recipe.imports:
            from edgekd.models.load import import_custom_layers

            import_custom_layers(self.recipe.imports)

    @property
    def path(self) -> Path:
        """The run's directory."""
        return self.workspace.path

    @property
    def label_free(self) -> bool:
        """Whether no label takes part in training or in choosing the epoch."""
        return self.recipe.distill.labels == "none"

    @functools.cached_property
    def dataset(self) -> Dataset:
        """The photos that the data stage read."""
        return Dataset.load(self.path / "data" / "dataset.json")

    @functools.cached_property
    def pool(self) -> Pool:
        """The photos that training may look at. Raises DataError where a split has none."""
        return pool_of(self.dataset, label_free=self.label_free)

    def preprocessing(self, model: Any) -> Preprocessing:
        """How a photo becomes the input of this Keras model."""
        height, width = model.input_shape[1:3]
        return self.preprocessing_at((int(height), int(width)))

    def preprocessing_at(self, size: tuple[int, int]) -> Preprocessing:
        """How a photo becomes an input of (height, width)."""
        return Preprocessing(height=size[0], width=size[1], crop=self.recipe.data.crop)

    def validation(self, model: Any) -> Validation:
        """The validation photos at a model's input size, by which the recipe's metric chooses the epoch."""
        images = images_of(self.dataset, self.dataset.split("val"), self.preprocessing(model))
        return Validation(images, self.dataset.truth("val"), self.recipe.metric)

    def views(self, model: Any, folder: str = "views") -> TrainingViews:
        """Every view of every training photo at a model's size, rendered once or, where that is too much, live."""
        return open_views(
            self.path / folder, self.dataset, self.pool.samples, self.preprocessing(model), self.recipe.data.views,
            self.recipe.seed, progress=self.workspace.watcher.progress,
        )  # fmt: skip

    def view_facts(self, *, plain: bool = False) -> dict[str, Any]:
        """What decides the views that a stage trains on, for its key; ``plain`` ones are of one photo each."""
        facts = {"photos": self.dataset.digest(), **view_settings(self.recipe, plain=plain)}
        return {**facts, "labels": self.recipe.distill.labels} if self.label_free else facts

    def epoch_choice(self) -> dict[str, str]:
        """What the choice of an epoch adds to a stage's key: nothing for accuracy, or where no label takes part."""
        by_accuracy = self.recipe.metric == "accuracy" or self.label_free
        return {} if by_accuracy else {"metric": self.recipe.metric}

    def validation_score(self, answers: Answers) -> dict[str, Any]:
        """The recipe's metric over validation photos, as a summary holds it; None's values where there are none."""
        truth, metric = self.dataset.truth("val"), self.recipe.metric
        nothing = dict.fromkeys(("value", "low", "high"))
        values = score(metric, truth, answers).as_json() if len(truth) else nothing
        return {"metric": metric, **values, "n": len(truth)}


def pool_of(dataset: Dataset, *, label_free: bool = False) -> Pool:
    """Training photos, labelled first; where the run is ``label_free``, none is. Raises DataError where one lacks."""
    labelled, unlabelled = dataset.split("train"), dataset.split("unlabelled")
    for split in ("test",) if label_free else ("train", "val", "test"):
        if not dataset.split(split):
            raise DataError(f"the {split} split has no labelled photo. Set its share in [data.split], or add photos")
    if label_free:
        everyone = tuple(replace(sample, label=None, tags=None) for sample in (*labelled, *unlabelled))
        if not everyone:
            raise DataError("there is no photo to train on. Add a folder as data.unlabelled, or photos to the data")
        return Pool(everyone, dataset.truth_of(everyone))
    samples = (*labelled, *unlabelled)
    return Pool(samples, dataset.truth_of(samples))


def view_settings(recipe: Recipe, *, plain: bool = False) -> dict[str, Any]:
    """What decides how any photo is rendered; ``plain`` views are of one photo each."""
    views = recipe.data.views.plain() if plain else recipe.data.views
    return {"views": facts_of(views), "crop": recipe.data.crop, "seed": recipe.seed}


def teacher_identity(recipe: Recipe, run: Path) -> dict[str, Any]:
    """What decides a teacher's logits: the classes in their order, and the teacher, by all that it was made from."""
    teacher = run / "teacher"
    return {
        "classes": read_json(teacher / "summary.json")["classes"], "teacher": read_json(teacher / "stage.json")["key"],
        # None, not False: a store from before there was a choice has no such entry.
        "mirror": recipe.mirrors_views or None,
    }  # fmt: skip


def mirror_facts(recipe: Recipe) -> dict[str, Any]:
    """What averaging over mirror images adds to the key of soft targets: nothing where there is none."""
    return {"mirror": True} if recipe.mirrors_views else {}
