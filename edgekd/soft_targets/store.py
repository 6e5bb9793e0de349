"""The store: the teacher's logits for every (photo, view), in shards that are computed once.

Each shard is a pure function of its number: its bytes do not depend on the process that computes it or on the place
where it is kept. (They do depend on the number of TensorFlow's threads: a sum of floats depends on how it is divided.
See `edgekd.scale`.)

Source: fixed targets for the very view that the student sees, after arXiv:2106.05237.
"""

from __future__ import annotations

import functools
import io
import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekd.errors import RunError
from edgekd.progress import Progress
from edgekd.scale.place import LocalPlace, Place, fetch_files, open_place
from edgekd.storage import read_json
from edgekd.text import first_line

SHARD = 256
"""Photos in a shard: the unit that is written whole, and the most that a worker repeats after a kill."""
MANIFEST, OWNER = "manifest.json", "key.json"
_MOST_MAPS = 1024


class SoftTargets:
    """Logits float16 [N, V, C], in shards of `SHARD` photos, memory-mapped. NaN where a photo could not be read."""

    def __init__(self, directory: Path) -> None:
        manifest = check_manifest(read_json(directory / MANIFEST), directory)
        self.directory = directory
        self.shape: tuple[int, int, int] = tuple(manifest["shape"])
        self.key: str = manifest["key"]
        paths = [directory / name for name in manifest["shards"]]
        for number, path in enumerate(paths):
            size = shard_size(number, self.shape[0]) * math.prod(self.shape[1:]) * 2
            if not path.is_file() or path.stat().st_size < size:
                raise RunError(f"{directory} holds fewer logits than its manifest says. Delete it to compute it again")
        # A process may have 65,530 maps, which are the shards of 16 million photos.
        self._shard = functools.lru_cache(_MOST_MAPS)(lambda number: _open_shard(paths[number]))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, where: tuple[npt.NDArray[Any], npt.NDArray[Any]]) -> npt.NDArray[np.float16]:
        """Logits float16 [B, C] of photo numbers [B] in view numbers [B]."""
        photos, views = where
        rows = np.empty((len(photos), self.shape[2]), np.float16)
        for row, (photo, view) in enumerate(zip(photos, views, strict=True)):
            rows[row] = self._shard(int(photo) // SHARD)[photo % SHARD, view]
        return rows

    def readable(self, number: int) -> npt.NDArray[np.int64]:
        """Places in a shard of the photos that could be read, int64."""
        return np.flatnonzero(~np.isnan(self._shard(number)).any(axis=(1, 2)))


def _open_shard(path: Path) -> npt.NDArray[np.float16]:
    try:
        logits: npt.NDArray[np.float16] = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # NumPy's reader of headers raises many kinds on a damaged file.
        raise RunError(f"{path} is damaged ({first_line(error)}). Delete its folder to compute it again") from None
    return logits


def open_soft_targets(where: str, cache: Path, progress: Progress | None = None) -> SoftTargets:
    """Finished soft targets at a path or URI; remote shards that ``cache`` lacks are first copied there.

    Raises StorageError, RunError.
    """
    place = open_place(where)
    if isinstance(place, LocalPlace):
        return SoftTargets(place.folder)
    manifest, local = read_manifest(place), LocalPlace(cache)
    claim(local, manifest["key"])
    fetch_files(place, manifest["shards"], cache, progress)
    local.write(MANIFEST, as_json(manifest))
    return SoftTargets(cache)


def read_manifest(place: Place) -> dict[str, Any]:
    """The manifest of finished soft targets. Raises StorageError, RunError."""
    try:
        manifest = json.loads(place.read(MANIFEST))
    except ValueError as error:
        raise RunError(f"{place}: {MANIFEST} is not JSON ({error}). Compute the soft targets again") from None
    return check_manifest(manifest, place)


def check_manifest(manifest: Any, where: object) -> dict[str, Any]:
    """The manifest, if it is as edgekd writes it: files are named by it, folders by its key. Raises RunError."""
    try:
        photos, views, classes = (int(size) for size in manifest["shape"])
        names = [shard_name(number) for number in range(count_shards(photos))]
        good = min(photos, views, classes) > 0 and manifest["shards"] == names
        good &= re.fullmatch("[0-9A-Za-z_-]+", manifest["key"]) is not None
    except (KeyError, TypeError, ValueError):
        good = False
    if not good:
        raise RunError(f"{where}: {MANIFEST} is not as edgekd writes it. Compute the soft targets again")
    checked: dict[str, Any] = manifest
    return checked


def shard_name(number: int) -> str:
    """The file of a shard."""
    return f"logits-{number:05d}.npy"


def count_shards(photos: int) -> int:
    """The number of shards of so many photos."""
    return -(-photos // SHARD)


def span_of(number: int, photos: int) -> tuple[int, int]:
    """The (start, stop) of a shard's photos."""
    return number * SHARD, min((number + 1) * SHARD, photos)


def as_file(logits: npt.NDArray[np.float16]) -> bytes:
    """A shard as the bytes of its file."""
    stream = io.BytesIO()
    np.save(stream, logits, allow_pickle=False)
    return stream.getvalue()


def claim(place: Place, key: str) -> set[str]:
    """Mark ``place`` as that of ``key`` and remove the files of any other key. Returns the names of the files there."""
    there = set(place.names())
    if OWNER in there and json.loads(place.read(OWNER)) == key:
        return there
    for name in sorted(there, reverse=True):  # The manifest before the shards that it names.
        if name == MANIFEST or name.startswith(("logits-", "failed")):
            place.remove(name)
    place.write(OWNER, as_json(key))
    return set()


def shard_size(number: int, photos: int) -> int:
    """The number of photos in a shard."""
    start, stop = span_of(number, photos)
    return stop - start


def as_json(value: Any) -> bytes:
    """The bytes of a JSON file."""
    return (json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()
