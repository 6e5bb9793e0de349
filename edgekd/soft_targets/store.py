"""The teacher as a column of the dataset: its logits for every (photo, view), computed once and kept.

A column is shards, each a pure function of its number; who computes them, and where they are kept, changes no byte.
(The number of TensorFlow's threads does: a sum of floats depends on how it is divided. See `edgekd.scale`.)

Source: fixed targets for the very view that the student sees, after arXiv:2106.05237.
"""

from __future__ import annotations

import functools
import io
import json
import math
import re
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekd.errors import RunError
from edgekd.scale.place import LocalPlace, Place, fetched, open_place
from edgekd.scale.workers import Here, Opener, Told, Workers
from edgekd.storage import read_json
from edgekd.teacher.average import combined, members_of
from edgekd.teacher.protocol import Teacher
from edgekd.training.loop import Progress

SHARD = 256
"""Photos a shard: the unit that is written whole, and the most that each worker computes twice after a kill."""
MANIFEST, OWNER = "manifest.json", "key.json"
_MOST_MAPS = 1024

RenderedShard = Callable[[int, int], Iterable[npt.NDArray[np.uint8]]]
"""(start, stop) of a range of photos to batches of uint8 [B, V, H, W, 3] that cover it in order."""
ViewsAt = Callable[[tuple[int, int]], RenderedShard]
"""A (height, width) to the same views of the photos at that size."""


class TeacherColumn:
    """Logits float16 [N, V, C], in shards of `SHARD` photos, memory-mapped. NaN where a photo could not be read."""

    def __init__(self, directory: Path) -> None:
        manifest = checked_manifest(read_json(directory / MANIFEST), directory)
        self.directory = directory
        self.shape: tuple[int, int, int] = tuple(manifest["shape"])
        self.key: str = manifest["key"]
        paths = [directory / name for name in manifest["shards"]]
        for number, path in enumerate(paths):
            size = _size(number, self.shape[0]) * math.prod(self.shape[1:]) * 2
            if not path.is_file() or path.stat().st_size < size:
                raise RunError(f"{directory} holds fewer logits than its manifest says. Delete it to compute it again.")
        # A process may have 65,530 maps, which are the shards of 16 million photos.
        self._shard = functools.lru_cache(_MOST_MAPS)(
            lambda number: np.load(paths[number], mmap_mode="r", allow_pickle=False)
        )

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, where: tuple[npt.NDArray[Any], npt.NDArray[Any]]) -> npt.NDArray[np.float16]:
        """Logits float16 [B, C] of photo numbers [B] in view numbers [B]."""
        photos, views = where
        rows = np.empty((len(photos), self.shape[2]), np.float16)
        for row, (photo, view) in enumerate(zip(photos, views, strict=True)):
            rows[row] = self._shard(int(photo) // SHARD)[photo % SHARD, view]
        return rows

    def known(self, number: int) -> npt.NDArray[np.int64]:
        """Places in a shard of the photos that could be read, int64."""
        return np.flatnonzero(~np.isnan(self._shard(number)).any(axis=(1, 2)))


def open_column(where: str, cache: Path, progress: Progress | None = None) -> TeacherColumn:
    """A finished column of any path or URI; one that is elsewhere is first copied to ``cache``, what is missing of it.

    Raises StorageError, RunError.
    """
    place = open_place(where)
    if isinstance(place, LocalPlace):
        return TeacherColumn(place.folder)
    manifest, local = read_manifest(place), LocalPlace(cache)
    _claim(local, manifest["key"])
    fetched(place, manifest["shards"], cache, progress)
    local.write(MANIFEST, _json(manifest))
    return TeacherColumn(cache)


def read_manifest(place: Place) -> dict[str, Any]:
    """What a finished column says of itself. Raises StorageError, RunError."""
    try:
        manifest = json.loads(place.read(MANIFEST))
    except ValueError as error:
        raise RunError(f"{place}: {MANIFEST} is no JSON ({error}). Teach the list again") from None
    return checked_manifest(manifest, place)


def checked_manifest(manifest: Any, where: object) -> dict[str, Any]:
    """The same; files get the names in it, and folders its key. Raises RunError where it is not as edgekd writes it."""
    try:
        photos, views, classes = (int(size) for size in manifest["shape"])
        names = [shard_name(number) for number in range(-(-photos // SHARD))]
        good = min(photos, views, classes) > 0 and manifest["shards"] == names
        good &= re.fullmatch("[0-9A-Za-z_-]+", manifest["key"]) is not None
    except (KeyError, TypeError, ValueError):
        good = False
    if not good:
        raise RunError(f"{where}: {MANIFEST} is not as edgekd writes it. Compute the column again")
    found: dict[str, Any] = manifest
    return found


@dataclass(frozen=True)
class ShardWriter:
    """Computes the shard of a number and writes it to ``place``. Members of an average each see their own size."""

    place: Place
    teacher: Teacher
    views_at: ViewsAt
    photos: int
    views: int

    def __call__(self, number: int) -> Told:
        """Compute and write, if it is not there. Tells photos, seconds and the teacher's part of these."""
        started, span = time.perf_counter(), span_of(number, self.photos)
        if self.place.has(shard_name(number)):
            # Another worker wrote it and was lost before it could say so.
            return {"photos": 0, "seconds": 0.0, "teacher_s": 0.0}
        logits, teacher_s = shard_logits(self.teacher, self.views_at, span, self.views)
        self.place.write(shard_name(number), as_file(logits))
        return {"photos": span[1] - span[0], "seconds": time.perf_counter() - started, "teacher_s": teacher_s}


def compute_column(
    directory: Path,
    teacher: Teacher,
    views_at: ViewsAt,
    *,
    photos: int,
    views: int,
    key: str,
    progress: Progress | None = None,
) -> TeacherColumn:
    """Run ``teacher`` over ``views`` views of ``photos`` photos in this process, as `fill_column` does."""
    place = LocalPlace(directory)
    work = ShardWriter(place, teacher, views_at, photos, views)
    fill_column(place, lambda: work, photos=photos, views=views, key=key, progress=progress)
    return TeacherColumn(directory)


def fill_column(
    place: Place,
    opened: Opener,
    *,
    photos: int,
    views: int,
    key: str,
    workers: Workers | None = None,
    progress: Progress | None = None,
    finish: Callable[[], dict[str, Any]] | None = None,
) -> list[Told]:
    """Have ``workers`` (else this process) do every shard that ``place`` lacks; the manifest comes last.

    ``opened`` gives them a `ShardWriter` or the like. Shards already there under the same ``key`` (the hash of
    teacher, photos and views) are kept, so a killed run goes on where it was; those of another key are computed anew.
    ``finish`` is called when all are there and gives further entries of the manifest. Returns what was told of the
    shards that were computed.
    """
    there = _claim(place, key)
    numbers = range(-(-photos // SHARD))
    missing = [number for number in numbers if shard_name(number) not in there]
    told, done = [], sum(_size(number, photos) for number in numbers) - sum(_size(n, photos) for n in missing)
    for number, said in (workers or Here()).each(opened, missing):
        told.append(said)
        done += _size(number, photos)
        if progress:
            progress(done, photos)
    shape = [photos, views, np.load(io.BytesIO(place.read(shard_name(0))), allow_pickle=False).shape[2]]
    manifest = {
        "key": key,
        "shape": shape,
        "shards": [shard_name(number) for number in numbers],
        **(finish() if finish else {}),
    }
    place.write(MANIFEST, _json(manifest))
    place.tidy()
    return told


def shard_name(number: int) -> str:
    """The file of a shard."""
    return f"logits-{number:05d}.npy"


def span_of(number: int, photos: int) -> tuple[int, int]:
    """The (start, stop) of a shard's photos."""
    return number * SHARD, min((number + 1) * SHARD, photos)


def as_file(logits: npt.NDArray[np.float16]) -> bytes:
    """A shard as the bytes of its file."""
    stream = io.BytesIO()
    np.save(stream, logits, allow_pickle=False)
    return stream.getvalue()


def shard_logits(
    teacher: Teacher, views_at: ViewsAt, span: tuple[int, int], views: int
) -> tuple[npt.NDArray[np.float16], float]:
    """Logits float16 [B, V, C] of a range of photos, and the seconds in which the teacher computed."""
    asked = [_asked(member, views_at(member.input_size)(*span)) for member in members_of(teacher)]
    logits = combined(teacher, [answers for answers, _ in asked])
    if len(logits) != (span[1] - span[0]) * views or not np.isfinite(logits).all():
        raise RunError("the teacher gave logits that are missing or no numbers; check its pixel_range and weights")
    # Logits past float16's range would become infinite; a margin of 60000 nats is certainty all the same.
    clipped = np.asarray(np.clip(logits, -6e4, 6e4), np.float16).reshape(-1, views, logits.shape[-1])
    return clipped, sum(seconds for _, seconds in asked)


def _asked(teacher: Teacher, batches: Iterable[npt.NDArray[np.uint8]]) -> tuple[npt.NDArray[np.float32], float]:
    answers, seconds = [], 0.0
    for batch in _ahead(batches):
        started = time.perf_counter()
        answers.append(teacher.logits(batch.reshape(-1, *batch.shape[2:])))
        seconds += time.perf_counter() - started
    return np.concatenate(answers), seconds


def _ahead(batches: Iterable[npt.NDArray[np.uint8]]) -> Iterator[npt.NDArray[np.uint8]]:
    """The same batches, the next one made in a thread while one is used."""
    source = iter(batches)
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, source, None)
        while (batch := coming.result()) is not None:
            coming = pool.submit(next, source, None)
            yield batch


def _claim(place: Place, key: str) -> set[str]:
    """Make ``place`` that of the column of ``key``: what is there of another goes. Gives the names that are there."""
    there = set(place.names())
    if OWNER in there and json.loads(place.read(OWNER)) == key:
        return there
    for name in sorted(there, reverse=True):  # The manifest before the shards that it names.
        if name == MANIFEST or name.startswith(("logits-", "failed")):
            place.remove(name)
    place.write(OWNER, _json(key))
    return set()


def _size(number: int, photos: int) -> int:
    start, stop = span_of(number, photos)
    return stop - start


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()
