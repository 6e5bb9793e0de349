"""The views that soft targets are computed on, and the finished teacher that computes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgekd.data.dataset import Dataset, Sample
from edgekd.data.views import ViewPolicy
from edgekd.data.views_render import rendered_batches
from edgekd.pipeline.fixed_teacher import open_teacher_of
from edgekd.preprocess import Preprocessing
from edgekd.recipe import Recipe
from edgekd.soft_targets.compute import RenderedShard, ViewsAt
from edgekd.teacher.average import with_mirror_images
from edgekd.teacher.encoder_teacher import EncoderTeacher, MirroredEncoderTeacher
from edgekd.teacher.keras_teacher import open_teacher
from edgekd.teacher.protocol import Teacher

_BATCH_IMAGES, _BATCH_PHOTOS = 256, 16


def load_finished_teacher(recipe: Recipe, run: Path, dataset: Dataset) -> Teacher:
    """The teacher of a run whose teacher stage is done, as it gives soft targets: with mirror images or without."""
    is_fixed = recipe.teacher.is_fixed
    file = run / "teacher" / "teacher.keras"
    teacher: Teacher = open_teacher_of(recipe, dataset, run) if is_fixed else open_teacher(file)
    if not recipe.mirrors_views:
        return teacher
    section, task = recipe.teacher, recipe.data.task
    average = "probabilities" if section.average == "features" else section.average
    if isinstance(teacher, EncoderTeacher):
        return MirroredEncoderTeacher(teacher, average, task)
    return with_mirror_images(teacher, average, task)


def views_at(recipe: Recipe, dataset: Dataset, samples: Sequence[Sample], policy: ViewPolicy | None = None) -> ViewsAt:
    """The photos' views at any size, a shard at a time; the recipe's unless others are asked for."""
    policy = policy or recipe.data.views

    def at(size: tuple[int, int]) -> RenderedShard:
        preprocessing = Preprocessing(height=size[0], width=size[1], crop=recipe.data.crop)

        def render_shard(start: int, stop: int) -> Iterator[npt.NDArray[np.uint8]]:
            return rendered_batches(
                dataset, tuple(samples), preprocessing, policy, recipe.seed, start=start, stop=stop,
                batch_samples=photos_per_batch(policy.views),
            )  # fmt: skip

        return render_shard

    return at


def photos_per_batch(views: int) -> int:
    """As many images a batch, however many views a photo has. The bytes of the soft targets depend on it."""
    return max(1, min(_BATCH_PHOTOS, _BATCH_IMAGES // views))
