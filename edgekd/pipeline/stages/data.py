"""Stage ``data``: read, check, group and split the photos."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edgekd.data.dataset import Dataset
from edgekd.data.load import load_dataset
from edgekd.data.settings import facts_of
from edgekd.pipeline.context import RunContext
from edgekd.recipe import DataSection
from edgekd.storage import digest, write_json

# Sections of [data] that later stages read: how photos are rendered, and further stores.
_LATER = ("views", "crop", "taught")


def run(context: RunContext) -> None:
    """Writes ``data/dataset.json`` and ``data/summary.json``; notes the photos and every warning. Raises DataError."""
    section = context.recipe.data
    depends = {
        "data": {name: value for name, value in facts_of(section).items() if name not in _LATER},
        "files": digest(_signatures(section)),
    }

    def work(directory: Path, _key: str) -> None:
        dataset = load_dataset(
            section.source,
            images=section.images,
            unlabelled=section.unlabelled,
            classes=section.classes,
            task=section.task,
            none=section.none,
            corrections=section.corrections,
            policy=section.split,
            strict=section.strict,
            progress=context.workspace.watcher.progress,
        )
        dataset.save(directory / "dataset.json")
        write_json(directory / "summary.json", _summary(dataset))

    context.workspace.stage("data", depends, ("dataset.json", "summary.json"), work)
    context.workspace.watcher.note(context.dataset.summary_line())
    for warning in context.dataset.warnings:
        context.workspace.watcher.note(warning.message)


def _summary(dataset: Dataset) -> dict[str, Any]:
    duplicates = dataset.duplicates
    later: dict[str, Any] = {}
    if dataset.task == "multi-label":
        # A photo counts for each of its tags, so that the counts of a split do not sum to its photos.
        photos = Counter(sample.split for sample in dataset.samples)
        later = {"task": dataset.task, "photos": dict(photos)}
    return later | {
        "schema": 1,
        "classes": list(dataset.classes),
        "splits": dataset.counts(),
        "warnings": [asdict(warning) for warning in dataset.warnings],
        "duplicates": {
            "groups": duplicates.groups,
            "photos": duplicates.photos,
            "exact": duplicates.exact_groups,
            "near": duplicates.groups - duplicates.exact_groups,
            "message": duplicates.message,
        },
    }


def _signatures(section: DataSection) -> list[tuple[str, int, int, int]]:
    """Name, size and times of every file, so that an unchanged folder is not decoded again.

    The time of the inode tells a file that was changed and given its old time again.
    """
    sources = [section.source] if isinstance(section.source, Path) else list(section.source)
    signatures = []
    for path in [*sources, section.images, section.unlabelled, section.none, section.corrections]:
        files = [] if path is None else sorted(path.rglob("*")) if path.is_dir() else [path]
        if path is not None and path.suffix == ".csv" and path != section.corrections:
            files += sorted(path.parent.rglob("*"))
        for file in files:
            if file.is_file():
                facts = file.stat()
                signatures.append((str(file), facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns))
    return signatures
