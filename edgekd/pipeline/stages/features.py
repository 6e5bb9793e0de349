"""Stage ``features``: the teacher's feature maps for the objectives that compare them, stored or computed online."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekd.distill.bind import feature_model, teacher_layers
from edgekd.distill.objective import FeatureObjective
from edgekd.distill.table import terms_of
from edgekd.distill.vectors import LAYER, VectorTeacher
from edgekd.models.load import load_model
from edgekd.pipeline.context import RunContext
from edgekd.pipeline.encoder_features import column_folders
from edgekd.pipeline.soft_target_views import views_at
from edgekd.soft_targets.compute import compute_soft_targets
from edgekd.soft_targets.store import SoftTargets
from edgekd.storage import read_json, write_json
from edgekd.teacher.encoder_heads import HEADS, load_heads
from edgekd.training.batches import StoredLogits, ViewSource
from edgekd.training.loop import logits_of

_FILE = "features.json"


@dataclass(frozen=True)
class FeatureRecord:
    """A tapped layer of the teacher: its output's ``shape`` without the batch, and whether its outputs are stored."""

    layer: str
    shape: tuple[int, ...]
    stored: bool
    size_mb: float


@dataclass(frozen=True)
class StoredFeatures:
    """One layer's outputs from a store of flat rows: ``features[photos, views]`` gives float16 [B, ...]."""

    store: SoftTargets
    shape: tuple[int, ...]

    def __getitem__(self, where: tuple[npt.NDArray[Any], npt.NDArray[Any]]) -> npt.NDArray[Any]:
        """Features [B, ...] of photo numbers [B] in view numbers [B]."""
        return self.store[where].reshape(-1, *self.shape)


@dataclass(frozen=True)
class StoredVectors:
    """Features of all encoders side by side, standardized: ``features[photos, views]`` gives float32 [B, 1, 1, D]."""

    stores: tuple[SoftTargets, ...]
    mean: npt.NDArray[np.float32]
    scale: npt.NDArray[np.float32]

    def __getitem__(self, where: tuple[npt.NDArray[Any], npt.NDArray[Any]]) -> npt.NDArray[Any]:
        """Features [B, 1, 1, D] of photo numbers [B] in view numbers [B]."""
        rows = np.concatenate([store[where] for store in self.stores], axis=1)
        return ((rows - self.mean) / self.scale)[:, None, None]


@dataclass(frozen=True)
class OnlineFeatures:
    """One layer's outputs, the teacher run over the views when they are needed: float32 [B, ...]."""

    model: Any
    views: ViewSource

    def __getitem__(self, where: tuple[npt.NDArray[Any], npt.NDArray[Any]]) -> npt.NDArray[Any]:
        """Features [B, ...] of photo numbers [B] in view numbers [B]."""
        return logits_of(self.model, self.views.gather(*where))


@dataclass(frozen=True)
class TeacherFeatures:
    """The Keras teacher or what stands for one, ``sources`` of its tapped layers in the terms' order, their records."""

    teacher: Any
    sources: tuple[StoredLogits, ...]
    record: list[dict[str, Any]]


def run(context: RunContext) -> None:
    """Store what the objective needs of the teacher beside its logits, where that is small; writes ``features/``.

    Does nothing where the objective compares no features. Raises ModelError where the teacher shows only its logits, or
    a tap names no layer of it.
    """
    section, watcher = context.recipe.distill, context.workspace.watcher
    terms = terms_of(section.objective)
    taps = [term.objective.taps.teacher for term in terms if isinstance(term.objective, FeatureObjective)]
    if not taps:
        return
    limit_mb = section.store_features_mb

    def work(directory: Path, key: str) -> None:
        teacher = _teacher(context)
        layers = teacher_layers(section.objective, teacher)
        if isinstance(teacher, VectorTeacher):
            # They are stored already.
            write_json(directory / _FILE, [asdict(_vector_record(context, teacher))])
            return
        records = [_store_layer(context, teacher, layer, directory / layer, key) for layer in layers]
        write_json(directory / _FILE, [asdict(record) for record in records])

    # The soft targets' hash stands for the teacher, the photos and their views.
    depends = {
        "soft_targets": context.workspace.hashes["soft_targets"], "taps": taps, "store_features_mb": limit_mb,
    }  # fmt: skip
    context.workspace.stage("features", depends, (_FILE,), work)
    for record in _records(context):
        if not record.stored:
            watcher.note(
                f"the teacher runs along with the training: {record.size_mb:.0f} MB of features of {record.layer} "
                f"are more than distill.store_features_mb = {limit_mb}"
            )


def open_features(context: RunContext) -> TeacherFeatures:
    """The features that this stage stored, and for the rest the teacher itself."""
    teacher, records = _teacher(context), _records(context)
    if isinstance(teacher, VectorTeacher):
        return TeacherFeatures(teacher, (_stored_vectors(context),), [asdict(record) for record in records])
    sources: list[StoredLogits] = []
    for record in records:
        if record.stored:
            sources.append(StoredFeatures(SoftTargets(context.path / "features" / record.layer), record.shape))
        else:
            model = feature_model(teacher, (record.layer,))
            sources.append(OnlineFeatures(model, context.views(model, "features/views")))
    return TeacherFeatures(teacher, tuple(sources), [asdict(record) for record in records])


def _store_layer(context: RunContext, teacher: Any, layer: str, directory: Path, key: str) -> FeatureRecord:
    """Compute a layer's outputs over every view of every training photo, if they fit the limit."""
    recipe, photos = context.recipe, len(context.pool.samples)
    shape = tuple(int(side) for side in teacher.get_layer(layer).output.shape[1:])
    size_mb = photos * recipe.data.views.views * math.prod(shape) * 2 / 1e6
    fits = size_mb <= recipe.distill.store_features_mb
    if fits:
        directory.mkdir(exist_ok=True)
        compute_soft_targets(
            directory, _FlatLayer(feature_model(teacher, (layer,)), layer, math.prod(shape)),
            views_at(recipe, context.dataset, context.pool.samples), photos=photos, views=recipe.data.views.views,
            key=key, progress=context.workspace.watcher.progress,
        )  # fmt: skip
    return FeatureRecord(layer, shape, fits, round(size_mb, 1))


def _records(context: RunContext) -> list[FeatureRecord]:
    entries = read_json(context.path / "features" / _FILE)
    return [FeatureRecord(e["layer"], tuple(e["shape"]), e["stored"], e["size_mb"]) for e in entries]


class _FlatLayer:
    """A layer of the teacher as what soft targets are computed from: each photo's outputs as one row."""

    def __init__(self, model: Any, layer: str, width: int) -> None:
        self.model, self.key, self.num_classes = model, layer, width
        self.input_size = (int(model.input_shape[1]), int(model.input_shape[2]))

    def logits(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
        """Outputs float32 [N, D] of images uint8 [N, H, W, 3]."""
        return logits_of(self.model, images).reshape(len(images), -1)


def _stored_vectors(context: RunContext) -> StoredVectors:
    """The features of the run's encoders, as the stage of soft targets stored them."""
    heads = load_heads(context.path / "teacher" / HEADS)
    stores = tuple(SoftTargets(folder) for folder in column_folders(context))
    return StoredVectors(stores, heads.mean, heads.scale)


def _vector_record(context: RunContext, teacher: VectorTeacher) -> FeatureRecord:
    size_mb = len(context.pool.samples) * context.recipe.data.views.views * teacher.dimensions * 2 / 1e6
    return FeatureRecord(LAYER, (1, 1, teacher.dimensions), True, round(size_mb, 1))


def _teacher(context: RunContext) -> Any:
    """What has layers that can be tapped: the Keras model, or what stands for encoders; None of other teachers."""
    if context.recipe.teacher.encodes:
        return VectorTeacher(len(load_heads(context.path / "teacher" / HEADS).mean))
    return None if context.recipe.teacher.is_fixed else load_model(context.path / "teacher" / "teacher.keras")
