"""The teacher over every view of every photo, a shard at a time, by one process or many workers."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekd.errors import RunError
from edgekd.progress import Progress
from edgekd.scale.place import LocalPlace, Place
from edgekd.scale.workers import Here, Opener, PieceRecord, Workers
from edgekd.soft_targets.store import (
    MANIFEST,
    SoftTargets,
    as_file,
    as_json,
    claim,
    count_shards,
    shard_name,
    shard_size,
    span_of,
)
from edgekd.teacher.average import CombinedTeacher, combine_logits, members_of
from edgekd.teacher.protocol import Teacher

RenderedShard = Callable[[int, int], Iterable[npt.NDArray[np.uint8]]]
"""(start, stop) of a range of photos to batches of uint8 [B, V, H, W, 3] that cover it in order."""
ViewsAt = Callable[[tuple[int, int]], RenderedShard]
"""A (height, width) to the same views of the photos at that size."""


@dataclass(frozen=True)
class ShardWriter:
    """Computes the shard of a number and writes it to ``place``. Members of an average each see their own size."""

    place: Place
    teacher: Teacher
    views_at: ViewsAt
    photos: int
    views: int

    def __call__(self, number: int) -> PieceRecord:
        """Compute and write, if it is not there. Reports photos, seconds and the teacher's share of them."""
        started, span = time.perf_counter(), span_of(number, self.photos)
        if self.place.has(shard_name(number)):
            # Another worker wrote it and was lost before it could report it.
            return {"photos": 0, "seconds": 0.0, "teacher_s": 0.0}
        logits, teacher_s = shard_logits(self.teacher, self.views_at, span, self.views)
        self.place.write(shard_name(number), as_file(logits))
        return {"photos": span[1] - span[0], "seconds": time.perf_counter() - started, "teacher_s": teacher_s}


def compute_soft_targets(
    directory: Path,
    teacher: Teacher,
    views_at: ViewsAt,
    *,
    photos: int,
    views: int,
    key: str,
    progress: Progress | None = None,
) -> SoftTargets:
    """Run ``teacher`` over ``views`` views of ``photos`` photos in this process, as `fill_soft_targets` does."""
    place = LocalPlace(directory)
    work = ShardWriter(place, teacher, views_at, photos, views)
    fill_soft_targets(place, lambda: work, photos=photos, views=views, key=key, progress=progress)
    return SoftTargets(directory)


@dataclass(frozen=True)
class EncodedShardWriter:
    """Computes the shard of a number from the features of encoders, whose ``columns`` it fills where they lack it."""

    place: Place
    teacher: CombinedTeacher
    columns: tuple[ShardWriter, ...]

    def __call__(self, number: int) -> PieceRecord:
        """Compute and write, if it is not there. Reports photos, seconds and the encoders' share of them."""
        started = time.perf_counter()
        if self.place.has(shard_name(number)):
            return {"photos": 0, "seconds": 0.0, "teacher_s": 0.0}
        teacher_s = sum(column(number)["teacher_s"] for column in self.columns)
        features = [read_shard(column.place, number) for column in self.columns]
        photos, views = features[0].shape[:2]
        rows = [part.reshape(photos * views, -1).astype(np.float32) for part in features]
        self.place.write(shard_name(number), as_file(_as_half(self.teacher.combine(rows), photos, views)))
        return {"photos": photos, "seconds": time.perf_counter() - started, "teacher_s": teacher_s}


def fill_soft_targets(
    place: Place,
    opener: Opener,
    *,
    photos: int,
    views: int,
    key: str,
    workers: Workers | None = None,
    progress: Progress | None = None,
    finish: Callable[[], dict[str, Any]] | None = None,
) -> list[PieceRecord]:
    """Have ``workers`` (else this process) compute every shard that ``place`` lacks; the manifest is written last.

    Args:
        place: Where the shards are kept.
        opener: Returns a `ShardWriter` or the like; called once a worker.
        photos: Number of photos.
        views: Number of views of each.
        key: Hash of teacher, photos and views. Existing shards of the same key are kept, so that a killed run
            continues; those of another key are computed again.
        workers: Who computes; this process if None.
        progress: Called with the photos done and their number.
        finish: Called after the last shard; returns further entries of the manifest.

    Returns:
        The records of the shards that were computed.

    Raises:
        StorageError: ``place`` keeps failing.
        RunError: The teacher's logits are not finite.
    """
    numbers = range(count_shards(photos))
    records = fill_shards(place, opener, numbers, photos=photos, key=key, workers=workers, progress=progress)
    write_manifest(place, photos=photos, views=views, key=key, more=finish() if finish else {})
    return records


def fill_shards(
    place: Place,
    opener: Opener,
    numbers: Sequence[int],
    *,
    photos: int,
    key: str,
    workers: Workers | None = None,
    progress: Progress | None = None,
) -> list[PieceRecord]:
    """As `fill_soft_targets` does, but only the shards ``numbers``, and without a manifest."""
    there = claim(place, key)
    missing = [number for number in numbers if shard_name(number) not in there]
    most = sum(shard_size(number, photos) for number in numbers)
    records, done = [], most - sum(shard_size(n, photos) for n in missing)
    for number, record in (workers or Here()).each(opener, missing):
        records.append(record)
        done += shard_size(number, photos)
        if progress:
            progress(done, most)
    return records


def write_manifest(place: Place, *, photos: int, views: int, key: str, more: dict[str, Any] | None = None) -> None:
    """Write the manifest of a place that holds all its shards; ``more`` are further entries of it."""
    width = read_shard(place, 0).shape[2]
    names = [shard_name(number) for number in range(count_shards(photos))]
    manifest = {"key": key, "shape": [photos, views, width], "shards": names, **(more or {})}
    place.write(MANIFEST, as_json(manifest))
    place.tidy()


def read_shard(place: Place, number: int) -> npt.NDArray[np.float16]:
    """A shard's rows, float16 [N, V, C]."""
    rows: npt.NDArray[np.float16] = np.load(io.BytesIO(place.read(shard_name(number))), allow_pickle=False)
    return rows


def shard_logits(
    teacher: Teacher, views_at: ViewsAt, span: tuple[int, int], views: int
) -> tuple[npt.NDArray[np.float16], float]:
    """Logits float16 [B, V, C] of a range of photos, and the seconds in which the teacher computed."""
    results = [_run_teacher(member, views_at(member.input_size)(*span)) for member in members_of(teacher)]
    logits = combine_logits(teacher, [batch_logits for batch_logits, _ in results])
    return _as_half(logits, span[1] - span[0], views), sum(seconds for _, seconds in results)


def _as_half(logits: npt.NDArray[np.float32], photos: int, views: int) -> npt.NDArray[np.float16]:
    """Rows [N * V, C] as they are stored, [N, V, C]."""
    if len(logits) != photos * views or not np.isfinite(logits).all():
        raise RunError("the teacher's logits are missing or not finite. Check its pixel_range and weights")
    # Logits past float16's range would become infinite; a margin of 60000 nats is already certainty.
    return np.asarray(np.clip(logits, -6e4, 6e4), np.float16).reshape(-1, views, logits.shape[-1])


def _run_teacher(teacher: Teacher, batches: Iterable[npt.NDArray[np.uint8]]) -> tuple[npt.NDArray[np.float32], float]:
    batch_logits, seconds = [], 0.0
    for batch in _read_ahead(batches):
        started = time.perf_counter()
        batch_logits.append(teacher.logits(batch.reshape(-1, *batch.shape[2:])))
        seconds += time.perf_counter() - started
    return np.concatenate(batch_logits), seconds


def _read_ahead(batches: Iterable[npt.NDArray[np.uint8]]) -> Iterator[npt.NDArray[np.uint8]]:
    """The same batches, the next one read in a thread while one is used."""
    source = iter(batches)
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, source, None)
        while (batch := coming.result()) is not None:
            coming = pool.submit(next, source, None)
            yield batch
