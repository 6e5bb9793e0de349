"""Heads are fitted on the stored features of a run's encoders."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgekd.pipeline.context import RunContext
from edgekd.pipeline.encoder_features import Column
from edgekd.pipeline.fixed_teacher import some_photos
from edgekd.pipeline.teacher_training import duplicate_groups
from edgekd.pipeline.words_training import open_words, use_words_alone
from edgekd.teacher.cross_validation import SMALL_VALIDATION
from edgekd.teacher.encoder_heads import (
    HEADS,
    HeadKind,
    HeadTrainer,
    HeadTraining,
    LabelledFeatures,
    describe_heads,
    save_heads,
    train_heads,
)
from edgekd.teacher.encoder_teacher import EncoderMember, average_of, open_encoders


def train_encoder_heads(context: RunContext, directory: Path) -> HeadTraining:
    """Store the features of the labelled photos and fit the heads to them; writes ``heads.npz``.

    With class words and without training, the words alone are the head.

    Raises ModelError where an encoder is not understood.
    """
    recipe, dataset, pool = context.recipe, context.dataset, context.pool
    section, started = recipe.teacher, time.monotonic()
    members = [EncoderMember(e) for e in open_encoders(section, some_photos(recipe, dataset), recipe.data.crop)]
    if section.words is not None and not section.train:
        return use_words_alone(context, directory, members[0])
    held_out = dataset.truth("val")
    features = LabelledFeatures(
        tuple(_labelled_and_validation(context, member, number + 1) for number, member in enumerate(members)),
        np.concatenate([pool.labels[pool.labelled], held_out]),
    )
    words = None if section.words is None else open_words(context, members[0])
    trainer = HeadTrainer(
        features, len(dataset.classes), average_of(section), recipe.data.task, recipe.metric, recipe.seed,
        None if words is None else words.head,
    )  # fmt: skip
    training = np.arange(len(pool.labelled))
    validation = np.arange(len(training), len(features.labels))
    kinds: tuple[HeadKind, ...] = ("linear", "mlp") if section.head == "auto" else (section.head,)
    if words is not None:
        kinds = ("words", *kinds, "both")
    groups = duplicate_groups(context) if len(held_out) < SMALL_VALIDATION else None
    heads, records = train_heads(trainer, kinds, training, validation, groups)
    if text := describe_heads(records):
        context.workspace.watcher.note(text)
    save_heads(directory / HEADS, heads, features.rows(training)[0])
    return HeadTraining(
        trainer.answers(heads, validation), records, round(time.monotonic() - started, 3),
        None if words is None else words.record,
    )  # fmt: skip


def _labelled_and_validation(context: RunContext, member: EncoderMember, number: int) -> npt.NDArray[np.float16]:
    """Features [L + M, V, D] of the labelled training photos and of the validation photos, in views of one photo."""
    pool, mixed = context.pool, context.recipe.data.views.mix.on
    column = Column(context, member, number, "labelled" if mixed else "encoder")
    labelled = column.fill(np.arange(len(pool.labelled)) if mixed else pool.labelled)
    validation = Column(context, member, number, "validation")
    held_out = validation.fill(np.arange(len(validation.samples)))
    # Of many views a head is fitted to the first ones; photos that only judge are seen in view 0 alone.
    labelled = labelled[:, : context.recipe.data.views.plain().views]
    repeated = np.broadcast_to(held_out[:, :1], (len(held_out), *labelled.shape[1:]))
    return np.concatenate([labelled, held_out if held_out.shape == repeated.shape else repeated])
