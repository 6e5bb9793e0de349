"""The class words of a run: read, compared with the encoder's features, and the classes' shares that they assume."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgekd.data.images import images_of
from edgekd.pipeline.context import RunContext
from edgekd.pipeline.encoder_features import Column
from edgekd.teacher.class_prior import estimate_prior
from edgekd.teacher.encoder import Features
from edgekd.teacher.encoder_heads import HEADS, HeadTraining, save_heads
from edgekd.teacher.encoder_teacher import EncoderMember
from edgekd.teacher.words import (
    ClassWords,
    PriorSource,
    Shares,
    WordsRecord,
    describe_words,
    read_words,
    shares_of,
)
from edgekd.teacher.words_head import WordsHead, zero_shot_head
from edgekd.training.labels import has_label

# Photos without labels are the last ones, in the order of their hashes: any part of them is a random sample.
_MOST_PHOTOS, _BATCH = 5_000, 64


@dataclass(frozen=True)
class RunWords:
    """The head of a run's class words alone, and what is recorded of it."""

    head: WordsHead
    record: WordsRecord


def open_words(context: RunContext, member: EncoderMember) -> RunWords:
    """The class words of ``[teacher]``, for the data's classes and the run's encoder; notes what is assumed.

    Raises ModelError where they don't fit.
    """
    section, classes = context.recipe.teacher, context.dataset.classes
    assert section.words is not None
    assert isinstance(section.model, str)
    words = read_words(Path(section.words)).of_classes(classes)
    words.require_dimensions(member.encoder.dimensions, section.model)
    source, prior, photos, converged = _prior(context, member, words)
    record: WordsRecord = {
        "file": Path(section.words).name, "prompts": words.prompts, "logit_scale": words.logit_scale,
        "prior": {} if prior is None else {name: round(float(p), 6) for name, p in zip(classes, prior, strict=True)},
        "prior_from": source, "photos": photos, "converged": converged,
    }  # fmt: skip
    context.workspace.watcher.note(f"teacher: {describe_words(record)}")
    return RunWords(zero_shot_head(words, prior), record)


def use_words_alone(context: RunContext, directory: Path, member: EncoderMember) -> HeadTraining:
    """Write ``heads.npz`` of the class words alone; no label takes part."""
    words = open_words(context, member)
    validation = Column(context, member, 1, "validation")
    count = len(validation.samples)
    logits = np.zeros((0, len(context.dataset.classes)), np.float32)
    if count:
        logits = words.head.logits(validation.fill(np.arange(count))[:, 0].astype(np.float32))
    save_heads(directory / HEADS, [words.head], [_sample_features(context, member)])
    return HeadTraining(logits, [], None, words.record)


def _prior(
    context: RunContext, member: EncoderMember, words: ClassWords
) -> tuple[PriorSource, Shares | None, int, bool]:
    """Where the shares of the classes are from, what they are, on how many photos estimated, and if that settled."""
    prior = context.recipe.teacher.prior
    if prior is None:
        return ("equal", None, 0, True) if words.prior is None else ("table", words.prior, 0, True)
    if prior != "estimate":
        return "recipe", shares_of(prior, context.dataset.classes, "[teacher] prior"), 0, True
    estimated = estimate_prior(zero_shot_head(words, None).logits(_sample_features(context, member)))
    return "estimate", estimated.shares, estimated.photos, estimated.converged


def _sample_features(context: RunContext, member: EncoderMember) -> Features:
    """Features [N, D] of photos without labels, as they are; where there are none, of those that are trained on."""
    pool = context.pool
    numbers = np.flatnonzero(~has_label(pool.labels))
    numbers = (numbers if len(numbers) else np.arange(len(pool.samples)))[-_MOST_PHOTOS:]
    if context.recipe.data.views.mix.on:
        return _plain_features(context, member, numbers)
    # View 0 is the photo as it is.
    return Column(context, member, 1).fill(numbers)[:, 0].astype(np.float32)


def _plain_features(context: RunContext, member: EncoderMember, numbers: npt.NDArray[np.int64]) -> Features:
    """Features of photos that the stored views mix with others."""
    samples, size = [context.pool.samples[i] for i in numbers], context.preprocessing_at(member.input_size)
    parts = [tuple(samples[i : i + _BATCH]) for i in range(0, len(samples), _BATCH)]
    return np.concatenate([member.logits(images_of(context.dataset, part, size)) for part in parts])
