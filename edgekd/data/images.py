"""Photos as arrays of a model's input size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edgekd.data.dataset import Dataset, Sample
from edgekd.preprocess import Preprocessing, resize


def some_of(samples: Sequence[Sample], count: int, seed: int) -> tuple[Sample, ...]:
    """At most ``count`` of the photos, chosen by a seed, in their order."""
    chosen = np.random.default_rng(seed).choice(len(samples), min(count, len(samples)), replace=False)
    return tuple(samples[i] for i in sorted(chosen))


def images_of(dataset: Dataset, samples: tuple[Sample, ...], preprocessing: Preprocessing) -> npt.NDArray[np.uint8]:
    """Photos as a model takes them, uint8 [N, H, W, 3]."""
    if not samples:
        return np.zeros((0, preprocessing.height, preprocessing.width, 3), np.uint8)
    return np.stack([resize(dataset.read(sample), preprocessing) for sample in samples])
