"""The photos that a command is given: a folder, a CSV, an .npz, or a run directory with its own splits."""

from __future__ import annotations

from pathlib import Path

from edgekd.cli.console import note
from edgekd.data.dataset import Dataset
from edgekd.data.load import load_dataset
from edgekd.data.splitting import SplitPolicy
from edgekd.formats.artifact import Artifact


def open_photos(data: Path, images: Path | None, strict: bool) -> Dataset:
    """The dataset of a run directory, split as it was trained, or photos split by the default policy."""
    saved = data / "data" / "dataset.json"
    if saved.is_file():
        dataset = Dataset.load(saved)
        note(dataset.summary_line())
        return dataset
    dataset = load_dataset(data, images=images, policy=SplitPolicy(), strict=strict)
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
