"""Photos of stored columns, which a run's student is distilled from beside its own (``data.taught``).

Nothing of them is held in memory: their names and logits are mapped, and a photo is read and rendered for its batch.
"""

from __future__ import annotations

import itertools
import mmap
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekd.errors import DataError, StorageError, UsageError
from edgekd.pipeline.label_list import teacher_of
from edgekd.pipeline.stage import Workspace
from edgekd.pipeline.stages.data import views_of
from edgekd.preprocess import Pixels, Preprocessing
from edgekd.recipe import Recipe
from edgekd.scale.place import Place, copied, open_place
from edgekd.scale.remote import MISSING
from edgekd.soft_targets.photo_list import NAMES
from edgekd.soft_targets.photo_reader import THREADS, Rendering
from edgekd.soft_targets.store import MANIFEST, SHARD, TeacherColumn, open_column, read_manifest
from edgekd.storage import read_json, replacing, sha256_file, write_json
from edgekd.training.batches import StoredLogits, ViewSource

COLUMNS = "columns.json"
_ROWS = "rows.npy"

_Numbers = npt.NDArray[np.int64]


def check_taught(recipe: Recipe) -> None:
    """Check what can be said of the columns of ``data.taught`` before there is a teacher: that they are finished and
    of the recipe's views.

    Raises UsageError, StorageError, RunError.
    """
    for where in recipe.data.taught or ():
        _checked(where, views_of(recipe))


def taught_stage(work: Workspace, recipe: Recipe) -> None:
    """Check the columns of ``data.taught`` and note which of their photos have an answer, and where they stand.

    Those that are elsewhere are fetched, what is missing of them. Writes ``taught/``, where the recipe names any.
    Raises UsageError where a column is not finished or not of this recipe's teacher and views; StorageError, RunError.
    """
    if not recipe.data.taught:
        shutil.rmtree(work.path / "taught", ignore_errors=True)
        return
    wanted = {**views_of(recipe), **teacher_of(work.path)}
    found = [_checked(where, wanted) for where in recipe.data.taught]

    def do(directory: Path, _key: str) -> None:
        for stale in set(directory.glob("*/")) - {directory / key for key in (one["key"] for _, one in found)}:
            shutil.rmtree(stale)
        told = []
        for place, manifest in found:
            own = directory / manifest["key"]
            own.mkdir(exist_ok=True)
            column, about = open_column(str(place), own, work.watcher.progress), manifest["about"]
            folder = column.directory
            if folder == own and not _is(own / NAMES, about["names"]):
                copied(place, NAMES, own / NAMES)
            photos = _index(column, folder / NAMES, about["names"], own / _ROWS)
            told.append(
                {
                    "place": str(place), "key": manifest["key"], "list": about["list"], "photos": photos,
                    "left_out": len(column) - photos, "folder": str(folder) if folder != own else None,
                }
            )  # fmt: skip
        write_json(directory / COLUMNS, told)

    depends = [[str(place), manifest["key"]] for place, manifest in found]
    directory = work.stage("taught", {"columns": depends}, (COLUMNS,), do)
    told = read_json(directory / COLUMNS)
    photos, left_out = (sum(one[name] for one in told) for name in ("photos", "left_out"))
    work.watcher.note(f"{photos:,} photos of stored columns join the distillation; {left_out:,} could not be read")


def taught_columns(run: Path) -> list[dict[str, Any]]:
    """What a run's ``taught/`` says of each of its columns: place, key, photos, left_out; none where it has none."""
    told = run / "taught" / COLUMNS
    columns: list[dict[str, Any]] = read_json(told) if told.is_file() else []
    return columns


class TaughtPhotos:
    """The photos of a run's ``taught/`` as a source of views and of logits, numbered from 0 through all columns."""

    def __init__(self, directory: Path, recipe: Recipe, preprocessing: Preprocessing) -> None:
        self._columns = [
            _Column.opened(directory, told, recipe, preprocessing) for told in read_json(directory / COLUMNS)
        ]
        self._starts = np.cumsum([0, *(len(column.rows) for column in self._columns)])
        self._pool = ThreadPoolExecutor(THREADS)
        self.views = recipe.data.views.views

    def __len__(self) -> int:
        return int(self._starts[-1])

    def gather(self, sample_indices: _Numbers, view_numbers: _Numbers) -> npt.NDArray[np.uint8]:
        """The chosen view of each chosen photo, uint8 [B, H, W, 3]. Raises DataError where one is gone."""
        located = [self._located(int(number)) for number in sample_indices]
        rendered = self._pool.map(lambda at, view: at[0].view(at[1], int(view)), located, view_numbers)
        return np.stack(list(rendered))

    def __getitem__(self, where: tuple[_Numbers, _Numbers]) -> npt.NDArray[np.float16]:
        """Logits float16 [B, C] of photo numbers [B] in view numbers [B]."""
        answers = [
            column.logits[np.asarray([column.rows[row, 0]]), np.asarray([view])]
            for (column, row), view in zip(map(self._located, map(int, where[0])), where[1], strict=True)
        ]
        return np.concatenate(answers)

    def _located(self, number: int) -> tuple[_Column, int]:
        place = int(np.searchsorted(self._starts, number, side="right")) - 1
        return self._columns[place], number - int(self._starts[place])


@dataclass(frozen=True)
class JoinedViews:
    """The views of ``count`` photos of ``first``, and after them those of ``more``."""

    first: ViewSource
    count: int
    more: TaughtPhotos

    @property
    def views(self) -> int:
        """Number of views a photo."""
        return self.first.views

    def gather(self, sample_indices: npt.NDArray[Any], view_numbers: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
        """Views as uint8 [B, H, W, 3]."""
        return _joined(self.count, self.first.gather, self.more.gather, sample_indices, view_numbers)


@dataclass(frozen=True)
class JoinedLogits:
    """The logits of ``count`` photos of ``first``, and after them those of ``more``."""

    first: StoredLogits
    count: int
    more: TaughtPhotos

    def __getitem__(self, where: tuple[npt.NDArray[Any], npt.NDArray[Any]]) -> npt.NDArray[Any]:
        """Logits [B, C] of photo numbers [B] in view numbers [B]."""
        return _joined(self.count, lambda *at: self.first[at], lambda *at: self.more[at], *where)


def _joined(
    count: int,
    first: Callable[[_Numbers, _Numbers], npt.NDArray[Any]],
    more: Callable[[_Numbers, _Numbers], npt.NDArray[Any]],
    photos: _Numbers,
    views: _Numbers,
) -> npt.NDArray[Any]:
    """Rows of both in the order that they are asked for."""
    own = photos < count
    parts = [
        (mask, source(photos[mask] - begin, views[mask]))
        for mask, source, begin in ((own, first, 0), (~own, more, count))
        if mask.any()
    ]
    rows = np.empty((len(photos), *parts[0][1].shape[1:]), parts[0][1].dtype)
    for mask, found in parts:
        rows[mask] = found
    return rows


@dataclass(frozen=True)
class _Column:
    """One column: ``rows`` int64 [N, 2] are the number of each photo and where its name starts in ``names``."""

    place: str
    logits: TeacherColumn
    rows: npt.NDArray[np.int64]
    names: mmap.mmap
    rendering: Rendering

    @classmethod
    def opened(cls, directory: Path, told: dict[str, Any], recipe: Recipe, preprocessing: Preprocessing) -> _Column:
        own = directory / told["key"]
        folder = Path(told["folder"] or own)
        try:
            with (folder / NAMES).open("rb") as stream:
                names = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        except OSError as error:
            raise StorageError(f"{folder / NAMES} cannot be read: {error.strerror}. Put the column back") from None
        rows = np.load(own / _ROWS, mmap_mode="r", allow_pickle=False)[: told["photos"]]
        rendering = Rendering(recipe.data.views, recipe.seed, told["list"], preprocessing)
        return cls(told["place"], TeacherColumn(folder), rows, names, rendering)

    def view(self, row: int, number: int) -> Pixels:
        """One view of a photo, uint8 [H, W, 3]."""
        start = int(self.rows[row, 1])
        name = self.names[start : self.names.find(b"\n", start)].decode()
        try:
            return self.rendering.view(name, number)
        except MISSING as error:
            reason = error.strerror or "there is no such file"
        except DataError as error:
            reason = " ".join(str(error).split())
        raise DataError(
            f"{name}, a photo of the column {self.place}, cannot be read any more: {reason}. Put it back, or teach the "
            "list again, which leaves it out"
        )


def _checked(where: str, wanted: dict[str, Any]) -> tuple[Place, dict[str, Any]]:
    """A column's place and manifest, which says the same of how it was made as ``wanted``. Raises UsageError."""
    place = open_place(where)
    if not place.has(MANIFEST):
        raise UsageError(
            f"data.taught: {where} holds no finished column. Finish it: edgekd teach RECIPE --photos LIST --to {where}"
        )
    manifest = read_manifest(place)
    told = manifest.get("about")
    if not (isinstance(told, dict) and all(isinstance(told.get(name), str) for name in ("list", "names", "teacher"))):
        raise UsageError(
            f"data.taught: {where} does not say what it was made from. Say it, with this edgekd: edgekd teach RECIPE "
            f"--photos LIST --to {where}"
        )
    for name, value in wanted.items():
        if told.get(name) != value:
            raise UsageError(
                f"data.taught: {where} has not the {name} of this recipe. Name another column, or compute this one "
                f"again: edgekd teach RECIPE --photos {told['list']} --to {where}"
            )
    return place, manifest


def _index(column: TeacherColumn, names: Path, sha256: str, path: Path) -> int:
    """Write number and place in ``names`` of every photo that has logits, and gives how many; further rows are zeros.

    Raises DataError where there is none, or where ``names`` does not hash to ``sha256``.
    """
    if not _is(names, sha256):
        # Another list came to the same folder, and was stopped before its first logits.
        raise DataError(f"{names} is not the list that the column beside it was made of. Teach the list again")
    done = 0
    with replacing(path) as temporary, names.open("rb") as stream:
        # Rows that are never written take no room on the disk.
        rows = np.lib.format.open_memmap(temporary, "w+", np.int64, (len(column), 2))
        starts = itertools.accumulate(map(len, stream), initial=0)
        for first in range(0, len(column), SHARD):
            known = column.known(first // SHARD)
            size, end = min(SHARD, len(column) - first), done + len(known)
            here = np.fromiter(itertools.islice(starts, size), np.int64, size)
            rows[done:end, 0], rows[done:end, 1], done = first + known, here[known], end
        rows.flush()
    if not done:
        raise DataError(f"{names.parent}: none of the column's photos could be read. See its failed.txt")
    return done


def _is(file: Path, sha256: str) -> bool:
    return file.is_file() and sha256_file(file) == sha256
