"""Lists of photos, read as a stream: a file of tens of millions of names takes no more memory than one of ten.

A list is text (a photo a line), CSV (column ``filename``) or Parquet (``filename``, else its only column), anywhere.
A photo is an absolute path, a URI, or a path relative to the folder that the list is in.
"""

from __future__ import annotations

import csv
import errno
import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.errors import DataError, StorageError
from edgekd.extras import require
from edgekd.preprocess import MAX_BYTES
from edgekd.scale.place import Place, is_uri
from edgekd.scale.remote import file_system, read_from, retry
from edgekd.storage import read_regular_file, require_regular_file

COLUMN = "filename"
NAMES, STARTS = "photos.txt", "photos.npy"
_ROWS = 4096


@dataclass(frozen=True)
class ListFacts:
    """The number of ``photos`` that a list names, and the hash of their names in their order."""

    photos: int
    sha256: str


def names_in(source: str) -> Iterator[str]:
    """The photos that a list names, in its order. Raises DataError, StorageError."""
    suffix = PurePosixPath(source.partition("?")[0]).suffix.lower()
    reader = {".csv": _csv_rows, ".parquet": _parquet_rows}.get(suffix, _lines)
    with _open_list(source) as stream:
        try:
            for number, name in enumerate(reader(stream, source), 1):
                if "\n" in name or not name:
                    raise DataError(f"{source}, photo {number}: {name!r} is not a file name. Correct the list")
                yield name
        except (UnicodeDecodeError, csv.Error) as error:
            raise DataError(f"{source} cannot be read as a list of photos: {error}") from None
        except OSError as error:
            raise StorageError(f"{source} cannot be read: {error}. The same command begins again") from None


def store_list(place: Place, source: str, a_shard: int) -> ListFacts:
    """Write a list's names to ``place``, a line a photo, and where the lines of every shard start.

    Raises DataError where it names none.
    """
    state, starts, count = hashlib.sha256(), [0], 0

    def parts() -> Iterator[bytes]:
        nonlocal count
        size, lines = 0, []
        for name in names_in(source):
            line = name.encode() + b"\n"
            state.update(line)
            lines.append(line)
            size, count = size + len(line), count + 1
            if count % a_shard == 0:
                starts.append(size)
                yield b"".join(lines)
                lines = []
        yield b"".join(lines)
        if starts[-1] != size:
            starts.append(size)

    place.stream(NAMES, parts())
    if not count:
        raise DataError(f"{source} names no photos. Give a text file with a photo a line, a CSV or a Parquet file")
    place.write(STARTS, np.asarray(starts, np.int64).tobytes())
    return ListFacts(count, state.hexdigest())


def shard_starts(place: Place) -> NDArray[np.int64]:
    """Where the lines of every shard start in the stored list, and where the last ends: int64 [shards + 1]."""
    return np.frombuffer(place.read(STARTS), np.int64)


def shard_names(place: Place, starts: NDArray[np.int64], number: int) -> list[str]:
    """The names of a shard's photos, as the list gave them."""
    return place.read(NAMES, int(starts[number]), int(starts[number + 1])).decode().splitlines()


def read_photo(name: str, source: str) -> bytes:
    """The bytes of a photo of the list ``source``.

    Raises: FileNotFoundError, PermissionError, IsADirectoryError or NotADirectoryError where the photo does not exist;
    DataError for pipes, devices and files too large for a photo; StorageError.
    """
    if is_uri(name):
        return read_from(*file_system(name), f"reading {name}")
    if is_uri(source) and not name.startswith("/"):
        system, here = file_system(source)
        return read_from(system, str(PurePosixPath(here).parent / name), f"reading {name} of {source}")

    def read() -> bytes:
        try:
            return read_regular_file(Path(source).parent / name, MAX_BYTES)
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.EFBIG):  # It will not be a photo at the next try either.
                raise DataError(f"{name} cannot be read: {error.strerror}") from None
            raise

    return retry(read, f"reading {name}")


@contextmanager
def _open_list(source: str) -> Iterator[Any]:
    if is_uri(source):
        system, path = file_system(source)
        try:
            stream = retry(lambda: system.open_input_file(path), f"{source}: opening")
        except FileNotFoundError:
            raise DataError(f"{source} does not exist. Give a list of photos") from None
    else:
        try:
            require_regular_file(Path(source))
            stream = Path(source).open("rb")  # noqa: SIM115  closed below
        except OSError as error:
            raise DataError(f"{source} cannot be opened: {error.strerror}. Give a list of photos") from None
    with stream:
        yield stream


def _lines(stream: Any, _source: str) -> Iterator[str]:
    for line in io.TextIOWrapper(stream, "utf-8-sig"):
        if line.strip():
            yield line.strip()


def _csv_rows(stream: Any, source: str) -> Iterator[str]:
    reader = csv.DictReader(io.TextIOWrapper(stream, "utf-8-sig", newline=""))
    if COLUMN not in (reader.fieldnames or ()):
        raise DataError(f"{source} has no column {COLUMN} (it has {', '.join(reader.fieldnames or ())})")
    for row in reader:
        yield (row[COLUMN] or "").strip()


def _parquet_rows(stream: Any, source: str) -> Iterator[str]:
    require("ray", source, "pyarrow")
    from pyarrow import ArrowException, parquet

    try:
        file = parquet.ParquetFile(stream)
        columns = file.schema_arrow.names
        column = COLUMN if COLUMN in columns else columns[0] if len(columns) == 1 else None
        if column is None:
            raise DataError(f"{source} has no column {COLUMN} (it has {', '.join(columns)})")
        for batch in file.iter_batches(_ROWS, columns=[column]):
            yield from map(str, batch.column(0).to_pylist())
    except ArrowException as error:
        raise DataError(f"{source} cannot be read as a Parquet file: {error}") from None
