"""A run's own photos and those of further soft-target stores, as one source of views and of logits.

Nothing of the stores is held in memory: their names and logits are mapped, and a photo is read and rendered for its
batch."""

from __future__ import annotations

import mmap
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekd.errors import DataError, StorageError
from edgekd.preprocess import Pixels, Preprocessing
from edgekd.recipe import Recipe
from edgekd.scale.remote import MISSING
from edgekd.soft_targets.photo_list import NAMES
from edgekd.soft_targets.photo_reader import THREADS, Rendering
from edgekd.soft_targets.store import SoftTargets
from edgekd.storage import read_json
from edgekd.training.batches import StoredLogits, ViewSource

COLUMNS = "columns.json"


_ROWS = "rows.npy"


_Numbers = npt.NDArray[np.int64]


class StoredPhotos:
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
    more: StoredPhotos

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
    more: StoredPhotos

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
    logits: SoftTargets
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
        return cls(told["place"], SoftTargets(folder), rows, names, rendering)

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
