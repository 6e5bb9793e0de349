"""Features of a run's photos, as its teacher sees them: computed once, kept under ``audit/`` of the run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekd.data.corrections import Correction
from edgekd.data.dataset import Dataset, Sample
from edgekd.data.images import images_of
from edgekd.errors import RunError
from edgekd.pipeline.feature_extractors import Extractor, open_extractors
from edgekd.preprocess import Preprocessing
from edgekd.progress import Silent, Watcher
from edgekd.recipe import Recipe, load_recipe
from edgekd.scale.place import LocalPlace
from edgekd.soft_targets.compute import RenderedShard, ShardWriter, ViewsAt, fill_soft_targets
from edgekd.soft_targets.store import MANIFEST, SoftTargets
from edgekd.storage import digest, locked, read_json

FOLDER = "audit"
_BATCH = 64


@dataclass(frozen=True, eq=False)
class FeatureTable:
    """Photos of a run, what is known of them, and their features.

    Attributes:
        samples: The N photos, in the order of the run's dataset.
        splits: The split of each: "train", "val", "test" or "unlabelled".
        truth: Class numbers int64 [N], -1 where there is no label; of tags int8 [N, C], rows of -1.
        features: float32 [N, D].
        classes: Names of the C classes.
        source: What the features are, in words.
        none_class: The class of photos that show none of the others, where there is one.
        corrections: What a person has decided about photos before, as the run's data has it.
    """

    samples: tuple[Sample, ...]
    splits: tuple[str, ...]
    truth: npt.NDArray[np.integer]
    features: npt.NDArray[np.float32]
    classes: tuple[str, ...]
    source: str = ""
    none_class: str | None = None
    corrections: tuple[Correction, ...] = ()

    @property
    def are_tags(self) -> bool:
        """Whether photos have tags, not one label each."""
        return self.truth.ndim == 2

    @property
    def labelled(self) -> npt.NDArray[np.int64]:
        """Rows of the photos whose label or tags are known."""
        known = (self.truth >= 0).all(axis=1) if self.are_tags else self.truth >= 0
        return np.flatnonzero(known)

    @property
    def groups(self) -> npt.NDArray[np.int64]:
        """The group of duplicates of every photo, int64 [N]."""
        return np.array([sample.group for sample in self.samples], np.int64)

    def rows_of(self, *splits: str) -> npt.NDArray[np.int64]:
        """Rows of the photos of some splits."""
        return np.flatnonzero(np.isin(np.array(self.splits), splits))


def run_features(run: Path, watcher: Watcher | None = None) -> FeatureTable:
    """The photos of a run, not augmented, through its teacher's feature extractor.

    They are computed once, a shard at a time, and stored as float16 under ``audit/features`` of the run: a call that
    was killed goes on where it was, and one that finds them loads no teacher.

    Args:
        run: The directory of a run whose teacher stage is done.
        watcher: Receives what happens.

    Returns:
        All photos of the run's dataset, with float32 features [N, D]. Several teachers' features stand side by side.

    Raises:
        RunError: ``run`` is not a run, or its teacher is not trained.
        EdgekdError: A photo has changed since the run, or the teacher cannot be opened.
    """
    watcher = Silent() if watcher is None else watcher
    recipe, dataset = _read_run(run)
    key = digest(
        {
            "teacher": read_json(run / "teacher" / "stage.json")["key"], "crop": recipe.data.crop,
            "photos": [sample.sha256 for sample in dataset.samples],
        }
    )  # fmt: skip
    with locked(run / FOLDER):
        columns = [_column(run, number, key) for number in range(_members(recipe))]
        if not all(_is_finished(column, f"{key}-{number}") for number, column in enumerate(columns)):
            _compute(recipe, dataset, run, columns, key, watcher)
        stores = [SoftTargets(column) for column in columns]
        rows = np.arange(len(dataset.samples))
        parts = [store[rows, np.zeros_like(rows)].astype(np.float32) for store in stores]
        sources = [str(read_json(column / MANIFEST).get("source", "")) for column in columns]
    return FeatureTable(
        samples=dataset.samples,
        splits=tuple(sample.split for sample in dataset.samples),
        truth=dataset.truth_of(dataset.samples),
        features=np.concatenate(parts, axis=1),
        classes=dataset.classes,
        source="; ".join(dict.fromkeys(sources)),
        none_class=dataset.none_class,
        corrections=() if dataset.corrections is None else dataset.corrections.rows,
    )


def _read_run(run: Path) -> tuple[Recipe, Dataset]:
    if not (run / "run.json").is_file():
        raise RunError(f"{run} is not a run directory: it has no run.json. Make one: edgekd run RECIPE")
    if not (run / "teacher" / "stage.json").is_file():
        raise RunError(f"{run} has no finished teacher. Train it: edgekd train RECIPE")
    return load_recipe(run / "recipe.toml"), Dataset.load(run / "data" / "dataset.json")


def _members(recipe: Recipe) -> int:
    return len(recipe.teacher.model) if isinstance(recipe.teacher.model, tuple) else 1


def _column(run: Path, number: int, key: str) -> Path:
    return run / FOLDER / ("features" if number == 0 else f"features-{number + 1}")


def _is_finished(column: Path, key: str) -> bool:
    path = column / MANIFEST
    return path.is_file() and read_json(path).get("key") == key


def _compute(recipe: Recipe, dataset: Dataset, run: Path, columns: list[Path], key: str, watcher: Watcher) -> None:
    watcher.started("features")
    started = time.monotonic()
    for number, (column, extractor) in enumerate(zip(columns, open_extractors(recipe, dataset, run), strict=True)):
        _fill(column, f"{key}-{number}", extractor, dataset, recipe.data.crop, watcher)
    watcher.finished("features", time.monotonic() - started)


def _fill(column: Path, key: str, extractor: Extractor, dataset: Dataset, crop: Any, watcher: Watcher) -> None:
    photos, place = len(dataset.samples), LocalPlace(column)
    writer = ShardWriter(place, extractor, _photos_at(dataset, crop), photos, 1)
    fill_soft_targets(
        place, lambda: writer, photos=photos, views=1, key=key, progress=watcher.progress,
        finish=lambda: {"source": extractor.source},
    )  # fmt: skip


def _photos_at(dataset: Dataset, crop: Any) -> ViewsAt:
    """The photos as they are, one view each, at any size."""

    def at(size: tuple[int, int]) -> RenderedShard:
        preprocessing = Preprocessing(height=size[0], width=size[1], crop=crop)

        def render(start: int, stop: int) -> Iterator[npt.NDArray[np.uint8]]:
            for first in range(start, stop, _BATCH):
                samples = dataset.samples[first : min(first + _BATCH, stop)]
                yield images_of(dataset, samples, preprocessing)[:, None]

        return render

    return at
