"""The teacher's feature maps for the objectives that compare them: a further stored column, or the teacher online."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekd.data.dataset import Dataset
from edgekd.data.views_live import open_views
from edgekd.distill.bind import teacher_features, teacher_layers
from edgekd.distill.objective import FeatureObjective
from edgekd.distill.table import terms_of
from edgekd.models.load import load_model
from edgekd.pipeline.context import Pool, preprocessing_for
from edgekd.pipeline.stage import Workspace
from edgekd.recipe import Recipe
from edgekd.soft_targets.compute import ViewsAt, compute_soft_targets
from edgekd.soft_targets.store import SoftTargets
from edgekd.storage import read_json, write_json
from edgekd.training.batches import StoredLogits, ViewSource
from edgekd.training.loop import logits_of


@dataclass(frozen=True)
class StoredFeatures:
    """One layer's outputs from a column of flat rows: ``features[photos, views]`` gives float16 [B, ...]."""

    column: SoftTargets
    shape: tuple[int, ...]

    def __getitem__(self, where: tuple[npt.NDArray[Any], npt.NDArray[Any]]) -> npt.NDArray[Any]:
        """Features [B, ...] of photo numbers [B] in view numbers [B]."""
        return self.column[where].reshape(-1, *self.shape)


@dataclass(frozen=True)
class OnlineFeatures:
    """One layer's outputs, the teacher run over the views as they are asked for: float32 [B, ...]."""

    model: Any
    views: ViewSource

    def __getitem__(self, where: tuple[npt.NDArray[Any], npt.NDArray[Any]]) -> npt.NDArray[Any]:
        """Features [B, ...] of photo numbers [B] in view numbers [B]."""
        return logits_of(self.model, self.views.gather(*where))


@dataclass(frozen=True)
class TeacherFeatures:
    """The Keras teacher, its tapped layers' ``sources`` in the order of the objective's terms, and what was told."""

    teacher: Any
    sources: tuple[StoredLogits, ...]
    told: list[dict[str, Any]]


def features_stage(work: Workspace, recipe: Recipe, pool: Pool, views_at: ViewsAt) -> bool:
    """Store what the objective needs of the teacher beside its logits, where small; writes ``features/``.

    False, and nothing is done, where the objective compares no features. Raises ModelError where the teacher shows only
    its logits, or a tap names no layer of it.
    """
    terms = terms_of(recipe.distill.objective)
    taps = [term.objective.taps.teacher for term in terms if isinstance(term.objective, FeatureObjective)]
    if not taps:
        return False
    limit_mb = recipe.distill.store_features_mb

    def do(directory: Path, key: str) -> None:
        teacher, told = _teacher(work, recipe), []
        for layer in teacher_layers(recipe.distill.objective, teacher):
            shape = [int(side) for side in teacher.get_layer(layer).output.shape[1:]]
            size_mb = len(pool.samples) * recipe.data.views.views * math.prod(shape) * 2 / 1e6
            told.append({"layer": layer, "shape": shape, "stored": size_mb <= limit_mb, "size_mb": round(size_mb, 1)})
            if size_mb <= limit_mb:
                (directory / layer).mkdir(exist_ok=True)
                compute_soft_targets(
                    directory / layer, _Flat(teacher_features(teacher, (layer,)), layer, math.prod(shape)), views_at,
                    photos=len(pool.samples), views=recipe.data.views.views, key=key, progress=work.watcher.progress,
                )  # fmt: skip
        write_json(directory / "features.json", told)

    # The column's hash stands for the teacher, the photos and their views.
    depends = {"column": work.hashes["column"], "taps": taps, "store_features_mb": limit_mb}
    directory = work.stage("features", depends, ("features.json",), do)
    for entry in read_json(directory / "features.json"):
        if not entry["stored"]:
            work.watcher.note(
                f"the teacher runs along with the training: {entry['size_mb']:.0f} MB of features of {entry['layer']} "
                f"are more than distill.store_features_mb = {limit_mb}"
            )
    return True


def open_features(work: Workspace, recipe: Recipe, dataset: Dataset, pool: Pool) -> TeacherFeatures:
    """The features that ``features_stage`` stored, and for the rest the teacher itself."""
    teacher, told = _teacher(work, recipe), read_json(work.path / "features" / "features.json")
    sources: list[StoredLogits] = []
    for entry in told:
        if entry["stored"]:
            column = SoftTargets(work.path / "features" / entry["layer"])
            sources.append(StoredFeatures(column, tuple(entry["shape"])))
        else:
            model = teacher_features(teacher, (entry["layer"],))
            views = open_views(
                work.path / "features" / "views", dataset, pool.samples, preprocessing_for(recipe, model),
                recipe.data.views, recipe.seed, progress=work.watcher.progress,
            )  # fmt: skip
            sources.append(OnlineFeatures(model, views))
    return TeacherFeatures(teacher, tuple(sources), told)


class _Flat:
    """A layer of the teacher as what a column is computed from: each photo's outputs as one row."""

    def __init__(self, model: Any, layer: str, width: int) -> None:
        self.model, self.key, self.num_classes = model, layer, width
        self.input_size = (int(model.input_shape[1]), int(model.input_shape[2]))

    def logits(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
        """Outputs float32 [N, D] of images uint8 [N, H, W, 3]."""
        return logits_of(self.model, images).reshape(len(images), -1)


def _teacher(work: Workspace, recipe: Recipe) -> Any:
    """The Keras model whose layers can be tapped; None of a teacher of another kind."""
    return None if recipe.teacher.given else load_model(work.path / "teacher" / "teacher.keras")
