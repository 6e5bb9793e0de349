"""Stage ``bench``: time the exported files side by side on this machine."""

from __future__ import annotations

from pathlib import Path

from edgekd.bench.harness import measure
from edgekd.bench.raw_photos import raw_photos_of
from edgekd.bench.targets import BenchTarget, Photos
from edgekd.data.images import images_of
from edgekd.devices.table import open_device
from edgekd.formats.artifact import Artifact
from edgekd.pipeline.context import RunContext
from edgekd.pipeline.run_files import artifacts_in, teacher_targets, timed_rows

BENCH_PHOTOS = 16


def run(context: RunContext) -> None:
    """Writes ``bench/bench.json``."""
    recipe, dataset, workspace = context.recipe, context.dataset, context.workspace
    depends = {
        "export": workspace.hashes["export"],
        "bench": recipe.bench.model_dump(mode="json"),
        "teacher": workspace.hashes["teacher"] if recipe.teacher.is_fixed else None,
    }

    def work(directory: Path, _key: str) -> None:
        samples = dataset.split("test")[:BENCH_PHOTOS]
        files = artifacts_in(context.path)
        raw = raw_photos_of(dataset, samples) if recipe.bench.end_to_end else None
        photos = Photos(lambda preprocessing: images_of(dataset, samples, preprocessing), raw=raw)
        targets = [_target(row, files[row], photos) for row in timed_rows(context.path) if row in files]
        if recipe.teacher.is_fixed:
            targets = teacher_targets(context.path, photos, recipe.data.crop, (recipe.bench.threads,)) + targets
        measure(
            # A teacher that can't be timed leaves the float student to be held against.
            targets, targets[0].name, recipe.bench, open_device("host"),
            progress=workspace.watcher.progress, save_to=directory / "bench.json",
        )  # fmt: skip

    workspace.stage("bench", depends, ("bench.json",), work)


def _target(row: str, artifact: Artifact, photos: Photos) -> BenchTarget:
    size = artifact.preprocessing
    return BenchTarget(row, artifact.path, artifact.format, photos.images(size), raw=photos.raw_at(size))
