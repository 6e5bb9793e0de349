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
from edgekd.scale.workers import Here, Opener
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
        samples = context.pool.samples
        teacher = load_finished_teacher(self.recipe, self.run, context.dataset)
        if isinstance(teacher, (EncoderTeacher, MirroredEncoderTeacher)):
            return _Encoded(context, teacher)()
        return ShardWriter(
            LocalPlace(self.run / "soft_targets"), teacher, views_at(self.recipe, context.dataset, samples),
            photos=len(samples), views=self.recipe.data.views.views,
        )  # fmt: skip


@dataclass(frozen=True)
class _Encoded:
    """Encoders with heads, opened once: the columns of their features, and what makes soft targets of these."""

    context: RunContext
    teacher: EncoderTeacher | MirroredEncoderTeacher

    @property
    def columns(self) -> tuple[Column, ...]:
        """A column a member of the teacher."""
        return columns_of(self.context, self.teacher.members)

    def __call__(self) -> EncodedShardWriter:
        """What computes the shards."""
        place = LocalPlace(self.context.path / "soft_targets")
        return EncodedShardWriter(place, self.teacher, tuple(column.writer() for column in self.columns))


def run(context: RunContext) -> None:
    """Writes ``soft_targets/``, by the workers of the workspace."""
    workspace = context.workspace

    def work(directory: Path, key: str) -> None:
        encoded = _encoded(context)
        columns = encoded.columns if encoded else ()
        for column in columns:
            column.claim()
        job: Opener = SoftTargetsJob(context.recipe, context.path.absolute())
        fill_soft_targets(
            LocalPlace(directory), encoded if encoded and isinstance(workspace.workers, Here) else job,
            photos=len(context.pool.samples), views=context.recipe.data.views.views, key=key,
            workers=workspace.workers, progress=workspace.watcher.progress,
        )  # fmt: skip
        for column in columns:
            column.finish()

    depends = {"teacher": workspace.hashes["teacher"], **context.view_facts(), **mirror_facts(context.recipe)}
    workspace.stage("soft_targets", depends, ("manifest.json",), work)


def _encoded(context: RunContext) -> _Encoded | None:
    """A teacher's encoders; None of a teacher of another kind, which whoever computes opens."""
    if not context.recipe.teacher.encodes:
        return None
    teacher = load_finished_teacher(context.recipe, context.path, context.dataset)
    assert isinstance(teacher, (EncoderTeacher, MirroredEncoderTeacher))
    return _Encoded(context, teacher)
