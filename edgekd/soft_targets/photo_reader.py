"""The photos of a list, read and rendered some batches ahead of the teacher.

Threads do for a CPU, which takes longer over a photo than they do. A GPU would wait for them: Python runs one of them
at a time, about 1,300 photos a second however many there are (benchmarks/scale/gpu.py), so there processes do it.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgekd.data.views import ViewPolicy, draw_view, reduced, render
from edgekd.errors import DataError, RunError
from edgekd.preprocess import Pixels, Preprocessing, decode
from edgekd.scale.place import is_uri
from edgekd.scale.remote import MISSING
from edgekd.soft_targets.photo_list import read_photo
from edgekd.text import one_line
from edgekd.training.replicas import gpus

Views = npt.NDArray[np.uint8]
THREADS, _AHEAD = 8, 3
_MOST_PROCESSES = 8


@dataclass(frozen=True)
class Rendering:
    """How a photo of the list ``source`` is rendered: a policy's views by a seed, at a model's size and crop."""

    policy: ViewPolicy
    seed: int
    source: str
    preprocessing: Preprocessing

    def __call__(self, name: str) -> tuple[Views, str]:
        """Every view, uint8 [V, H, W, 3], and "": or black ones, and why the photo could not be read."""
        try:
            content = read_photo(name, self.source)
            return self._views(hashlib.sha256(content).hexdigest(), decode(content, name).pixels), ""
        except MISSING as failed:
            error = failed.strerror or "there is no such file"
        except DataError as failed:
            error = one_line(failed)
        size = self.preprocessing
        return np.zeros((self.policy.views, size.height, size.width, 3), np.uint8), error

    def view(self, name: str, number: int) -> Pixels:
        """One view, uint8 [H, W, 3]. Raises DataError, StorageError and those of `MISSING`."""
        content = read_photo(name, self.source)
        pixels = decode(content, name).pixels
        small = reduced(pixels, self.policy.base_px) if number else pixels
        return self._rendered(hashlib.sha256(content).hexdigest(), small, number)

    def all(self, names: Sequence[str]) -> tuple[Views, list[str]]:
        """Several photos, [B, V, H, W, 3], in this thread; of those that are elsewhere some at once."""
        if is_uri(self.source) or any(map(is_uri, names)):
            with ThreadPoolExecutor(THREADS) as pool:
                found = list(pool.map(self, names))
        else:
            found = list(map(self, names))
        return _stacked(found)

    def _views(self, sha256: str, pixels: Pixels) -> Views:
        small = reduced(pixels, self.policy.base_px)
        return np.stack([self._rendered(sha256, small if n else pixels, n) for n in range(self.policy.views)])

    def _rendered(self, sha256: str, pixels: Pixels, number: int) -> Pixels:
        return render(pixels, draw_view(self.policy, self.seed, sha256, number), self.preprocessing)


class Readers:
    """Threads, or ``processes`` where there are to be any; they end with this one."""

    def __init__(self, processes: int = 0) -> None:
        self._in_processes, self._ahead = processes > 0, max(_AHEAD, processes)
        self._pool: Executor
        if self._in_processes:
            # Spawned: a process that has a GPU open must not be forked.
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(processes, context, _end_with_parent)
        else:
            self._pool = ThreadPoolExecutor(THREADS)

    def batches(self, rendering: Rendering, names: Sequence[str], step: int, errors: dict[int, str]) -> Iterator[Views]:
        """Views uint8 [B, V, H, W, 3] of every ``step`` photos, in order; ``errors`` gets why one could not be read.

        Raises: StorageError; RunError where a process was killed.
        """
        try:
            yield from self._batches(rendering, names, step, errors)
        except BrokenExecutor:
            raise RunError(
                "a process that reads photos was killed, perhaps for its memory. The same command goes on"
            ) from None

    def _batches(
        self, rendering: Rendering, names: Sequence[str], step: int, errors: dict[int, str]
    ) -> Iterator[Views]:
        coming: deque[tuple[int, Callable[[], tuple[Views, list[str]]]]] = deque()
        for first in range(0, len(names), step):
            coming.append((first, self._asked(rendering, names[first : first + step])))
            if len(coming) > self._ahead:
                yield _taken(*coming.popleft(), errors)
        while coming:
            yield _taken(*coming.popleft(), errors)

    def _asked(self, rendering: Rendering, names: Sequence[str]) -> Callable[[], tuple[Views, list[str]]]:
        if self._in_processes:
            return self._pool.submit(rendering.all, names).result
        futures = [self._pool.submit(rendering, name) for name in names]
        return lambda: _stacked(future.result() for future in futures)


def processes_wanted() -> int:
    """How many processes a worker's photos take: none where its teacher has no GPU."""
    # Without TensorFlow none of ours has one, and asking would load it.
    on_gpu = "tensorflow" in sys.modules and gpus()
    return min(_MOST_PROCESSES, len(os.sched_getaffinity(0))) if on_gpu else 0


def _taken(first: int, result: Callable[[], tuple[Views, list[str]]], errors: dict[int, str]) -> Views:
    views, said = result()
    errors.update({first + row: error for row, error in enumerate(said) if error})
    return views


def _stacked(found: Iterable[tuple[Views, str]]) -> tuple[Views, list[str]]:
    views, errors = zip(*found, strict=True)
    return np.stack(views), list(errors)


def _end_with_parent() -> None:
    """Where the worker is killed, nobody else would tell its readers to end."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
