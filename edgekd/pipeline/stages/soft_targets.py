"""The column's stage: what its workers open, and who they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgekd.data.dataset import Dataset
from edgekd.data.views_render import rendered_batches
from edgekd.pipeline.context import Pool, pool_of, view_facts
from edgekd.pipeline.stage import Workspace
from edgekd.pipeline.stages.fixed_teacher import open_teacher_of
from edgekd.preprocess import Preprocessing
from edgekd.recipe import Recipe
from edgekd.scale.place import LocalPlace
from edgekd.soft_targets.compute import RenderedShard, ShardWriter, ViewsAt, fill_soft_targets
from edgekd.teacher.keras_teacher import open_teacher
from edgekd.teacher.protocol import Teacher

_BATCH_IMAGES, _BATCH_PHOTOS = 256, 16


@dataclass(frozen=True)
class SoftTargetsJob:
    """What computes the shards of a run's column: opened here or, from its pickle, by whoever sees the same folders."""

    recipe: Recipe
    run: Path

    def __call__(self) -> ShardWriter:
        """Load the photos' list and the teacher."""
        dataset = Dataset.load(self.run / "data" / "dataset.json")
        pool = pool_of(dataset, label_free=self.recipe.distill.labels == "none")
        return ShardWriter(
            LocalPlace(self.run / "column"), load_finished_teacher(self.recipe, self.run, dataset),
            views_at(self.recipe, dataset, pool), photos=len(pool.samples), views=self.recipe.data.views.views,
        )  # fmt: skip


def soft_targets_stage(work: Workspace, recipe: Recipe, dataset: Dataset, pool: Pool) -> Path:
    """The teacher's logits for every view of every training photo, by the workers of ``work``. Writes ``column/``."""

    def do(directory: Path, key: str) -> None:
        fill_soft_targets(
            LocalPlace(directory), SoftTargetsJob(recipe, work.path.absolute()),
            photos=len(pool.samples), views=recipe.data.views.views, key=key,
            workers=work.workers, progress=work.watcher.progress,
        )  # fmt: skip

    depends = {"teacher": work.hashes["teacher"], **view_facts(recipe, dataset)}
    return work.stage("column", depends, ("manifest.json",), do)


def load_finished_teacher(recipe: Recipe, run: Path, dataset: Dataset) -> Teacher:
    """The teacher of a run that has come past its stage."""
    if recipe.teacher.given:
        return open_teacher_of(recipe, dataset)
    return open_teacher(run / "teacher" / "teacher.keras")


def views_at(recipe: Recipe, dataset: Dataset, pool: Pool) -> ViewsAt:
    """The training photos' views at any size, a shard at a time."""
    policy = recipe.data.views

    def at(size: tuple[int, int]) -> RenderedShard:
        preprocessing = Preprocessing(height=size[0], width=size[1], crop=recipe.data.crop)

        def rendered(start: int, stop: int) -> Iterator[npt.NDArray[np.uint8]]:
            return rendered_batches(
                dataset, pool.samples, preprocessing, policy, recipe.seed, start=start, stop=stop,
                batch_samples=batch_photos(policy.views),
            )  # fmt: skip

        return rendered

    return at


def batch_photos(views: int) -> int:
    """Photos a batch: as many images, however many views a photo has. The bytes of a column depend on it."""
    return max(1, min(_BATCH_PHOTOS, _BATCH_IMAGES // views))
