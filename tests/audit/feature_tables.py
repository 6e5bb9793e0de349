"""Feature tables for tests of what an audit finds in them: of photos' pixels, and of made clouds of points."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgekd.data.dataset import Dataset, Sample
from edgekd.pipeline.feature_table import FeatureTable
from edgekd.preprocess import resample


def table_of(dataset: Dataset) -> FeatureTable:
    """All photos of a dataset with their pixels at 6 x 4 as features."""

    def features(sample: Sample) -> np.ndarray:
        return (resample(dataset.read(sample), 6, 4).astype(np.float32) / 255).ravel()

    return FeatureTable(
        dataset.samples, tuple(s.split for s in dataset.samples), dataset.truth_of(dataset.samples),
        np.stack([features(s) for s in dataset.samples]), dataset.classes, "pixels", dataset.none_class,
        () if dataset.corrections is None else dataset.corrections.rows,
    )  # fmt: skip


def clouds(
    counts: dict[str, int],
    *,
    classes: int = 3,
    apart: float = 2.0,
    tags: bool = False,
    group_size: int = 1,
    seed: int = 0,
) -> FeatureTable:
    """Photos by split, of classes whose clouds of 12 dimensions lie ``apart``; duplicates share a point.

    With tags each photo has a tag with the probability 0.4, and an uneven cloud for each tag that it has.
    """
    rng, splits = np.random.default_rng(0), [split for split, count in counts.items() for _ in range(count)]
    groups = np.arange(len(splits)) // group_size
    names = tuple(f"class {number}" for number in range(classes))
    centres = apart * rng.normal(size=(classes, 12)) / 12**0.5
    truth: NDArray[np.integer]
    if tags:
        truth = (rng.random((int(groups.max()) + 1, classes)) < 0.4).astype(np.int8)[groups]
        middle = truth @ centres
    else:
        truth = rng.permutation(np.arange(int(groups.max()) + 1) % classes)[groups]
        middle = centres[truth]
    features = (middle + rng.normal(size=(int(groups.max()) + 1, 12))[groups] * 0.7).astype(np.float32)
    unlabelled = np.array([split == "unlabelled" for split in splits])
    truth[unlabelled] = -1
    samples = tuple(
        Sample(
            f"photo {i}.jpg", Path(f"photo {i}.jpg"), None, f"{i:064x}",
            None if tags or unlabelled[i] else int(truth[i]), split, int(groups[i]),
            tuple(np.flatnonzero(truth[i]).tolist()) if tags and not unlabelled[i] else None,
        )
        for i, split in enumerate(splits)
    )  # fmt: skip
    return FeatureTable(samples, tuple(splits), truth, features, names)
