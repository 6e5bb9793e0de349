"""A trainable teacher is trained on the labelled photos of a run, in stages or as the recipe says."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekd.data.dataset import Sample
from edgekd.data.images import images_of, some_of
from edgekd.data.views_live import open_views
from edgekd.pipeline.context import RunContext
from edgekd.recipe import Recipe
from edgekd.task import METRICS, metric_name
from edgekd.teacher.cross_validation import SMALL_VALIDATION, train_cross_validated
from edgekd.teacher.labelled_views import LabelledViews
from edgekd.teacher.self_training import SelfTrainingRecord, self_train
from edgekd.teacher.staged import Epochs, Numbers, StageRecord, StageTrainer, stages_of, train_stages
from edgekd.teacher.transfer import fine_tune, probe
from edgekd.training.loop import Validation
from edgekd.training.time_budget import describe_duration

# Of a larger pool, as many photos: what a head learns from more is little, and each is run through the network.
_MOST_POOL = 5_000
# Minutes that a stage of fine-tuning may take, and its share of those of a whole run; several networks divide them.
_MOST_MINUTES, _BUDGET_SHARE = 10.0, 0.1
_BATCH = 64


@dataclass(frozen=True)
class Training:
    """How a teacher was trained: epochs of its fine-tune, stages that were judged, and the worth of its own answers."""

    epochs: Epochs = field(default_factory=list)
    stages: list[StageRecord] = field(default_factory=list)
    self_training: SelfTrainingRecord | None = None

    def facts(self) -> dict[str, Any]:
        """What a summary holds of it."""
        own = {} if self.self_training is None else {"self_training": self.self_training}
        return {"history": self.epochs, "stages": self.stages, **own}


def train_teacher(context: RunContext, model: Any, directory: Path, key: str) -> Training:
    """Train ``model`` in place: the head, then the blocks that the recipe names or that held-out photos are for.

    ``directory`` holds what an interrupted training goes on from, under ``key``.
    """
    section, validation, watcher = context.recipe.teacher, context.validation(model), context.workspace.watcher
    by_stages = section.fine_tune_blocks == "auto" and len(stages_of(model)) > 1
    with_pool = section.self_train == "auto" and bool(_pool_photos(context))
    if section.fine_tune_blocks == "auto" and not by_stages:
        watcher.note(
            f"teacher: {section.name} has no layers whose names show its blocks, so that its head alone is trained"
        )
    few = len(validation.labels) < SMALL_VALIDATION and (by_stages or with_pool)
    views = _labelled_views(context, model, directory, with_validation=few)
    photos, groups = np.arange(len(context.pool.labelled)), duplicate_groups(context) if few else None
    trainer = StageTrainer(
        views,
        section.fine_tune,
        context.recipe.seed,
        directory,
        key,
        watcher.note,
        watcher.progress,
        _most_seconds(context.recipe),
    )
    stages: list[StageRecord] = []
    if by_stages:
        if groups is None:
            stages, epochs = train_stages(model, trainer, photos, validation)
        else:
            stages, epochs = train_cross_validated(model, trainer, photos, validation, groups)
    else:
        blocks = 0 if section.fine_tune_blocks == "auto" else section.fine_tune_blocks
        epochs = _train_blocks(model, trainer, photos, validation, blocks)
    own = None
    if with_pool:
        head_alone = not epochs
        own = self_train(
            model, views, photos, _pool_batches(context, model), validation,
            groups=groups if head_alone else None, seed=context.recipe.seed,
        )  # fmt: skip
        watcher.note(_describe_self_training(own))
    trainer.tidy()
    shutil.rmtree(directory / "views", ignore_errors=True)
    return Training(epochs, stages, own)


def _most_seconds(recipe: Recipe) -> float:
    """Seconds that a stage of fine-tuning may take, of each network."""
    minutes, budget = recipe.teacher.fine_tune.minutes, recipe.student.budget
    if minutes is None:
        all_networks = _MOST_MINUTES if budget is None or budget.minutes is None else _BUDGET_SHARE * budget.minutes
        minutes = all_networks / max(1, len(recipe.teacher.trained_members))
    return 60 * minutes


def describe_score(score: Mapping[str, Any], stages: Sequence[StageRecord] = ()) -> str:
    """The teacher's score in a sentence, and that of its head alone where more of it was trained."""
    if score["value"] is None:
        return "teacher: there are no validation photos to judge it by"
    metric = "" if score["metric"] == "accuracy" else f" {metric_name(score['metric'])}"
    judged_on = "on" if score["metric"] in METRICS["multi-label"] else "of"
    text = (
        f"teacher: {score['value']:.1%}{metric} ({score['low']:.0%}\N{EN DASH}{score['high']:.0%}) {judged_on} "
        f"{score['n']:,} validation photos"
    )
    return "; ".join([text, *_describe_stages(stages)])


def _describe_stages(stages: Sequence[StageRecord]) -> list[str]:
    if len(stages) < 2:
        return []
    judged = "cross-validated" if stages[0]["cross_validated"] else "there"
    scores = ", ".join(
        f"{stage['name']} {'alone ' if not stage['blocks'] else ''}{stage['score']:.1%}" for stage in stages
    )
    best = [stage for stage in stages if stage["kept"]][-1]
    doubted = [_doubt(stage, best) for stage in stages if stage["score"] > best["score"]]
    return [f"{judged}: {scores}; trained: {best['name']}", *doubted]


def _doubt(stage: StageRecord, best: StageRecord) -> str:
    """Why a stage with a higher score than the ``best`` is not the one that is kept."""
    if stage["loss"] > best["loss"]:
        return (
            f"{stage['name']} would be surer of wrong answers (cross-entropy {stage['loss']:.3g}, {best['loss']:.3g})"
        )
    return f"what {stage['name']} would gain may be chance"


def _describe_self_training(record: SelfTrainingRecord) -> str:
    judged = "cross-validated" if record["cross_validated"] else "on validation photos"
    return (
        f"teacher: sure of {record['confident']:,} of {record['pool']:,} photos without a label; learning from these "
        f"answers: {record['before']:.1%} before, {record['after']:.1%} after ({judged}), "
        f"{'kept' if record['kept'] else 'not kept'}"
        f"{': it would be surer of wrong answers' if record['after'] > record['before'] and not record['kept'] else ''}"
    )


def _train_blocks(model: Any, trainer: StageTrainer, photos: Numbers, validation: Validation, blocks: int) -> Epochs:
    """The head, then as many blocks as the recipe names; the epoch is chosen by validation."""
    probe(model, trainer.views, validation, trainer.progress, photos=photos)
    if not blocks:
        return []
    return fine_tune(
        model, trainer.views, validation, trainer.schedule, last_blocks=blocks, seed=trainer.seed, photos=photos,
        checkpoint=trainer.directory / "checkpoint.npz", key=trainer.key, progress=trainer.progress,
    ).epochs  # fmt: skip


def _pool_photos(context: RunContext) -> tuple[Sample, ...]:
    return some_of(context.dataset.split("unlabelled"), _MOST_POOL, context.recipe.seed)


def _pool_batches(context: RunContext, model: Any) -> Iterator[npt.NDArray[np.uint8]]:
    """Photos without labels, not augmented; says how long all of them take once the first have been answered."""
    samples, watcher, started = _pool_photos(context), context.workspace.watcher, time.monotonic()
    for start in range(0, len(samples), _BATCH):
        if start == _BATCH:
            seconds = (time.monotonic() - started) * (len(samples) - start) / _BATCH
            watcher.note(
                f"teacher: answering {len(samples):,} photos without a label takes {describe_duration(seconds)}"
            )
        watcher.progress(start, len(samples))
        yield images_of(context.dataset, samples[start : start + _BATCH], context.preprocessing(model))


def duplicate_groups(context: RunContext) -> Numbers:
    """The groups of duplicates of the labelled training photos and, after them, of the validation photos."""
    samples = (*(context.pool.samples[i] for i in context.pool.labelled), *context.dataset.split("val"))
    return np.array([sample.group for sample in samples], np.int64)


def _labelled_views(
    context: RunContext, model: Any, directory: Path, *, with_validation: bool = False
) -> LabelledViews:
    """Views of the labelled training photos, and after them, if wanted, of the validation photos."""
    recipe, pool = context.recipe, context.pool
    samples, labels = tuple(pool.samples[i] for i in pool.labelled), pool.labels[pool.labelled]
    if with_validation:
        samples = (*samples, *context.dataset.split("val"))
        labels = np.concatenate([labels, context.dataset.truth("val")])
    source = open_views(
        directory / "views", context.dataset, samples, context.preprocessing(model), recipe.data.views.plain(),
        recipe.seed, progress=context.workspace.watcher.progress,
    )  # fmt: skip
    return LabelledViews(source, labels)
