"""The teacher as a column of the dataset: its logits for every (photo, view), computed once and kept.

Source: fixed targets for the very view that the student sees, after arXiv:2106.05237.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekd.errors import RunError
from edgekd.storage import read_json, replacing, write_json
from edgekd.teach.average import combined, members_of
from edgekd.teach.protocol import Teacher
from edgekd.training.loop import Progress

SHARD = 256
"""Photos a shard: the unit that is written whole, and the most that is computed twice after a kill."""

RenderedShard = Callable[[int, int], Iterable[npt.NDArray[np.uint8]]]
"""(start, stop) of a range of photos to batches of uint8 [B, V, H, W, 3] that cover it in order."""
ViewsAt = Callable[[tuple[int, int]], RenderedShard]
"""A (height, width) to the same views of the photos at that size."""


class TeacherColumn:
    """Logits float16 [N, V, C], in shards of `SHARD` photos, memory-mapped."""

    def __init__(self, directory: Path) -> None:
        manifest = read_json(directory / "manifest.json")
        self.shape: tuple[int, int, int] = tuple(manifest["shape"])
        self.key: str = manifest["key"]
        self._shards = [np.load(directory / name, mmap_mode="r", allow_pickle=False) for name in manifest["shards"]]
        if sum(len(shard) for shard in self._shards) != self.shape[0]:
            raise RunError(f"{directory} holds fewer logits than its manifest says. Delete it to compute it again.")

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, where: tuple[npt.NDArray[Any], npt.NDArray[Any]]) -> npt.NDArray[np.float16]:
        """Logits float16 [B, C] of photo numbers [B] in view numbers [B]."""
        photos, views = where
        rows = np.empty((len(photos), self.shape[2]), np.float16)
        for row, (photo, view) in enumerate(zip(photos, views, strict=True)):
            rows[row] = self._shards[photo // SHARD][photo % SHARD, view]
        return rows


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
    """Run ``teacher`` over ``views`` views of ``photos`` photos and store the logits under ``directory``.

    Shards already there under the same ``key`` (the hash of teacher, photos and views) are kept, so a killed run goes
    on where it was; those of another key are computed anew. Every member of an average sees the views at its own size.
    """
    owner = directory / "key.json"
    same = owner.is_file() and read_json(owner) == key
    if not same:
        for old in directory.glob("*.npy"):
            old.unlink()
        (directory / "manifest.json").unlink(missing_ok=True)
        write_json(owner, key)
    names = []
    for start in range(0, photos, SHARD):
        stop, path = min(start + SHARD, photos), directory / f"logits-{start // SHARD:05d}.npy"
        if not path.is_file():
            logits = _shard(teacher, views_at, (start, stop), views)
            with replacing(path) as temporary, temporary.open("wb") as stream:
                np.save(stream, logits, allow_pickle=False)
        names.append(path.name)
        if progress:
            progress(stop, photos)
    write_json(
        directory / "manifest.json", {"key": key, "shape": [photos, views, teacher.num_classes], "shards": names}
    )
    return TeacherColumn(directory)


def _shard(teacher: Teacher, views_at: ViewsAt, photos: tuple[int, int], views: int) -> npt.NDArray[np.float16]:
    answers = [_asked(member, views_at(member.input_size)(*photos)) for member in members_of(teacher)]
    logits = combined(teacher, answers)
    if len(logits) != (photos[1] - photos[0]) * views or not np.isfinite(logits).all():
        raise RunError("the teacher gave logits that are missing or no numbers; check its pixel_range and weights")
    # Logits past float16's range would become infinite; a margin of 60000 nats is certainty all the same.
    return np.asarray(np.clip(logits, -6e4, 6e4), np.float16).reshape(-1, views, logits.shape[-1])


def _asked(teacher: Teacher, batches: Iterable[npt.NDArray[np.uint8]]) -> npt.NDArray[np.float32]:
    return np.concatenate([teacher.logits(batch.reshape(-1, *batch.shape[2:])) for batch in batches])
