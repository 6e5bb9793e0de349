"""Rendered views on disk, made once, resumed after a kill, read through memory maps."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgekd import storage
from edgekd.data.dataset import Dataset, Sample
from edgekd.data.views import ViewPolicy
from edgekd.data.views_render import Renderer, blocks
from edgekd.errors import EdgekdError, RunError, UsageError
from edgekd.preprocess import Preprocessing
from edgekd.progress import Progress

_VERSION = 1
_SAMPLES_PER_SHARD = 256
_SHARD_BYTES = 64 << 20
_MANIFEST = "manifest.json"


@dataclass(frozen=True)
class ViewStore:
    """Views uint8 [samples, views, H, W, 3] in ``directory``, in shards of ``samples_per_shard``; made by ``build``."""

    directory: Path
    key: str
    samples: int
    views: int
    height: int
    width: int
    samples_per_shard: int

    @classmethod
    def build(
        cls,
        directory: Path,
        dataset: Dataset,
        samples: Sequence[Sample],
        preprocessing: Preprocessing,
        policy: ViewPolicy,
        seed: int,
        progress: Progress | None = None,
        threads: int = 2,
    ) -> ViewStore:
        """Render what is not there yet, shard by shard, and open the store. ``progress`` counts samples.

        Shards of the same samples, policy, preprocessing and seed are kept; others are removed first. Raises DataError.
        """
        renderer = Renderer(dataset, samples, preprocessing, policy, seed)
        store = cls._plan(directory, renderer)
        store._start()
        for shard in range(store.shards):
            start = shard * store.samples_per_shard
            stop = min(len(samples), start + store.samples_per_shard)
            if not store._is_whole(shard):
                # One batch a shard, so memory does not grow with the number of samples.
                (block,) = blocks(renderer, start, stop, stop - start, threads)
                with storage.replacing(store.shard_path(shard)) as temporary:
                    np.save(temporary, block)
            if progress is not None:
                progress(min(len(samples), (shard + 1) * store.samples_per_shard), len(samples))
        return store

    @classmethod
    def open(cls, directory: Path) -> ViewStore:
        """Open a store that was built. Raises RunError if it is missing, unfinished or damaged."""
        try:
            manifest = storage.read_json(directory / _MANIFEST)
            version, fields = manifest.pop("version"), manifest
            store = cls(directory=directory, **fields)
        except (EdgekdError, KeyError, TypeError, AttributeError) as error:
            raise RunError(f"{directory} is not a store of views ({error}). Build it again") from None
        if version != _VERSION or not all(store._is_whole(shard) for shard in range(store.shards)):
            raise RunError(f"{directory} is not a finished store of views of version {_VERSION}. Build it again")
        return store

    def __len__(self) -> int:
        """The number of samples."""
        return self.samples

    @property
    def shards(self) -> int:
        """The number of files that the views are in."""
        return -(-self.samples // self.samples_per_shard)

    def shard_path(self, shard: int) -> Path:
        """Where a shard lies."""
        return self.directory / f"views-{shard:05d}.npy"

    def gather(self, sample_indices: NDArray[np.int64], view_numbers: NDArray[np.int64]) -> NDArray[np.uint8]:
        """The chosen view of each chosen sample, uint8 [B, H, W, 3]; both arguments are [B]. Raises UsageError."""
        indices, numbers = np.asarray(sample_indices, np.int64), np.asarray(view_numbers, np.int64)
        if indices.shape != numbers.shape or indices.ndim != 1:
            raise UsageError(f"gather needs two arrays [B], got {list(indices.shape)} and {list(numbers.shape)}")
        if ((indices < 0) | (indices >= self.samples)).any():
            raise UsageError(
                f"samples {indices.min()} to {indices.max()} were asked for; there are 0 to {self.samples - 1}"
            )
        if ((numbers < 0) | (numbers >= self.views)).any():
            raise UsageError(
                f"views {numbers.min()} to {numbers.max()} were asked for; there are 0 to {self.views - 1}"
            )
        batch = np.empty((len(indices), self.height, self.width, 3), np.uint8)
        shards, rows = np.divmod(indices, self.samples_per_shard)
        for shard in np.unique(shards):
            here = np.flatnonzero(shards == shard)
            batch[here] = _mapped(self.shard_path(int(shard)), self.key)[rows[here], numbers[here]]
        return batch

    @classmethod
    def _plan(cls, directory: Path, renderer: Renderer) -> ViewStore:
        height, width, views = renderer.preprocessing.height, renderer.preprocessing.width, renderer.policy.views
        count = len(renderer.samples)
        per_shard = max(1, min(_SAMPLES_PER_SHARD, _SHARD_BYTES // (views * height * width * 3)))
        made_of = {"version": _VERSION, "samples_per_shard": per_shard, **renderer.facts()}
        return cls(directory, storage.digest(made_of), count, views, height, width, per_shard)

    def _start(self) -> None:
        record = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "directory"}
        record["version"] = _VERSION
        manifest = self.directory / _MANIFEST
        try:
            same = storage.read_json(manifest) == record
        except EdgekdError:
            same = False
        if not same:
            # The manifest goes first: shards without one are never taken for finished ones.
            manifest.unlink(missing_ok=True)
            for stale in self.directory.glob("views-*.npy"):
                stale.unlink()
            storage.write_json(manifest, record)

    def _is_whole(self, shard: int) -> bool:
        count = min(self.samples_per_shard, self.samples - shard * self.samples_per_shard)
        try:
            shape = np.load(self.shard_path(shard), mmap_mode="r", allow_pickle=False).shape
        except Exception:  # NumPy's reader of headers raises many kinds on a damaged file.
            return False
        return bool(shape == (count, self.views, self.height, self.width, 3))


@functools.lru_cache(maxsize=4096)
def _mapped(path: Path, key: str) -> NDArray[np.uint8]:
    # The key is part of the cache's: a store rebuilt in the same place has other files.
    mapped: NDArray[np.uint8] = np.load(path, mmap_mode="r", allow_pickle=False)
    return mapped
