"""The teacher's feature maps for the objectives that compare them: a further stored column, or the teacher online."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekd.data.views_live import open_views
from edgekd.distill.bind import teacher_features, teacher_layers
from edgekd.distill.objective import FeatureObjective
from edgekd.distill.table import terms_of
from edgekd.pipeline.photos import Pool, preprocessing_for
from edgekd.pipeline.stage import Workspace
from edgekd.recipe import Recipe
from edgekd.teach.column import TeacherColumn, ViewsAt, compute_column
from edgekd.teach.keras_teacher import load_model
from edgekd.training.batches import StoredLogits, ViewSource
from edgekd.training.loop import logits_of


@dataclass(frozen=True)
class StoredFeatures:
    """One layer's outputs from a column of flat rows: ``features[photos, views]`` gives float16 [B, ...]."""

    column: TeacherColumn
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
    """``sources`` in the order of ``layers``; ``teacher`` is the Keras model, None where no features are asked for."""

    teacher: Any
    layers: tuple[str, ...]
    sources: tuple[StoredLogits, ...]
    told: tuple[dict[str, Any], ...]


def features_of_teacher(
    work: Workspace, recipe: Recipe, dataset: Any, pool: Pool, views_at: ViewsAt
) -> TeacherFeatures:
    """What the recipe's objective needs of the teacher beside its logits; writes ``features/LAYER/`` where small.

    Raises ModelError where the teacher shows only its logits, or a tap names no layer of it.
    """
    path = work.path / "teacher" / "teacher.keras"
    # Loaded where features are compared alone: a run in which nothing has changed needs no Keras.
    asked = any(isinstance(term.objective, FeatureObjective) for term in terms_of(recipe.distill.objective))
    teacher: Any = load_model(path) if asked and not recipe.teacher.given and path.is_file() else None
    layers = teacher_layers(recipe.distill.objective, teacher)
    sources, told = [], []
    for layer in layers:
        model = teacher_features(teacher, (layer,))
        shape = tuple(int(side) for side in teacher.get_layer(layer).output.shape[1:])
        size_mb = len(pool.samples) * recipe.data.views.views * math.prod(shape) * 2 / 1e6
        stored = size_mb <= recipe.distill.store_features_mb
        source = (
            _stored(work, recipe, pool, views_at, model, layer, shape)
            if stored
            else _online(work, recipe, dataset, pool, model)
        )
        if not stored:
            work.watcher.note(
                f"the teacher runs along with the training: {size_mb:.0f} MB of features of {layer} are more than "
                f"distill.store_features_mb = {recipe.distill.store_features_mb}"
            )
        sources.append(source)
        told.append({"layer": layer, "shape": list(shape), "stored": stored, "size_mb": round(size_mb, 1)})
    return TeacherFeatures(teacher if layers else None, layers, tuple(sources), tuple(told))


class _Flat:
    """A layer of the teacher as what a column is computed from: each photo's outputs as one row."""

    def __init__(self, model: Any, layer: str, width: int) -> None:
        self.model, self.key, self.num_classes = model, layer, width
        self.input_size = (int(model.input_shape[1]), int(model.input_shape[2]))

    def logits(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
        """Outputs float32 [N, D] of images uint8 [N, H, W, 3]."""
        return logits_of(self.model, images).reshape(len(images), -1)


def _stored(
    work: Workspace, recipe: Recipe, pool: Pool, views_at: ViewsAt, model: Any, layer: str, shape: tuple[int, ...]
) -> StoredFeatures:
    def do(directory: Path, key: str) -> None:
        compute_column(
            directory, _Flat(model, layer, math.prod(shape)), views_at,
            photos=len(pool.samples), views=recipe.data.views.views, key=key, progress=work.watcher.progress,
        )  # fmt: skip

    # The column's hash stands for the teacher, the photos and their views.
    directory = work.stage(
        f"features/{layer}", {"column": work.hashes["column"], "layer": layer}, ("manifest.json",), do
    )
    return StoredFeatures(TeacherColumn(directory), shape)


def _online(work: Workspace, recipe: Recipe, dataset: Any, pool: Pool, model: Any) -> OnlineFeatures:
    views = open_views(
        work.path / "features" / "views", dataset, pool.samples, preprocessing_for(recipe, model), recipe.data.views,
        recipe.seed, progress=work.watcher.progress,
    )  # fmt: skip
    return OnlineFeatures(model, views)
