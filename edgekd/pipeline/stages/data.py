"""The data stage, and the views of its photos that later stages train on."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from edgekd.data.dataset import Dataset
from edgekd.data.load import load_dataset
from edgekd.data.settings import facts_of
from edgekd.pipeline.stage import Workspace
from edgekd.recipe import Recipe
from edgekd.storage import digest, write_json


def data_stage(work: Workspace, recipe: Recipe) -> Dataset:
    """Read, check, group and split the photos; writes ``data/dataset.json`` and ``data/summary.json``."""
    section = recipe.data
    depends = {
        "data": {name: value for name, value in facts_of(section).items() if name not in ("views", "crop", "taught")},
        "files": digest(_signatures([*_listed(section.source), section.images, section.unlabelled])),
    }

    def do(directory: Path, _key: str) -> None:
        dataset = load_dataset(
            section.source,
            images=section.images,
            unlabelled=section.unlabelled,
            policy=section.split,
            strict=section.strict,
            progress=work.watcher.progress,
        )
        dataset.save(directory / "dataset.json")
        write_json(directory / "summary.json", _summary(dataset))

    directory = work.stage("data", depends, ("dataset.json", "summary.json"), do)
    dataset = Dataset.load(directory / "dataset.json")
    for warning in dataset.warnings:
        work.watcher.note(warning.message)
    return dataset


def _summary(dataset: Dataset) -> dict[str, Any]:
    duplicates = dataset.duplicates
    return {
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


def _listed(source: Path | tuple[Path, ...]) -> list[Path]:
    return [source] if isinstance(source, Path) else list(source)


def _signatures(paths: list[Path | None]) -> list[tuple[str, int, int]]:
    """Name, size and time of every file, so that an unchanged folder is not decoded again."""
    found = []
    for path in paths:
        files = [] if path is None else sorted(path.rglob("*")) if path.is_dir() else [path]
        if path is not None and path.suffix == ".csv":
            files += sorted(p for p in path.parent.rglob("*"))
        for file in files:
            if file.is_file():
                facts = file.stat()
                found.append((str(file), facts.st_size, facts.st_mtime_ns))
    return found
