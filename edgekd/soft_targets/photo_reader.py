"""The photos of a list, read and rendered some batches ahead of the teacher.

Threads are enough for a teacher on a CPU, which takes longer over a photo than they do. A GPU would wait for them:
Python runs one thread at a time, about 1,300 photos a second in all (benchmarks/scale/gpu.py), so processes read there.
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

from edgekd.data.views import ViewPolicy, draw_view, reduce_to_base, render
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
        """Every view, uint8 [V, H, W, 3], and "": or black ones, and the reason why the photo could not be read."""
        try:
            content = read_photo(name, self.source)
            return self._views(hashlib.sha256(content).hexdigest(), decode(content, name).pixels), ""
        except MISSING as failed:
            error = failed.strerror or "the file does not exist"
        except DataError as failed:
            error = one_line(failed)
        size = self.preprocessing
        return np.zeros((self.policy.views, size.height, size.width, 3), np.uint8), error

    def view(self, name: str, number: int) -> Pixels:
        """One view, uint8 [H, W, 3]. Raises DataError, StorageError and those of `MISSING`."""
        content = read_photo(name, self.source)
        pixels = decode(content, name).pixels
        small = reduce_to_base(pixels, self.policy.base_px) if number else pixels
        return self._render(hashlib.sha256(content).hexdigest(), small, number)

    def all(self, names: Sequence[str]) -> tuple[Views, list[str]]:
        """Several photos, [B, V, H, W, 3], in this thread; of those that are elsewhere some at once."""
        if is_uri(self.source) or any(map(is_uri, names)):
            with ThreadPoolExecutor(THREADS) as pool:
                results = list(pool.map(self, names))
        else:
            results = list(map(self, names))
        return _stack(results)

    def _views(self, sha256: str, pixels: Pixels) -> Views:
        small = reduce_to_base(pixels, self.policy.base_px)
        return np.stack([self._render(sha256, small if n else pixels, n) for n in range(self.policy.views)])

    def _render(self, sha256: str, pixels: Pixels, number: int) -> Pixels:
        return render(pixels, draw_view(self.policy, self.seed, sha256, number), self.preprocessing)


class Readers:
    """Threads, or ``processes`` where that is above 0; they end with this process."""

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
        """Views uint8 [B, V, H, W, 3] of every ``step`` photos, in order.

        ``errors`` receives, by its number, why a photo could not be read.
        Raises: StorageError; RunError where a process was killed.
        """
        try:
            yield from self._batches(rendering, names, step, errors)
        except BrokenExecutor:
            raise RunError(
                "a process that reads photos was killed, perhaps for lack of memory. Run the same command to continue"
            ) from None

    def _batches(
        self, rendering: Rendering, names: Sequence[str], step: int, errors: dict[int, str]
    ) -> Iterator[Views]:
        coming: deque[tuple[int, Callable[[], tuple[Views, list[str]]]]] = deque()
        for first in range(0, len(names), step):
            coming.append((first, self._submit(rendering, names[first : first + step])))
            if len(coming) > self._ahead:
                yield _take(*coming.popleft(), errors)
        while coming:
            yield _take(*coming.popleft(), errors)

    def _submit(self, rendering: Rendering, names: Sequence[str]) -> Callable[[], tuple[Views, list[str]]]:
        if self._in_processes:
            return self._pool.submit(rendering.all, names).result
        futures = [self._pool.submit(rendering, name) for name in names]
        return lambda: _stack(future.result() for future in futures)


def processes_wanted() -> int:
    """How many processes a worker's photos take: none where its teacher has no GPU."""
    # Without TensorFlow no teacher here has one, and asking would load it.
    on_gpu = "tensorflow" in sys.modules and gpus()
    return min(_MOST_PROCESSES, len(os.sched_getaffinity(0))) if on_gpu else 0


def _take(first: int, result: Callable[[], tuple[Views, list[str]]], errors: dict[int, str]) -> Views:
    views, reasons = result()
    errors.update({first + row: error for row, error in enumerate(reasons) if error})
    return views


def _stack(results: Iterable[tuple[Views, str]]) -> tuple[Views, list[str]]:
    views, errors = zip(*results, strict=True)
    return np.stack(views), list(errors)


def _end_with_parent() -> None:
    """End this reader when its worker is killed: nothing else would."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
