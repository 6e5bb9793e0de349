"""The stored features of a run's encoders, columns under ``teacher/features/``: heads and soft targets come from them.

``encoder-1`` holds the first encoder's features of every view of every photo that training may look at, labelled ones
first, ``encoder-1-mirrored`` those of their mirror images; ``validation-1`` those of the validation photos; and where
the views are mixed, ``labelled-1`` those of single photos, which a head is fitted to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from edgekd._version import __version__
from edgekd.data.dataset import Sample
from edgekd.data.views import ViewPolicy
from edgekd.data.views_render import Renderer
from edgekd.pipeline.context import RunContext
from edgekd.pipeline.fixed_teacher import some_photos
from edgekd.pipeline.soft_target_views import views_at
from edgekd.pipeline.stage import Workspace
from edgekd.preprocess import Preprocessing
from edgekd.recipe import Recipe
from edgekd.scale.place import LocalPlace
from edgekd.scale.workers import Here, Opener
from edgekd.soft_targets.compute import ShardWriter, fill_shards, read_shard, write_manifest
from edgekd.soft_targets.store import SHARD, claim, count_shards
from edgekd.storage import digest
from edgekd.teacher.cross_validation import SMALL_VALIDATION
from edgekd.teacher.encoder import open_encoder
from edgekd.teacher.encoder_teacher import EncoderMember

Part = Literal["encoder", "labelled", "validation"]
"""Photos of a run: all that training may look at; its labelled ones, in views that aren't mixed; for validation."""


_FOLDER = Path("teacher", "features")


@dataclass(frozen=True)
class Column:
    """The features of one encoder, its ``number`` counted from 1, for the photos of a part."""

    context: RunContext
    member: EncoderMember
    number: int
    part: Part = "encoder"

    @property
    def folder(self) -> Path:
        """Where its shards are."""
        return self.context.path / _FOLDER / self.name

    @property
    def name(self) -> str:
        """The name of its folder."""
        return f"{self.part}-{self.number}{'-mirrored' if self.member.mirrored else ''}"

    @property
    def samples(self) -> tuple[Sample, ...]:
        """Its photos."""
        pool = self.context.pool
        if self.part == "validation":
            return self.context.dataset.split("val")
        return pool.samples if self.part == "encoder" else tuple(pool.samples[i] for i in pool.labelled)

    @property
    def policy(self) -> ViewPolicy:
        """Its views."""
        views = self.context.recipe.data.views
        if self.part == "encoder":
            return views
        # Many validation photos only judge; few take part in cross-validation.
        only_judge = self.part == "validation" and len(self.samples) >= SMALL_VALIDATION
        return views.plain().model_copy(update={"views": 1}) if only_judge else views.plain()

    def key(self) -> str:
        """Hash of the encoder, the photos and their views."""
        height, width = self.member.input_size
        size = Preprocessing(height=height, width=width, crop=self.context.recipe.data.crop)
        renderer = Renderer(self.context.dataset, self.samples, size, self.policy, self.context.recipe.seed)
        return digest({"edgekd": __version__, "encoder": self.member.key, "views": renderer.facts()})

    def claim(self) -> None:
        """Remove shards of another key."""
        claim(LocalPlace(self.folder), self.key())

    def finish(self) -> None:
        """Compute the shards that are missing; the manifest is written last."""
        place, photos = LocalPlace(self.folder), len(self.samples)
        fill_shards(place, self.writer, range(count_shards(photos)), photos=photos, key=self.key())
        write_manifest(place, photos=photos, views=self.policy.views, key=self.key())

    def writer(self) -> ShardWriter:
        """What computes its shards."""
        rendered = views_at(self.context.recipe, self.context.dataset, self.samples, self.policy)
        return ShardWriter(
            LocalPlace(self.folder), self.member, rendered, photos=len(self.samples), views=self.policy.views
        )

    def fill(self, photos: Sequence[int] | npt.NDArray[np.int64]) -> npt.NDArray[np.float16]:
        """Features [M, V, D] of photos by their numbers; shards that are missing are computed."""
        workspace = self.context.workspace
        job: Opener = FeaturesJob(
            self.context.recipe, self.context.path.absolute(), self.number, self.part, self.member.mirrored
        )
        place, numbers = LocalPlace(self.folder), sorted({int(photo) // SHARD for photo in photos})
        fill_shards(
            place, self.writer if isinstance(workspace.workers, Here) else job, numbers,
            photos=len(self.samples), key=self.key(), workers=workspace.workers, progress=workspace.watcher.progress,
        )  # fmt: skip
        shards = {number: read_shard(place, number) for number in numbers}
        return np.stack([shards[int(photo) // SHARD][int(photo) % SHARD] for photo in photos])


@dataclass(frozen=True)
class FeaturesJob:
    """What computes the shards of a column, opened by a worker that sees the same folders."""

    recipe: Recipe
    run: Path
    number: int
    part: Part
    mirrored: bool

    def __call__(self) -> ShardWriter:
        """Load the list of photos and the encoder."""
        context = RunContext(Workspace(self.run), self.recipe)
        return Column(context, open_member(context, self.number, self.mirrored), self.number, self.part).writer()


def open_member(context: RunContext, number: int, mirrored: bool = False) -> EncoderMember:
    """An encoder of a run by its number, from 1. Raises ModelError, ArtifactError."""
    file = context.recipe.teacher.members()[number - 1]
    encoder = open_encoder(file, some_photos(context.recipe, context.dataset), context.recipe.data.crop)
    return EncoderMember(encoder, mirrored)


def columns_of(context: RunContext, members: Sequence[EncoderMember]) -> tuple[Column, ...]:
    """The columns of a run's encoders and then, where ``members`` go on, of their mirror images."""
    count = len(context.recipe.teacher.members())
    return tuple(Column(context, member, place % count + 1) for place, member in enumerate(members))


def column_folders(context: RunContext) -> tuple[Path, ...]:
    """The folders of the finished columns of all photos that training may look at, an encoder each."""
    count = len(context.recipe.teacher.members())
    return tuple(context.path / _FOLDER / f"encoder-{number + 1}" for number in range(count))
