"""A short training of one candidate on stored soft targets, and what it scores on photos that it did not see."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekd.data.dataset import Sample
from edgekd.data.views_live import open_views
from edgekd.distill.bind import bind_logits
from edgekd.evaluation.score import truth_of
from edgekd.pipeline.context import RunContext
from edgekd.pipeline.search.quality import (
    ProbePhotos,
    expected_score,
    fit_probe,
    images_at,
    labels_from,
    probe_features,
)
from edgekd.scoring import Truth
from edgekd.soft_targets.store import SoftTargets
from edgekd.teacher.transfer import features_of
from edgekd.training.batches import BatchStream
from edgekd.training.labels import has_label
from edgekd.training.loop import Validation, logits_of, make_deterministic, train
from edgekd.training.schedule import FixedStudentSchedule

# Photos that candidates are trained on, in so many views, and those that judge them.
_MOST_PHOTOS, _VIEWS, _MOST_JUDGED = 600, 2, 400


@dataclass(frozen=True)
class _SomeLogits:
    """Stored logits of some photos, numbered anew."""

    stored: SoftTargets
    numbers: npt.NDArray[np.int64]

    def __getitem__(self, where: tuple[npt.NDArray[Any], npt.NDArray[Any]]) -> npt.NDArray[Any]:
        return self.stored[self.numbers[where[0]], where[1]]


@dataclass(frozen=True, eq=False)
class TrialPhotos:
    """Numbers in the pool of the photos to train on, and photos to judge by with their classes.

    Validation photos judge by their labels; where they are few, photos of the pool that are not trained on judge too,
    by the teacher's answers.
    """

    numbers: npt.NDArray[np.int64]
    judged: tuple[Sample, ...]
    labels: Truth
    by_teacher: int

    @property
    def described(self) -> str:
        """How candidates are judged, in words."""
        own = len(self.judged) - self.by_teacher
        parts = [f"{own} validation photos"] if own else []
        return " and ".join([*parts, *([f"the teacher's answers on {self.by_teacher} others"] * bool(self.by_teacher))])


def trial_photos(context: RunContext) -> TrialPhotos:
    """Divide the pool into photos to train on and photos to judge by."""
    pool, recipe = context.pool, context.recipe
    val = () if context.label_free else context.dataset.split("val")[:_MOST_JUDGED]
    labels = truth_of(context.dataset, val)
    order = np.random.default_rng(recipe.seed).permutation(len(pool.samples))
    # Labelled photos are too few to be held back.
    free = order if context.label_free else order[~has_label(pool.labels)[order]]
    held = np.sort(free[: min(_MOST_JUDGED - len(val), len(free) // 4)])
    rest = np.setdiff1d(np.arange(len(pool.samples)), held)
    logits = SoftTargets(context.path / "soft_targets")[held, np.zeros_like(held)]
    answers = labels_from(logits, context.dataset.task)
    judged = (*val, *(pool.samples[i] for i in held))
    # Labelled photos come first in the pool.
    return TrialPhotos(rest[:_MOST_PHOTOS], judged, np.concatenate([labels, answers]), len(held))


@dataclass(frozen=True)
class Outcome:
    """What a short training scored, its seconds in all, of a step once it runs, and of a view that was rendered."""

    score: float
    seconds: float
    step_s: float
    view_s: float


def probe_student(context: RunContext, student: Any, photos: ProbePhotos) -> float:
    """The score of a linear head on an untrained student's features; its own head is fitted too."""
    features = logits_of(features_of(student), images_at(context, photos.samples, int(student.input_shape[1])))
    head = fit_probe(features, photos)
    student.layers[-1].set_weights([head.kernel, head.bias])
    return probe_features(features, photos)


def train_briefly(context: RunContext, student: Any, photos: TrialPhotos, steps: int, folder: Path) -> Outcome:
    """Train ``student`` for so many steps on the teacher's stored answers, and judge it."""
    recipe, started = context.recipe, time.monotonic()
    make_deterministic(recipe.seed)
    size = int(student.input_shape[1])
    # Mixed views depend on which photos there are: only the photos themselves stay what they were.
    policy = recipe.data.views.plain()
    views = 1 if recipe.data.views.mix.on else min(_VIEWS, policy.views)
    samples = tuple(context.pool.samples[i] for i in photos.numbers)
    source = open_views(
        folder / f"views-{size}", context.dataset, samples, context.preprocessing_at((size, size)),
        policy.model_copy(update={"views": views}), recipe.seed,
    )  # fmt: skip
    view_s = (time.monotonic() - started) / (len(samples) * views)
    section = recipe.distill
    schedule = FixedStudentSchedule(
        epochs=2, batch_size=section.schedule.batch_size, learning_rate=section.schedule.learning_rate,
        weight_decay=section.schedule.weight_decay, warmup_share=section.schedule.warmup_share,
    )  # fmt: skip
    stream = BatchStream(
        source, np.arange(len(samples)), context.pool.labels[photos.numbers],
        _SomeLogits(SoftTargets(context.path / "soft_targets"), photos.numbers),
        batch_size=schedule.batch_size, seed=recipe.seed,
    )  # fmt: skip
    nothing = Validation(np.zeros((0, size, size, 3), np.uint8), np.zeros(0, np.int64))
    half, checkpoint, ends = max(1, steps // 2), folder / "trial.npz", list[float]()
    checkpoint.unlink(missing_ok=True)
    try:
        train(
            student, bind_logits(section.objective, section.confidence), stream, nothing, schedule,
            steps_per_epoch=half, checkpoint=checkpoint, key="trial",
            epoch_done=lambda _entry: ends.append(time.monotonic()),
        )  # fmt: skip
    finally:
        checkpoint.unlink(missing_ok=True)
    logits = logits_of(student, images_at(context, photos.judged, size))
    score = expected_score(logits, photos.labels, recipe.metric)
    # The first half has the tracing of the step in it.
    return Outcome(score, time.monotonic() - started, (ends[1] - ends[0]) / half, view_s)
