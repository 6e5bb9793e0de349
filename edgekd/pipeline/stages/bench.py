"""Stage ``bench``: time the exported files side by side on this machine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgekd.bench.harness import measure
from edgekd.bench.raw_photos import RawPhotosOf, raw_photos_of
from edgekd.bench.targets import BenchTarget
from edgekd.data.images import images_of
from edgekd.devices.table import open_device
from edgekd.formats.artifact import Artifact
from edgekd.pipeline.context import RunContext
from edgekd.pipeline.fixed_teacher import fixed_teacher_target
from edgekd.pipeline.run_files import TITLES, artifacts_in

_BENCH_PHOTOS = 16


def run(context: RunContext) -> None:
    """Writes ``bench/bench.json``."""
    recipe, dataset, workspace = context.recipe, context.dataset, context.workspace
    depends = {
        "export": workspace.hashes["export"],
        "bench": recipe.bench.model_dump(mode="json"),
        "teacher": workspace.hashes["teacher"] if recipe.teacher.is_fixed else None,
    }

    def work(directory: Path, _key: str) -> None:
        samples = dataset.split("test")[:_BENCH_PHOTOS]
        files = artifacts_in(context.path)
        raw = raw_photos_of(dataset, samples) if recipe.bench.end_to_end else None
        targets = [
            _target(row, files[row], images_of(dataset, samples, files[row].preprocessing), raw)
            for row in TITLES
            # The student without the teacher has the same graph as the distilled one.
            if row in files and row != "labels_only"
        ]
        if recipe.teacher.is_fixed and (teacher := fixed_teacher_target(context, samples, raw)) is not None:
            targets.insert(0, teacher)
        measure(
            # A teacher that can't be timed leaves the float student to be held against.
            targets, targets[0].name, recipe.bench, open_device("host"),
            progress=workspace.watcher.progress, save_to=directory / "bench.json",
        )  # fmt: skip

    workspace.stage("bench", depends, ("bench.json",), work)


def _target(row: str, artifact: Artifact, images: NDArray[np.uint8], raw: RawPhotosOf | None) -> BenchTarget:
    photos = None if raw is None else raw(artifact.preprocessing)
    return BenchTarget(row, artifact.path, artifact.format, images, raw=photos)
