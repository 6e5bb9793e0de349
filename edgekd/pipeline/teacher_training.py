"""A trainable teacher is trained on the labelled photos of a run, in stages or as the recipe says."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edgekd.data.views_live import open_views
from edgekd.pipeline.context import RunContext
from edgekd.teacher.cross_validation import SMALL_VALIDATION, train_cross_validated
from edgekd.teacher.staged import Epochs, StageRecord, StageTrainer, train_stages
from edgekd.teacher.transfer import LabelledViews, fine_tune, probe
from edgekd.training.loop import Validation


@dataclass(frozen=True)
class Training:
    """How a teacher was trained: the epochs of its fine-tune, and the stages that were judged."""

    epochs: Epochs = field(default_factory=list)
    stages: list[StageRecord] = field(default_factory=list)


def train_teacher(context: RunContext, model: Any, directory: Path, key: str) -> Training:
    """Train ``model`` in place: the head, then the blocks that the recipe names or that held-out photos are for.

    ``directory`` holds what an interrupted training goes on from, under ``key``.
    """
    section, validation = context.recipe.teacher, context.validation(model)
    if section.fine_tune_blocks == "auto":
        return _train_stages(context, model, validation, directory, key)
    views, progress = _labelled_views(context, model, directory), context.workspace.watcher.progress
    probe(model, views, validation, progress)
    epochs = Epochs()
    if section.fine_tune_blocks:
        epochs = fine_tune(
            model, views, validation, section.fine_tune, last_blocks=section.fine_tune_blocks,
            seed=context.recipe.seed, checkpoint=directory / "checkpoint.npz", key=key, progress=progress,
        ).epochs  # fmt: skip
        (directory / "checkpoint.npz").unlink(missing_ok=True)
    shutil.rmtree(directory / "views", ignore_errors=True)
    return Training(epochs)


def describe_score(score: Mapping[str, Any], stages: Sequence[StageRecord]) -> str:
    """The teacher's score in a sentence, and that of its head alone where more of it was trained."""
    if score["value"] is None:
        return "teacher: there are no validation photos to judge it by"
    metric = "" if score["metric"] == "accuracy" else f" {score['metric'].replace('_', ' ')}"
    text = (
        f"teacher: {score['value']:.1%}{metric} ({score['low']:.0%}\N{EN DASH}{score['high']:.0%}) of {score['n']:,} "
        "validation photos"
    )
    return "; ".join([text, *_describe_stages(stages)])


def _describe_stages(stages: Sequence[StageRecord]) -> list[str]:
    if len(stages) < 2:
        return []
    judged = "cross-validated" if stages[0]["cross_validated"] else "there"
    scores = ", ".join(
        f"{stage['name']} {'alone ' if not stage['blocks'] else ''}{stage['score']:.1%}" for stage in stages
    )
    best = [stage["name"] for stage in stages if stage["kept"]][-1]
    return [f"{judged}: {scores}; trained: {best}"]


def _train_stages(context: RunContext, model: Any, validation: Validation, directory: Path, key: str) -> Training:
    watcher, seed = context.workspace.watcher, context.recipe.seed
    few = len(validation.labels) < SMALL_VALIDATION
    views = _labelled_views(context, model, directory, with_validation=few)
    trainer = StageTrainer(
        views, context.recipe.teacher.fine_tune, seed, directory, key, watcher.note, watcher.progress
    )
    photos = np.arange(len(context.pool.labelled))
    if few:
        samples = (*(context.pool.samples[i] for i in context.pool.labelled), *context.dataset.split("val"))
        groups = np.array([sample.group for sample in samples], np.int64)
        stages, epochs = train_cross_validated(model, trainer, photos, validation, groups)
    else:
        stages, epochs = train_stages(model, trainer, photos, validation)
    trainer.tidy()
    shutil.rmtree(directory / "views", ignore_errors=True)
    return Training(epochs, stages)


def _labelled_views(
    context: RunContext, model: Any, directory: Path, *, with_validation: bool = False
) -> LabelledViews:
    """Views of the labelled training photos, and after them, if wanted, of the validation photos."""
    recipe, pool = context.recipe, context.pool
    samples, labels = tuple(pool.samples[i] for i in pool.labelled), pool.labels[pool.labelled]
    if with_validation:
        samples = (*samples, *context.dataset.split("val"))
        labels = np.concatenate([labels, context.dataset.labels("val")])
    source = open_views(
        directory / "views", context.dataset, samples, context.preprocessing(model), recipe.data.views.plain(),
        recipe.seed, progress=context.workspace.watcher.progress,
    )  # fmt: skip
    return LabelledViews(source, labels)
