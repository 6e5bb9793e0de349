"""From a listed photo to its pixels and the hash that names it; and a look at all of them, in threads."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgekd.data.arrays import read_row
from edgekd.data.duplicates import perceptual_hash
from edgekd.data.listing import ListedPhoto
from edgekd.errors import DataError, MemoryShortage
from edgekd.preprocess import MAX_BYTES, Photo, decode
from edgekd.progress import Progress
from edgekd.storage import read_regular_file


@dataclass(frozen=True)
class Look:
    """What one look at a photo showed; ``error`` is None unless it cannot be decoded, and then the rest is empty."""

    sha256: str
    pixels_sha256: str
    hash: int
    thumbnail: NDArray[np.uint8]
    notes: tuple[str, ...]
    error: str | None


def read_photo(path: Path, index: int | None, name: str) -> tuple[str, Photo]:
    """The hash of a photo (of its file's bytes, or its row's pixels) and its pixels. Raises DataError, DecodeError."""
    try:
        return _read(path, index, name)
    except OSError as error:
        raise DataError(
            f"{name} cannot be read ({path}: {error.strerror}). Put it back, or load the data again"
        ) from None


def _read(path: Path, index: int | None, name: str) -> tuple[str, Photo]:
    if index is not None:
        pixels = read_row(path, index)
        return pixels_sha256(pixels), Photo(pixels, ())
    try:
        content = read_regular_file(path, MAX_BYTES)
    except MemoryError:
        raise MemoryShortage(f"there is not enough memory to read {name} ({path}). Free some") from None
    return hashlib.sha256(content).hexdigest(), decode(content, name)


def pixels_sha256(pixels: NDArray[np.uint8]) -> str:
    """Hex SHA-256 of uint8 [H, W, 3] pixels and their shape."""
    state = hashlib.sha256(f"{pixels.shape[0]}x{pixels.shape[1]}:".encode())
    state.update(np.ascontiguousarray(pixels).data)
    return state.hexdigest()


def look_at_all(
    items: Sequence[ListedPhoto], progress: Progress | None = None, threads: int | None = None
) -> list[Look]:
    """Decode every photo once, in threads (Pillow releases the interpreter's lock), in order."""
    looks: list[Look] = []
    with ThreadPoolExecutor(threads or min(32, os.cpu_count() or 1)) as pool:
        for result in pool.map(_look, items):
            looks.append(result)
            if progress is not None:
                progress(len(looks), len(items))
    return looks


def _look(item: ListedPhoto) -> Look:
    try:
        sha256, photo = _read(item.path, item.index, item.id)
    except OSError as error:
        return Look("", "", 0, np.zeros(0, np.uint8), (), f"{item.id} cannot be read: {error.strerror}")
    except DataError as error:
        return Look("", "", 0, np.zeros(0, np.uint8), (), str(error))
    hash_, thumbnail = perceptual_hash(photo.pixels)
    same = sha256 if item.index is not None else pixels_sha256(photo.pixels)
    return Look(sha256, same, hash_, thumbnail, photo.notes, None)
