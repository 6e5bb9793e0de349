"""From a sample and a view's number to pixels: read, drawn, rendered and, where the policy says so, mixed."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.data.dataset import Dataset, Sample
from edgekd.data.settings import facts_of
from edgekd.data.views import ViewPolicy, draw_view, reduce_to_base, render
from edgekd.data.views_mix import Mixing, mix_views
from edgekd.preprocess import Pixels, Preprocessing

# Decoded photos that are kept because the next view of them is never far.
CACHE_BYTES = 512 << 20


class Renderer:
    """Any view of ``samples`` at one model's size, uint8 [H, W, 3]; safe to be called from several threads."""

    def __init__(
        self,
        dataset: Dataset,
        samples: Sequence[Sample],
        preprocessing: Preprocessing,
        policy: ViewPolicy,
        seed: int,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        self.samples, self.preprocessing, self.policy, self.seed = samples, preprocessing, policy, seed
        self.mixing = Mixing(policy.mix, seed, samples) if policy.mix.on else None
        self._dataset = dataset
        self._cache = _Cache(cache_bytes)

    def view(self, index: int, number: int) -> Pixels:
        """View ``number`` of sample ``index``. Raises DataError, UsageError."""
        view = self._render_one(index, number)
        mix = self.mixing.of(index, number) if self.mixing else None
        return view if mix is None else mix_views(view, self._render_one(mix.partner, number), mix)

    def views(self, index: int) -> NDArray[np.uint8]:
        """All views of a sample, uint8 [V, H, W, 3]."""
        return np.stack([self.view(index, number) for number in range(self.policy.views)])

    def facts(self) -> dict[str, Any]:
        """All that decides the pixels."""
        facts = {
            "samples": [sample.sha256 for sample in self.samples],
            "preprocessing": self.preprocessing.model_dump(),
            "policy": facts_of(self.policy),
            "seed": self.seed,
        }
        return facts | ({"labelled": self.mixing.facts()} if self.mixing else {})

    def _render_one(self, index: int, number: int) -> Pixels:
        sample = self.samples[index]
        view = draw_view(self.policy, self.seed, sample.sha256, number)
        if number == 0 and self.policy.base_px is not None:
            return render(self._dataset.read(sample), view, self.preprocessing)
        pixels = self._cache.get(index)
        if pixels is None:
            pixels = reduce_to_base(self._dataset.read(sample), self.policy.base_px)
            self._cache.put(index, pixels)
        return render(pixels, view, self.preprocessing)


class _Cache:
    """The photos used last, up to a number of bytes."""

    def __init__(self, most_bytes: int) -> None:
        self._most, self._held = most_bytes, 0
        self._photos: OrderedDict[int, Pixels] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, index: int) -> Pixels | None:
        with self._lock:
            pixels = self._photos.get(index)
            if pixels is not None:
                self._photos.move_to_end(index)
            return pixels

    def put(self, index: int, pixels: Pixels) -> None:
        with self._lock:
            if index in self._photos or pixels.nbytes > self._most:
                return
            self._photos[index] = pixels
            self._held += pixels.nbytes
            while self._held > self._most:
                _, oldest = self._photos.popitem(last=False)
                self._held -= oldest.nbytes


def rendered_batches(
    dataset: Dataset,
    samples: Sequence[Sample],
    preprocessing: Preprocessing,
    policy: ViewPolicy,
    seed: int,
    *,
    start: int = 0,
    stop: int | None = None,
    batch_samples: int = 64,
    threads: int = 2,
) -> Iterator[NDArray[np.uint8]]:
    """Every view of ``samples[start:stop]``, in order, as uint8 [B, V, H, W, 3], without storing any.

    Partners of mixed views come from all of ``samples``. Raises DataError.
    """
    yield from blocks(Renderer(dataset, samples, preprocessing, policy, seed), start, stop, batch_samples, threads)


def blocks(
    renderer: Renderer, start: int, stop: int | None, batch_samples: int, threads: int
) -> Iterator[NDArray[np.uint8]]:
    """Every view of a range of the renderer's samples, in order, as uint8 [B, V, H, W, 3]. Raises DataError."""
    end = len(renderer.samples) if stop is None else stop
    with ThreadPoolExecutor(threads) as pool:
        for first in range(start, end, batch_samples):
            yield np.stack(list(pool.map(renderer.views, range(first, min(first + batch_samples, end)))))
