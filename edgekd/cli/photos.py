"""The photos that a command is given: a folder, a CSV, an .npz, or a run directory with its own splits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edgekd.cli.console import note
from edgekd.data.dataset import Dataset
from edgekd.data.load import load_dataset
from edgekd.data.sources import task_of
from edgekd.data.splitting import SplitPolicy
from edgekd.errors import UsageError
from edgekd.formats.artifact import Artifact
from edgekd.formats.decision import Decision
from edgekd.task import Task


def open_photos(
    data: Path,
    images: Path | None,
    strict: bool,
    *,
    none: Path | None = None,
    task: Task | None = None,
    decision: Decision | None = None,
) -> Dataset:
    """The dataset of a run directory, split as it was trained, or photos split by the default policy.

    Args:
        data: The run directory, or the photos' source.
        images: Folder of a CSV's photos.
        strict: Make findings about the photos errors.
        none: Folder of photos that show none of the classes.
        task: How to read the source; by default as it looks.
        decision: That of the file which the photos are for. They are read by its task, and must fit it.

    Raises: UsageError where the photos do not fit the file; what `load_dataset` raises.
    """
    if decision is not None:
        task = decision.task
    saved = data / "data" / "dataset.json"
    if saved.is_file():
        if none is not None:
            raise UsageError(f"--none goes with photos, and {data} is a run with photos of its own. Leave it out")
        dataset = Dataset.load(saved)
    else:
        dataset = load_dataset(
            data, images=images, none=none, task=task or task_of(data), policy=SplitPolicy(), strict=strict
        )
    note(dataset.summary_line())
    if not saved.is_file():
        for warning in dataset.warnings:
            note(warning.message)
    if task not in (None, dataset.task):
        kinds = {"single-label": "one label each", "multi-label": "tags"}
        raise UsageError(
            f"photos with {kinds[task]} are needed, and those of {data} have {kinds[dataset.task]}. Give others"
        )
    if decision is not None and decision.none_label is not None and dataset.none_class is None:
        raise UsageError(
            f"the file knows photos of {decision.none_label!r}, and {data} has none. Add a folder of some with --none, "
            f"or as a class folder of that name"
        )
    return dataset


def look_at_photos(places: Mapping[str, Path | None], task: Task | None) -> Dataset:
    """Photos with their own splits alone, for a recipe.

    Args:
        places: "source", and where they are given "images", "unlabelled" and "none".
        task: How to read the source; by default as it looks.
    """
    source = places["source"]
    assert source is not None
    dataset = load_dataset(
        source, images=places["images"], unlabelled=places["unlabelled"], none=places["none"],
        task=task or task_of(source), policy=SplitPolicy(val=0, test=0),
    )  # fmt: skip
    note(dataset.summary_line())
    for warning in dataset.warnings:
        note(warning.message)
    return dataset


def warn_of_training_photos(artifact: Artifact, dataset: Dataset, split: str) -> None:
    """Say so where the artifact's own run trained on photos of this split: a score on them would flatter it."""
    run = artifact.path.resolve().parent.parent
    saved = run / "data" / "dataset.json"
    if not saved.is_file():
        return
    trained = {sample.sha256 for sample in Dataset.load(saved).samples if sample.split != "test"}
    photos = [sample.sha256 for sample in dataset.split(split)]
    seen = sum(sha256 in trained for sha256 in photos)
    if seen:
        note(
            f"{seen} of these {len(photos)} photos took part in training {artifact.path.name}, so its score here "
            f"says little. Its own {split} split: --data {run}"
        )
