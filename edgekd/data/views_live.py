"""Views for training: from a store on disk, or rendered on demand where a store would be too large."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgekd.data.dataset import Dataset, Sample
from edgekd.data.view_store import ViewStore
from edgekd.data.views import ViewPolicy
from edgekd.data.views_mix import Mixing, mixes_of
from edgekd.data.views_render import Renderer
from edgekd.preprocess import Preprocessing
from edgekd.progress import Progress

# A larger store is not written: its views are rendered by threads while the model trains.
STORE_BYTES = 4 << 30


class LiveViews:
    """Views rendered on demand by as many threads as there are cores; nothing is written."""

    def __init__(self, renderer: Renderer, threads: int | None = None) -> None:
        self._renderer = renderer
        # Threads, because decoding, resizing and warping let go of the interpreter's lock.
        self._pool = ThreadPoolExecutor(threads or os.cpu_count() or 1)

    @property
    def views(self) -> int:
        """Number of views a photo."""
        return self._renderer.policy.views

    def gather(self, sample_indices: NDArray[np.int64], view_numbers: NDArray[np.int64]) -> NDArray[np.uint8]:
        """The chosen view of each chosen sample, uint8 [B, H, W, 3]; both arguments are [B]. Raises DataError."""
        pairs = ([int(value) for value in values] for values in (sample_indices, view_numbers))
        views = list(self._pool.map(self._renderer.view, *pairs))
        size = self._renderer.preprocessing
        return np.stack(views) if views else np.zeros((0, size.height, size.width, 3), np.uint8)


@dataclass(frozen=True)
class TrainingViews:
    """A source of views, ``stored`` on disk or live, that also knows which views show two photos."""

    source: ViewStore | LiveViews
    mixing: Mixing | None

    @property
    def stored(self) -> bool:
        """Whether the views lie on disk."""
        return isinstance(self.source, ViewStore)

    @property
    def views(self) -> int:
        """Number of views a photo."""
        return self.source.views

    def gather(self, sample_indices: NDArray[np.int64], view_numbers: NDArray[np.int64]) -> NDArray[np.uint8]:
        """The chosen view of each chosen sample, uint8 [B, H, W, 3]; both arguments are [B]."""
        return self.source.gather(sample_indices, view_numbers)

    def mixes(
        self, sample_indices: NDArray[np.int64], view_numbers: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]] | None:
        """Partners int64 [B] (-1: none) and the photos' own shares float32 [B]; None where no view is ever mixed."""
        return None if self.mixing is None else mixes_of(self.mixing, sample_indices, view_numbers)


def open_views(
    directory: Path,
    dataset: Dataset,
    samples: Sequence[Sample],
    preprocessing: Preprocessing,
    policy: ViewPolicy,
    seed: int,
    progress: Progress | None = None,
    most_bytes: int = STORE_BYTES,
) -> TrainingViews:
    """Every view of ``samples`` at a model's size: rendered once into ``directory``, or live where that takes more
    than ``most_bytes``. The pixels are the same. Raises DataError.
    """
    renderer = Renderer(dataset, samples, preprocessing, policy, seed)
    size_bytes = len(samples) * policy.views * preprocessing.height * preprocessing.width * 3
    if size_bytes > most_bytes:
        return TrainingViews(LiveViews(renderer), renderer.mixing)
    store = ViewStore.build(directory, dataset, samples, preprocessing, policy, seed, progress=progress)
    return TrainingViews(store, renderer.mixing)
