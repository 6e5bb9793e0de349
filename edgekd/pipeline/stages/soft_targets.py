"""Stage ``soft_targets``: the teacher's logits for every view of every training photo."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgekd.pipeline.context import RunContext, mirror_facts
from edgekd.pipeline.encoder_features import Column, columns_of
from edgekd.pipeline.soft_target_views import load_finished_teacher, views_at
from edgekd.pipeline.stage import Workspace
from edgekd.recipe import Recipe
from edgekd.scale.place import LocalPlace
from edgekd.soft_targets.compute import EncodedShardWriter, ShardWriter, fill_soft_targets
from edgekd.teacher.encoder_teacher import EncoderTeacher, MirroredEncoderTeacher


@dataclass(frozen=True)
class SoftTargetsJob:
    """What computes the shards of a run: opened here or, from its pickle, by a worker that sees the same folders."""

    recipe: Recipe
    run: Path

    def __call__(self) -> ShardWriter | EncodedShardWriter:
        """Load the list of photos and the teacher."""
        context = RunContext(Workspace(self.run), self.recipe)
        samples, place = context.pool.samples, LocalPlace(self.run / "soft_targets")
        teacher = load_finished_teacher(self.recipe, self.run, context.dataset)
        if isinstance(teacher, (EncoderTeacher, MirroredEncoderTeacher)):
            columns = columns_of(context, teacher.members)
            return EncodedShardWriter(place, teacher, tuple(column.writer() for column in columns))
        return ShardWriter(
            place, teacher,
            views_at(self.recipe, context.dataset, samples), photos=len(samples), views=self.recipe.data.views.views,
        )  # fmt: skip


def run(context: RunContext) -> None:
    """Writes ``soft_targets/``, by the workers of the workspace."""
    workspace = context.workspace

    def work(directory: Path, key: str) -> None:
        columns = _claim_columns(context)
        fill_soft_targets(
            LocalPlace(directory), SoftTargetsJob(context.recipe, context.path.absolute()),
            photos=len(context.pool.samples), views=context.recipe.data.views.views, key=key,
            workers=workspace.workers, progress=workspace.watcher.progress,
        )  # fmt: skip
        for column in columns:
            column.finish()

    depends = {"teacher": workspace.hashes["teacher"], **context.view_facts(), **mirror_facts(context.recipe)}
    workspace.stage("soft_targets", depends, ("manifest.json",), work)


def _claim_columns(context: RunContext) -> tuple[Column, ...]:
    """The columns of features that soft targets come from, without shards of other encoders, photos or views.

    Of a teacher without encoders there are none.
    """
    if not context.recipe.teacher.encodes:
        return ()
    teacher = load_finished_teacher(context.recipe, context.path, context.dataset)
    assert isinstance(teacher, (EncoderTeacher, MirroredEncoderTeacher))
    columns = columns_of(context, teacher.members)
    for column in columns:
        column.claim()
    return columns
