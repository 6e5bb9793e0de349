"""Which stages of a teacher's training pay, where there are few validation photos: by cross-validation over all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekd.data.stratify import stratify
from edgekd.task import Metric
from edgekd.teacher.staged import (
    Epochs,
    Judgement,
    Labels,
    Logits,
    Numbers,
    StageLeftOut,
    StageRecord,
    StageTrainer,
    TrainingStage,
    judge,
    record_of,
    stages_of,
)
from edgekd.training.checkpoint import TrainingState, assign, copy_values, load_state, save_state
from edgekd.training.loop import Validation, logits_of

SMALL_VALIDATION = 100
"""With fewer validation photos, a stage is judged by cross-validation over training and validation photos."""
FOLDS = 3
# Every fold trains on two thirds of the photos, and the stage that is kept once more on all.
_FITS = FOLDS + FOLDS / (FOLDS - 1)


def train_cross_validated(
    model: Any, trainer: StageTrainer, photos: Numbers, validation: Validation, groups: npt.NDArray[np.int64]
) -> tuple[list[StageRecord], Epochs]:
    """Choose stages by cross-validation over all photos of the trainer's views, then train those on ``photos``.

    Args:
        model: The network, trained in place.
        trainer: Its views are of the training and the validation photos.
        photos: Numbers of the training photos among the views.
        validation: The validation photos, on which the penalty of the head is chosen.
        groups: The group of duplicates of every photo of the views; a group is in one fold.

    Returns:
        A record a stage, and the epochs of the last fine-tune.
    """
    start, labels = copy_values(model.variables), trainer.views.labels
    folds = assign_folds(labels, groups, trainer.seed)
    rows: list[list[Logits]] = []
    for number in range(FOLDS):
        most = len(rows[0]) if rows else len(stages_of(model))
        rows.append(_fold_logits(model, trainer, folds, number, validation.metric, stages_of(model)[:most]))
        assign(model.variables, start)
    # A stage that one fold had no time for is judged in none.
    stages = stages_of(model)[: min(len(row) for row in rows)]
    logits = np.zeros((len(stages), len(labels), model.output_shape[-1]), np.float32)
    for number, row in enumerate(rows):
        logits[:, folds == number] = row[: len(stages)]
    records: list[StageRecord] = []
    best: Judgement | None = None
    for stage, answers in zip(stages, logits, strict=True):
        judged = judge(answers, labels, validation.metric)
        kept = judged.clearly_beats(best)
        best = judged if kept else best
        records.append(record_of(stage, judged, len(labels), kept, cross_validated=True))
    epochs = Epochs()
    # Its time was judged with that of the folds.
    unhurried = replace(trainer, most_s=None)
    for stage, record in zip(stages, records, strict=True):
        if record["kept"]:
            epochs = unhurried.fit(model, stage, photos, validation)
    return records, epochs


def assign_folds(labels: Labels, groups: npt.NDArray[np.int64], seed: int, count: int = FOLDS) -> npt.NDArray[np.int64]:
    """The fold [N] of every photo, of ``count``: groups stay together, each class or tag is spread over the folds."""
    if labels.ndim == 2:
        return _folds_by_tags(labels, groups, seed, count)
    rng, folds = np.random.default_rng([seed, count]), np.empty(len(labels), np.int64)
    sizes = np.zeros((count, int(labels.max()) + 1), np.int64)
    names, firsts = np.unique(groups, return_index=True)
    for group in names[np.argsort(labels[firsts] + rng.random(len(names)), kind="stable")]:
        members = np.flatnonzero(groups == group)
        label = labels[members[0]]
        fold = int(np.lexsort((sizes.sum(axis=1), sizes[:, label]))[0])
        folds[members] = fold
        sizes[fold, label] += len(members)
    return folds


def _folds_by_tags(tags: Labels, groups: npt.NDArray[np.int64], seed: int, count: int) -> npt.NDArray[np.int64]:
    names, rows = np.unique(groups, return_inverse=True)
    counts, sizes = np.zeros((len(names), tags.shape[1] + 1), np.int64), np.bincount(rows)
    # The last column is of photos without a tag.
    np.add.at(counts, rows, np.column_stack([tags == 1, (tags != 1).all(axis=1)]))
    order = np.random.default_rng([seed, count]).permutation(len(names))
    folds = np.empty(len(names), np.int64)
    folds[order] = stratify(counts[order], sizes[order], [1 / count] * count)
    return folds[rows]


def _fold_logits(
    model: Any,
    trainer: StageTrainer,
    folds: npt.NDArray[np.int64],
    number: int,
    metric: Metric,
    stages: Sequence[TrainingStage],
) -> list[Logits]:
    """Logits [M, C] of every stage for the photos of a fold, trained on those of the others.

    The stages end before the first that would take too long.
    """
    part = f"fold {number + 1} of {FOLDS}"
    path = trainer.directory / f"checkpoint-fold-{number + 1}.npz"
    known = load_state(path, trainer.key)
    if known is not None:
        return list(known.best)
    held_out, others = np.flatnonzero(folds == number), np.flatnonzero(folds != number)
    # View 0 is the photo as a model sees it, not augmented.
    images = trainer.views.source.gather(held_out, np.zeros(len(held_out), np.int64))
    validation = Validation(images, trainer.views.labels[held_out], metric)
    rows: list[Logits] = []
    for stage in stages:
        try:
            trainer.fit(model, stage, others, validation, part, _FITS)
        except StageLeftOut:
            break
        rows.append(logits_of(model, images))
    save_state(path, TrainingState(trainer.key, best=rows))
    for stage in stages:
        trainer.checkpoint(stage, part).unlink(missing_ok=True)
    return rows
