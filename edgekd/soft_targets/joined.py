"""A run's is_first photos and those of further soft-target stores, as one source of views and of logits.

Nothing of the stores is held in memory: their names and logits are mapped, and a photo is read and rendered for its
batch."""

from __future__ import annotations

import mmap
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt

from edgekd.data.views import ViewPolicy
from edgekd.errors import DataError, StorageError
from edgekd.preprocess import Pixels, Preprocessing
from edgekd.scale.remote import MISSING
from edgekd.soft_targets.photo_list import NAMES
from edgekd.soft_targets.photo_reader import THREADS, Rendering
from edgekd.soft_targets.store import SoftTargets
from edgekd.storage import read_json
from edgekd.text import one_line
from edgekd.training.batches import StoredLogits, ViewSource

STORES, ROWS = "stores.json", "rows.npy"

_Numbers = npt.NDArray[np.int64]


class ExtraStore(TypedDict):
    """A further store of a run: its address, key and photo list, how many photos have logits, how many were left out.

    ``folder`` is where its logits are read, None where they were fetched into the run.
    """

    place: str
    key: str
    list: str
    photos: int
    left_out: int
    folder: str | None


def extra_stores(run: Path) -> list[ExtraStore]:
    """The further stores that a run's student is distilled from; none where it names none."""
    file = run / "extra_targets" / STORES
    records: list[ExtraStore] = read_json(file) if file.is_file() else []
    return records


class StoredPhotos:
    """The photos of a run's ``extra_targets/`` as a source of views and logits, numbered through all stores."""

    def __init__(self, directory: Path, policy: ViewPolicy, seed: int, preprocessing: Preprocessing) -> None:
        self._stores = [
            _Store.open(directory, record, policy, seed, preprocessing) for record in read_json(directory / STORES)
        ]
        self._starts = np.cumsum([0, *(len(store.rows) for store in self._stores)])
        self._pool = ThreadPoolExecutor(THREADS)
        self.views = policy.views

    def __len__(self) -> int:
        return int(self._starts[-1])

    def gather(self, sample_indices: _Numbers, view_numbers: _Numbers) -> npt.NDArray[np.uint8]:
        """The chosen view of each chosen photo, uint8 [B, H, W, 3]. Raises DataError where one is gone."""
        places = [self._locate(int(number)) for number in sample_indices]
        rendered = self._pool.map(lambda at, view: at[0].view(at[1], int(view)), places, view_numbers)
        return np.stack(list(rendered))

    def __getitem__(self, where: tuple[_Numbers, _Numbers]) -> npt.NDArray[np.float16]:
        """Logits float16 [B, C] of photo numbers [B] in view numbers [B]."""
        logits = [
            store.logits[np.asarray([store.rows[row, 0]]), np.asarray([view])]
            for (store, row), view in zip(map(self._locate, map(int, where[0])), where[1], strict=True)
        ]
        return np.concatenate(logits)

    def _locate(self, number: int) -> tuple[_Store, int]:
        place = int(np.searchsorted(self._starts, number, side="right")) - 1
        return self._stores[place], number - int(self._starts[place])


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
        return _join_rows(self.count, self.first.gather, self.more.gather, sample_indices, view_numbers)


@dataclass(frozen=True)
class JoinedLogits:
    """The logits of ``count`` photos of ``first``, and after them those of ``more``."""

    first: StoredLogits
    count: int
    more: StoredPhotos

    def __getitem__(self, where: tuple[npt.NDArray[Any], npt.NDArray[Any]]) -> npt.NDArray[Any]:
        """Logits [B, C] of photo numbers [B] in view numbers [B]."""
        return _join_rows(self.count, lambda *at: self.first[at], lambda *at: self.more[at], *where)


def _join_rows(
    count: int,
    first: Callable[[_Numbers, _Numbers], npt.NDArray[Any]],
    more: Callable[[_Numbers, _Numbers], npt.NDArray[Any]],
    photos: _Numbers,
    views: _Numbers,
) -> npt.NDArray[Any]:
    """Rows of both in the order of ``photos``."""
    is_first = photos < count
    parts = [
        (mask, source(photos[mask] - begin, views[mask]))
        for mask, source, begin in ((is_first, first, 0), (~is_first, more, count))
        if mask.any()
    ]
    rows = np.empty((len(photos), *parts[0][1].shape[1:]), parts[0][1].dtype)
    for mask, values in parts:
        rows[mask] = values
    return rows


@dataclass(frozen=True)
class _Store:
    """One store: ``rows`` int64 [N, 2] are the number of each photo and where its name starts in ``names``."""

    place: str
    logits: SoftTargets
    rows: npt.NDArray[np.int64]
    names: mmap.mmap
    rendering: Rendering

    @classmethod
    def open(
        cls, directory: Path, record: ExtraStore, policy: ViewPolicy, seed: int, preprocessing: Preprocessing
    ) -> _Store:
        index = directory / record["key"]
        folder = Path(record["folder"] or index)
        try:
            with (folder / NAMES).open("rb") as stream:
                names = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        except OSError as error:
            raise StorageError(f"{folder / NAMES} cannot be read: {error.strerror}. Put the store back") from None
        rows = np.load(index / ROWS, mmap_mode="r", allow_pickle=False)[: record["photos"]]
        rendering = Rendering(policy, seed, record["list"], preprocessing)
        return cls(record["place"], SoftTargets(folder), rows, names, rendering)

    def view(self, row: int, number: int) -> Pixels:
        """One view of a photo, uint8 [H, W, 3]."""
        start = int(self.rows[row, 1])
        name = self.names[start : self.names.find(b"\n", start)].decode()
        try:
            return self.rendering.view(name, number)
        except MISSING as error:
            reason = error.strerror or "the file does not exist"
        except DataError as error:
            reason = one_line(error)
        raise DataError(
            f"{name}, a photo of the soft targets {self.place}, cannot be read any more: {reason}. Put it back, or "
            "label the list again, which leaves it out"
        )
