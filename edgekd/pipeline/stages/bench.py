"""Time the exported files side by side on this machine."""

from __future__ import annotations

from pathlib import Path

from edgekd.bench.harness import measure
from edgekd.bench.targets import BenchTarget
from edgekd.data.dataset import Dataset
from edgekd.data.images import images_of
from edgekd.devices.table import open_device
from edgekd.pipeline.run_files import TITLES, artifacts_of
from edgekd.pipeline.stage import Workspace
from edgekd.pipeline.stages.fixed_teacher import fixed_teacher_target
from edgekd.recipe import Recipe

_BENCH_PHOTOS = 16


def bench_stage(work: Workspace, recipe: Recipe, dataset: Dataset) -> Path:
    """Time the table's files side by side on this machine; writes ``bench/bench.json``."""
    depends = {
        "export": work.hashes["export"],
        "bench": recipe.bench.model_dump(mode="json"),
        "teacher": work.hashes["teacher"] if recipe.teacher.given else None,
    }

    def do(directory: Path, _key: str) -> None:
        samples = dataset.split("test")[:_BENCH_PHOTOS]
        files = artifacts_of(work)
        targets = [
            BenchTarget(row, files[row].path, files[row].format, images_of(dataset, samples, files[row].preprocessing))
            for row in TITLES
            # The student without the teacher has the same graph as the distilled one.
            if row in files and row != "labels_only"
        ]
        if recipe.teacher.given and (teacher := fixed_teacher_target(work, recipe, dataset, samples)) is not None:
            targets.insert(0, teacher)
        measure(
            # A teacher that can't be timed leaves the float student to be held against.
            targets, targets[0].name, recipe.bench, open_device("host"),
            progress=work.watcher.progress, save_to=directory / "bench.json",
        )  # fmt: skip

    return work.stage("bench", depends, ("bench.json",), do)
